// The clauses of a CREATE TABLE that SQLite's pragmas do not tell: CHECK, generated expressions,
// ON CONFLICT, names of keys, names of foreign keys and when they are checked.
#pragma once

#include <string>
#include <vector>

#include "engine/core/schema.h"

namespace crossfade::schema {

struct Clause {
  std::string column;  // empty: a clause of the table
  std::string text;    // as written, "CHECK (price > 0)"
};

struct ForeignKeyClause {
  std::string name;          // of its CONSTRAINT; empty: it has none
  std::string parent_table;  // as written
  bool deferred = false;     // DEFERRABLE INITIALLY DEFERRED; all else is immediate in SQLite
};

// PRIMARY KEY or UNIQUE.
struct KeyClause {
  std::string name;  // of its CONSTRAINT; empty: it has none
  bool primary = false;
  std::vector<std::string> columns;
};

struct CreateTableClauses {
  std::vector<Clause> checks;
  std::vector<Clause> generated;  // "AS (a + b)"
  std::vector<Clause> conflicts;  // "ON CONFLICT REPLACE"
  std::vector<ForeignKeyClause> foreign_keys;
  std::vector<KeyClause> keys;
};

[[nodiscard]] CreateTableClauses parse_clauses(const std::string& create_table_sql);

// What the CREATE TABLE says of `key`; nothing special when it cannot be told which clause it is.
[[nodiscard]] ForeignKeyClause foreign_key_clause(const Table& table, const ForeignKey& key);

// The module of a CREATE VIRTUAL TABLE, "fts5".
[[nodiscard]] std::string virtual_table_module(const std::string& create_sql);

}  // namespace crossfade::schema
