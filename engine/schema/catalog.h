// Reads the source's catalog: tables, columns, keys, indexes, foreign keys. No stored values.
//
// User tables only: virtual tables and their shadow tables, sqlite_* and _crossfade_* are left out
// (virtual tables, and the application's own tables named _crossfade_*, are listed apart, so that a
// finding can name them).
#pragma once

#include <string>
#include <vector>

#include "engine/core/result.h"
#include "engine/core/schema.h"

namespace crossfade::sqlite {
class Connection;
}

namespace crossfade::schema {

struct VirtualTable {
  std::string name;
  std::string module;       // "fts5"
  std::string sql;          // CREATE VIRTUAL TABLE as written
  std::string target_name;  // what stands for it on the target is called so, unquoted
};

struct Trigger {
  std::string name;
  std::string table;
  std::string sql;
  int64_t schema_rowid = 0;  // SQLite fires the newest trigger of a table first (measured, 3.40.1)
};

struct View {
  std::string name;
  std::string sql;
};

struct Catalog {
  int64_t schema_version = 0;  // PRAGMA schema_version in the same snapshot
  std::string encoding;        // "UTF-8", "UTF-16le", "UTF-16be"
  std::vector<Table> tables;   // by name; types, target DDL and key choice are not made yet:
                               // `identity` is what the declaration alone allows
  std::vector<VirtualTable> virtual_tables;
  std::vector<Trigger> triggers;  // the application's and ours (_crossfade_ prefix)
  std::vector<View> views;
  std::vector<std::string> reserved;  // tables and views that only look like ours: not in the above
};

// One consistent read: call it inside a transaction, or it opens one itself.
// Table::shape is a digest of everything that decides what is captured and carried: column names,
// declared types, collations, NOT NULLs, keys, WITHOUT ROWID. Indexes that are not unique are not
// in it.
Result<Catalog> read_catalog(sqlite::Connection& connection);

// SQLite's affinity of a declared type (datatype3.html, 3.1): substring rules, in order.
[[nodiscard]] Affinity affinity_of(const std::string& declared_type);

}  // namespace crossfade::schema
