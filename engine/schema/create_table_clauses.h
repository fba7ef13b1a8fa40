// The clauses of a CREATE TABLE that SQLite's pragmas do not tell: CHECK, generated expressions,
// ON CONFLICT.
#pragma once

#include <string>
#include <vector>

namespace crossfade::schema {

struct Clause {
  std::string column;  // empty: a clause of the table
  std::string text;    // as written, "CHECK (price > 0)"
};

struct CreateTableClauses {
  std::vector<Clause> checks;
  std::vector<Clause> generated;  // "AS (a + b)"
  std::vector<Clause> conflicts;  // "ON CONFLICT REPLACE"
};

[[nodiscard]] CreateTableClauses parse_clauses(const std::string& create_table_sql);

// The module of a CREATE VIRTUAL TABLE, "fts5".
[[nodiscard]] std::string virtual_table_module(const std::string& create_sql);

}  // namespace crossfade::schema
