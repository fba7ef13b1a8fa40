// A seeded random schema: tables of every kind of key, with names and clauses that are hard to get
// right.
//
// Plain data; the writers in random_writes.h read and change it. Threads: one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace crossfade::testing {

class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}
  // In [0, n).
  size_t below(size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(engine_); }
  // True once in n times.
  bool one_in(size_t n) { return below(n) == 0; }
  template <typename Items>
  const auto& pick(const Items& items) {
    return items[below(std::size(items))];
  }

 private:
  std::mt19937_64 engine_;
};

// What the values of a column are, so that they fit the type that the planner chooses for it.
enum class ColumnKind : uint8_t {
  kInteger,
  kReal,
  kText,
  kBlob,
  kBoolean,
  kDecimal,  // NUMERIC affinity: integers and reals
  kUntyped,  // every class
};

struct RandomColumn {
  std::string name;
  ColumnKind kind = ColumnKind::kInteger;
  std::string clauses;     // after the name: type, DEFAULT, COLLATE, REFERENCES ...
  bool generated = false;  // never written to
};

struct RandomTable {
  std::string name;
  std::vector<RandomColumn> columns;
  std::vector<std::string> constraints;  // UNIQUE(...), PRIMARY KEY(...), FOREIGN KEY(...)
  std::string options;                   // " WITHOUT ROWID"
  std::vector<size_t> key;               // empty: none declared
  bool rowid_alias = false;
  std::string rowid;  // a name the rowid can be written by; empty: there is none
  // CREATE INDEX and CREATE TRIGGER, as extras_sql() completes them.
  std::vector<std::string> extras;
};

struct RandomSchema {
  std::vector<RandomTable> tables;
  // Every table has a DELETE trigger of the application's, which does nothing. With
  // recursive_triggers, SQLite's REPLACE takes another way where there is one, whoever made it:
  // what met two unique keys may then fail or leave other rows (seen with 3.40).
  bool delete_triggers = false;
  size_t made = 0;  // names are numbered, so that none comes twice
};

[[nodiscard]] std::string sql_quote(std::string_view name);

// Appends a new table, which may refer to those before it.
void add_random_table(Random& random, RandomSchema* schema);

// CREATE TABLE and what belongs to it. `name`: instead of the table's own.
[[nodiscard]] std::string create_sql(const RandomTable& table, const std::string& name);
[[nodiscard]] std::vector<std::string> extras_sql(const RandomTable& table);

// A column that ALTER TABLE can add.
[[nodiscard]] RandomColumn random_added_column(Random& random, RandomSchema* schema);

// A literal for a column, from few values, so that rows run into each other's keys.
[[nodiscard]] std::string random_value(Random& random, ColumnKind kind);

}  // namespace crossfade::testing
