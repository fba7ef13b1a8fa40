#include "engine/schema/virtual_tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>

#include "engine/schema/find_column.h"
#include "engine/schema/fts_declaration.h"
#include "engine/schema/utf8.h"
#include "engine/sqlite/connection.h"
#include "engine/sqlite/statement.h"

namespace crossfade::schema {
namespace {

class VirtualTableFinder {
 public:
  VirtualTableFinder(sqlite::Connection& connection, const Catalog& catalog,
                     std::vector<Finding>* findings)
      : connection_(connection), catalog_(catalog), findings_(*findings) {}

  Status run() {
    for (const VirtualTable& table : catalog_.virtual_tables) {
      if (parse_fts(table)) continue;
      const std::string module = ascii_upper(table.module);
      if (module.starts_with("RTREE") || module == "GEOPOLY") {
        CROSSFADE_TRY(find_boxes(table, module == "GEOPOLY"));
      } else {
        CROSSFADE_TRY(find_other(table, module.starts_with("VIRTUAL")));
      }
    }
    for (const Table& table : catalog_.tables) {
      CROSSFADE_TRY(find_geometries(table));
    }
    return ok();
  }

 private:
  void add(const char* code, const std::string& table, int64_t rows, std::string message,
           std::string remedy) {
    Finding finding;
    finding.severity = Severity::kWarning;
    finding.code = code;
    finding.table = table;
    finding.rows = rows;
    finding.message = std::move(message);
    finding.remedy = std::move(remedy);
    findings_.push_back(std::move(finding));
  }

  Result<bool> there(const std::string& sql, const std::string& name) {
    CROSSFADE_TRY(auto row, sqlite::Statement::prepare(connection_, sql));
    row.bind_text(1, name);
    return row.step();
  }

  Status find_boxes(const VirtualTable& table, bool polygons) {
    const std::string shadow = table.name + "_rowid";
    CROSSFADE_TRY(const bool stored,
                  there("SELECT 1 FROM main.sqlite_schema WHERE type = 'table' AND name = ?1"
                        " COLLATE NOCASE",
                        shadow));
    int64_t rows = 0;
    if (stored) {
      CROSSFADE_TRY(rows,
                    connection_.query_int("SELECT count(*) FROM main." + sqlite::quote(shadow)));
    }
    add("rtree_not_moved", table.name, rows,
        fmt::format("a virtual table of {}: its {} rows are not moved", printable(table.module),
                    rows),
        fmt::format("if no ordinary table has them, make one of them, CREATE TABLE {} AS SELECT {}"
                    " FROM {}; on the target use {} with a GiST index",
                    sqlite::quote(table.name + "_rows"), polygons ? "rowid AS id, *" : "*",
                    sqlite::quote(table.name),
                    polygons ? "polygon or PostGIS geometry" : "box, cube or PostGIS geometry"));
    return ok();
  }

  Status find_other(const VirtualTable& table, bool spatial) {
    CROSSFADE_TRY(
        const bool known,
        there("SELECT 1 FROM pragma_module_list WHERE name = ?1 COLLATE NOCASE", table.module));
    std::string message =
        fmt::format("a virtual table of {} is not carried", printable(table.module));
    if (!known) {
      message +=
          "; only the application has this module, so that what it keeps in tables of its own is"
          " carried with them as ordinary tables";
    }
    add("virtual_table", table.name, 0, std::move(message),
        spatial ? "use PostGIS on the target, with a GiST index on the geometry"
                : "if it holds rows, copy them into an ordinary table with the application's own"
                  " SQLite; if it computes them or reads them elsewhere, do so on the target too");
    return ok();
  }

  // SpatiaLite's and GeoPackage's lists of columns.
  Status find_geometries(const Table& table) {
    const bool package = same_name(table.name, "gpkg_geometry_columns");
    if (!package && !same_name(table.name, "geometry_columns")) return ok();
    const char* const table_column = package ? "table_name" : "f_table_name";
    const char* const geometry_column = package ? "column_name" : "f_geometry_column";
    if (!find_column(table, table_column) || !find_column(table, geometry_column)) return ok();
    CROSSFADE_TRY(auto row, sqlite::Statement::prepare(
                                connection_, fmt::format("SELECT {0}||'.'||{1} FROM main.{2}"
                                                         " WHERE {0}||'.'||{1} IS NOT NULL"
                                                         " ORDER BY 1",
                                                         table_column, geometry_column,
                                                         sqlite::quote(table.name))));
    std::string list;
    int64_t columns = 0;
    for (;; ++columns) {
      CROSSFADE_TRY(const bool more, row.step());
      if (!more) break;
      if (columns < 10) list += (columns == 0 ? "" : ", ") + printable(row.bytes(0));
    }
    if (columns == 0) return ok();
    add("spatial_as_bytes", table.name, 0,
        fmt::format("{} geometry columns are carried as bytes in {} own form, which PostGIS does"
                    " not read: {}{}",
                    columns, package ? "GeoPackage's" : "SpatiaLite's", list,
                    columns > 10 ? ", ..." : ""),
        "CREATE EXTENSION postgis on the target and fill geometry columns with ST_GeomFromWKB from"
        " what ST_AsBinary gives in SQLite; spatial_ref_sys is PostGIS's own table there");
    return ok();
  }

  sqlite::Connection& connection_;
  const Catalog& catalog_;
  std::vector<Finding>& findings_;
};

}  // namespace

Status find_virtual_tables(sqlite::Connection& connection, const Catalog& catalog,
                           std::vector<Finding>* findings) {
  return VirtualTableFinder(connection, catalog, findings).run();
}

}  // namespace crossfade::schema
