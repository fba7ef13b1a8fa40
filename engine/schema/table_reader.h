// Reads one table's declaration into a Table. Part of read_catalog.
#pragma once

#include <string>
#include <unordered_map>

#include "engine/core/result.h"
#include "engine/core/schema.h"

namespace crossfade::sqlite {
class Connection;
}

namespace crossfade::schema {

// The column that carries the rowid of a table without a usable key.
inline constexpr const char* kSurrogateColumn = "_crossfade_rowid";

struct TableEntry {  // a row of SQLite's own list of tables
  std::string name;
  std::string sql;
  bool without_rowid = false;
  bool strict = false;
};

// CREATE INDEX by the index's name. Read once for all tables: SQLite's list of what there is has no
// index, and searching it for each table takes time that grows with the square.
using IndexSql = std::unordered_map<std::string, std::string>;

// Call inside a transaction.
Result<Table> read_table(sqlite::Connection& connection, const TableEntry& entry,
                         const IndexSql& index_sql);

// Makes the rowid the table's identity, in a column behind the others: statements that name no
// columns keep their meaning on the target.
// The declared primary key, if any, stays among the unique keys and indexes.
void add_surrogate(Table* table);

}  // namespace crossfade::schema
