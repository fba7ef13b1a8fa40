// What crossfade knows of a table on both sides: plain data, made by engine/schema, read by all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/core/column_type.h"
#include "engine/core/strong.h"

namespace crossfade {

// SQLite's column affinity (datatype3.html section 3.1).
enum class Affinity : uint8_t { kInteger, kText, kBlob, kReal, kNumeric };

[[nodiscard]] constexpr bool is_numeric(Affinity affinity) {
  return affinity != Affinity::kText && affinity != Affinity::kBlob;
}

// What is done when a later value does not fit a column's type. The row is set aside first in any
// case: nothing else can be committed with the rest of its transaction.
enum class OnMisfit : uint8_t {
  kQuarantine,  // and stays there until somebody decides
  kWiden,       // the table is copied anew with a type that holds what is stored now
  kStop,        // the engine ends (exit 3)
};

struct Column {
  std::string name;         // as the source spells it
  std::string source_sql;   // how to read it from the table: a quoted name, or a rowid name
  std::string target_name;  // unquoted
  std::string declared_type;
  Affinity affinity = Affinity::kBlob;
  ColumnType type;
  OnMisfit on_misfit = OnMisfit::kQuarantine;
  std::string reason;      // why this type, one sentence
  bool not_null = false;   // to be declared NOT NULL on the target
  bool synthetic = false;  // the rowid that stands in for a key the table has not got
  bool generated = false;
  std::string generated_sql;  // "AS (a + b)", as written; empty: not generated, or not to be read
  // Translated. The target computes the column then, and nobody writes to it.
  std::optional<std::string> target_generated;
  std::string collation = "BINARY";           // the source's, upper case
  std::optional<std::string> default_sql;     // the source's text
  std::optional<std::string> target_default;  // translated, or nothing
};

// How a row is told from another, on both sides.
enum class Identity : uint8_t {
  kRowidAlias,  // INTEGER PRIMARY KEY
  kPrimaryKey,  // a declared key without NULLs
  kSurrogate,   // no usable key: the rowid is carried along in a column of its own
};

struct UniqueKey {
  struct Part {
    size_t column;          // into Table::columns
    std::string collation;  // of the index, which may differ from the column's
  };
  std::vector<Part> parts;
  // The predicate of a partial index, if it can stand in another statement as it is; else empty.
  std::string where_sql;
};

struct Index {
  std::string name;
  bool unique = false;
  bool constraint = false;  // made by a UNIQUE or PRIMARY KEY clause
  bool primary = false;     // made by the PRIMARY KEY clause
  bool partial = false;
  bool expression = false;  // has parts that are no columns, which `parts` leaves out
  std::string source_sql;   // CREATE INDEX as written; empty for a constraint's
  struct Part {
    size_t column;
    bool descending = false;
    std::string collation;
  };
  std::vector<Part> parts;
  std::optional<std::string> target_ddl;  // nothing: not carried, a finding says why
};

struct ForeignKey {
  int64_t id = 0;
  std::string parent_table;
  std::vector<std::string> columns;
  std::vector<std::string> parent_columns;  // empty: the parent's primary key
  std::string on_update;
  std::string on_delete;
  std::optional<std::string> target_ddl;  // ALTER TABLE ... NOT VALID; nothing: not carried
  std::string target_constraint;          // its name there, for VALIDATE
};

struct Check {
  std::string name;                       // on the target
  std::string source_sql;                 // "CHECK (price > 0)", as written
  std::optional<std::string> target_ddl;  // ALTER TABLE ... NOT VALID; nothing: not carried
};

// What stands on the target for a full-text table of the source's. It is the target's alone: no
// column of Table::columns, never read or written by crossfade.
struct Search {
  std::string source;       // the full-text table
  std::string target_name;  // of the generated column, unquoted; empty: an index alone
  std::string add_ddl;      // ALTER TABLE ... ADD COLUMN; empty: an index alone
  std::string index_ddl;    // CREATE INDEX
};

struct Table {
  std::string name;
  std::string target_name;  // unquoted
  bool without_rowid = false;
  bool autoincrement = false;
  std::string rowid_name;  // "rowid", "_rowid_" or "oid", whichever no column hides; else empty
  Identity identity = Identity::kPrimaryKey;
  std::vector<Column> columns;         // what is carried, in target order
  std::vector<size_t> key;             // into `columns`, in key order, never empty
  std::vector<UniqueKey> unique_keys;  // every key REPLACE can act on, the primary one included;
                                       // partial ones too; expression keys cannot be listed
  std::vector<Index> indexes;
  std::vector<ForeignKey> foreign_keys;
  std::vector<Check> checks;
  std::vector<Search> searches;
  std::string sequence;          // of a rowid's column, on the target; empty: PostgreSQL's choice
  std::string create_table_ddl;  // for the target, without keys and indexes
  std::string primary_key_ddl;   // ALTER TABLE ... ADD CONSTRAINT ... PRIMARY KEY
  std::string shape;             // changes when, and only when, what is carried changes
  std::string rules;             // the operator's, that bear on it, as text; empty: none
  std::string source_sql;        // the CREATE TABLE text
  int64_t rows_estimate = 0;
  bool adopted = false;  // it was on the target before, and is never dropped: no DDL of ours
};

// The column is the rowid, by a name of the source's or by none.
[[nodiscard]] inline bool is_rowid_key(const Table& table, size_t column) {
  return table.identity != Identity::kPrimaryKey && table.key.front() == column;
}

}  // namespace crossfade
