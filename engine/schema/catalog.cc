#include "engine/schema/catalog.h"

#include <map>
#include <optional>
#include <utility>

#include "engine/schema/create_table_clauses.h"
#include "engine/schema/naming.h"
#include "engine/schema/table_reader.h"
#include "engine/schema/utf8.h"
#include "engine/sqlite/connection.h"
#include "engine/sqlite/statement.h"
#include "engine/sqlite/transaction.h"

namespace crossfade::schema {
namespace {

bool is_ours(const std::string& name) {
  return same_name(name.substr(0, 11), "_crossfade_");
}

bool is_internal(const std::string& name) {
  return same_name(name.substr(0, 7), "sqlite_") || is_ours(name);
}

bool is_kept_by_us(const std::string& name) {
  return name == "_crossfade_log" || name == "_crossfade_shapes" || name == "_crossfade_control" ||
         name == "_crossfade_reverse" || name == "_crossfade_misfits";
}

struct Objects {
  std::map<std::string, std::string> table_sql;
  IndexSql index_sql;
};

// The change log's tables are made together, and those of the way back beside them; without the
// control table, they are somebody's own.
std::vector<std::string> find_reserved(const Objects& objects,
                                       const std::vector<std::string>& named) {
  const auto control = objects.table_sql.find("_crossfade_control");
  const bool capturing = control != objects.table_sql.end() &&
                         control->second.find("source_id TEXT NOT NULL") != std::string::npos;
  std::vector<std::string> out;
  for (const std::string& name : named) {
    if (!capturing || !is_kept_by_us(name)) out.push_back(name);
  }
  return out;
}

// Views, triggers and the text of tables and indexes, as SQLite keeps them.
Result<Objects> read_objects(sqlite::Connection& connection, Catalog* catalog) {
  Objects objects;
  std::vector<std::string> named;
  CROSSFADE_TRY(auto row,
                sqlite::Statement::prepare(connection,
                                           "SELECT type, name, tbl_name, coalesce(sql, ''), rowid"
                                           " FROM main.sqlite_schema ORDER BY name"));
  while (true) {
    CROSSFADE_TRY(const bool there, row.step());
    if (!there) break;
    const std::string name(row.bytes(1));
    const std::string sql(row.bytes(3));
    if (row.bytes(0) == "index") {
      objects.index_sql[name] = sql;
      continue;
    }
    if (row.bytes(0) != "trigger" && is_ours(name)) named.push_back(name);
    if (row.bytes(0) == "table") {
      objects.table_sql[name] = sql;
    } else if (row.bytes(0) == "view") {
      if (!is_internal(name)) catalog->views.push_back(View{name, sql});
    } else if (row.bytes(0) == "trigger") {
      catalog->triggers.push_back(Trigger{name, std::string(row.bytes(2)), sql, row.integer(4)});
    }
  }
  catalog->reserved = find_reserved(objects, named);
  return objects;
}

Status read_tables(sqlite::Connection& connection, const Objects& objects, Catalog* catalog) {
  std::vector<TableEntry> entries;
  CROSSFADE_TRY(auto row,
                sqlite::Statement::prepare(connection,
                                           "SELECT name, type, wr, strict FROM pragma_table_list"
                                           " WHERE schema = 'main' ORDER BY name"));
  while (true) {
    CROSSFADE_TRY(const bool there, row.step());
    if (!there) break;
    const std::string name(row.bytes(0));
    const auto sql = objects.table_sql.find(name);
    if (is_internal(name) || sql == objects.table_sql.end()) continue;
    if (row.bytes(1) == "virtual") {
      catalog->virtual_tables.push_back(VirtualTable{
          name, virtual_table_module(sql->second), sql->second, target_name(Naming::kExact, name)});
    } else if (row.bytes(1) == "table") {
      entries.push_back(TableEntry{name, sql->second, row.integer(2) != 0, row.integer(3) != 0});
    }
  }
  for (const TableEntry& entry : entries) {
    CROSSFADE_TRY(auto table, read_table(connection, entry, objects.index_sql));
    catalog->tables.push_back(std::move(table));
  }
  return ok();
}

}  // namespace

Result<Catalog> read_catalog(sqlite::Connection& connection) {
  std::optional<sqlite::Transaction> transaction;
  if (!connection.in_transaction()) {
    CROSSFADE_TRY(auto begun, sqlite::Transaction::begin(connection, sqlite::Begin::kDeferred));
    transaction.emplace(std::move(begun));
  }
  Catalog catalog;
  CROSSFADE_TRY(catalog.schema_version, connection.query_int("PRAGMA main.schema_version"));
  CROSSFADE_TRY(catalog.encoding, connection.query_text("PRAGMA encoding"));
  CROSSFADE_TRY(const Objects objects, read_objects(connection, &catalog));
  CROSSFADE_TRY(read_tables(connection, objects, &catalog));
  return catalog;
}

}  // namespace crossfade::schema
