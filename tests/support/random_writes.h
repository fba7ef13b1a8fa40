// Seeded random statements against a random schema, and changes of that schema.
//
// Many fail on constraints, as an application's do; none depends on time or chance inside SQLite.
// Threads: one. Borrows the schema and the random source.
#pragma once

#include <string>
#include <vector>

#include "tests/support/random_schema.h"

namespace crossfade::testing {

class RandomWrites {
 public:
  using Script = std::vector<std::string>;

  RandomWrites(Random& random, RandomSchema& schema) : random_(random), schema_(schema) {}

  // The rows there are before the engine comes.
  Script initial_rows();
  // One statement, or a transaction of several with savepoints. Whoever runs it ends a transaction
  // that an error left open.
  Script script();
  // A large transaction on one table: more than one part of a batch now and then.
  Script big_transaction();

  // A change of the schema, and the schema after it, if all of it succeeds.
  struct Change {
    Script statements;
    RandomSchema after;
  };
  Change change();

 private:
  const RandomTable& table() { return random_.pick(schema_.tables); }
  std::string statement();
  std::string insert(const RandomTable& table);
  std::string insert_select(const RandomTable& table);
  std::string update(const RandomTable& table);
  std::string remove(const RandomTable& table);
  std::string conflict();
  std::string upsert(const RandomTable& table);
  std::string assignments(const RandomTable& table);
  std::string condition(const RandomTable& table);
  std::string row(const RandomTable& table, const std::vector<size_t>& columns, bool with_rowid);
  std::string many_rows(const RandomTable& table, size_t count, bool wide);
  Script transaction();
  Script swap(const RandomTable& table);
  Script rebuild(const RandomTable& table);
  void rename_table(Change* change, RandomTable* table);
  void rename_column(Change* change, RandomTable* table);

  Random& random_;
  RandomSchema& schema_;
};

}  // namespace crossfade::testing
