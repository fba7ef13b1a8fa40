// A random table and random transactions on it, in an ordinary SQLite in memory.
//
// Plain rows, read after each: what became of them is the difference. Threads: one.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/core/schema.h"
#include "engine/core/value.h"
#include "engine/sqlite/connection.h"
#include "tests/support/random_schema.h"

namespace crossfade::testing {

// By canonical_key().
using KeyedRows = std::map<std::string, Row>;

// The same for two keys that one index takes for one (1 and 1.0).
[[nodiscard]] std::string canonical_key(const Row& key);
[[nodiscard]] Row key_in_row(const Table& table, const Row& row);
// Table `t`, its columns in the table's order.
[[nodiscard]] KeyedRows read_keyed_rows(sqlite::Connection& from, const Table& table);

// CREATE statements of a table `t`, one of several kinds of keys and constraints.
[[nodiscard]] const char* keyed_table_sql(uint64_t kind);

class RandomRows {
 public:
  // `table` is what the catalog makes of keyed_table_sql(kind).
  RandomRows(Random& random, uint64_t kind, std::shared_ptr<const Table> table);

  // Statements that fail leave nothing.
  void transaction();
  [[nodiscard]] KeyedRows rows() { return read_keyed_rows(twin_, *table_); }

 private:
  bool execute(const std::string& sql, const std::vector<Value>& values = {});
  std::string where(const Row& row, std::vector<Value>* values);
  void insert_random();
  void change_one(const Row& row);
  void remove_one(const Row& row);
  void rotate(const KeyedRows& rows);
  bool insert_row(const Row& row);

  Random& random_;
  const uint64_t kind_;
  const std::shared_ptr<const Table> table_;
  sqlite::Connection twin_;
};

}  // namespace crossfade::testing
