// The oracle's two readers. Each turns a table into rows of cells; cells are equal as strings when,
// and only when, the values are equal by the rules in oracle.h.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

struct sqlite3;
struct pg_conn;

namespace crossfade::testing::oracle {

using Cells = std::vector<std::string>;

struct TargetColumn {
  std::string name;
  std::string type;  // as format_type() says
};

struct CloseSqlite {
  void operator()(sqlite3* db) const;
};
struct FinishPostgres {
  void operator()(pg_conn* connection) const;
};
using SqliteDb = std::unique_ptr<sqlite3, CloseSqlite>;
using PostgresDb = std::unique_ptr<pg_conn, FinishPostgres>;

// Errors go to *error; then the value is of no use.
SqliteDb open_source(const std::string& path, std::string* error);
std::vector<std::string> source_tables(sqlite3* db, std::string* error);
std::vector<std::string> source_columns(sqlite3* db, const std::string& table, std::string* error);
// The rows with these columns ("" stands for the rowid), as cells of these target types.
std::vector<Cells> source_rows(sqlite3* db, const std::string& table,
                               const std::vector<std::string>& columns,
                               const std::vector<std::string>& types, std::string* error);

PostgresDb open_target(const std::string& url, std::string* error);
std::vector<std::string> target_tables(pg_conn* db, const std::string& schema, std::string* error);
std::vector<TargetColumn> target_columns(pg_conn* db, const std::string& schema,
                                         const std::string& table, std::string* error);
std::vector<Cells> target_rows(pg_conn* db, const std::string& schema, const std::string& table,
                               const std::vector<TargetColumn>& columns, std::string* error);

// Cells of timestamps, dates, UUIDs, JSON, boolean words and arrays of floats; "" for other types.
std::string source_text_cell(const std::string& text, const std::string& type);
std::string source_blob_cell(std::string_view bytes, const std::string& type);
std::string target_form_cell(const std::string& text, const std::string& type);

// The two ways to write a number as a cell, used by both readers.
std::string double_cell(double value);            // its bits
std::string decimal_cell(std::string_view text);  // its digits, normalized
std::string shortest_decimal_cell(double value);  // the digits that round-trip
std::string to_hex(std::string_view bytes);
std::string quote(std::string_view identifier);

}  // namespace crossfade::testing::oracle
