#include "tests/support/contents.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "tests/support/oracle_sides.h"

namespace crossfade::testing {
namespace {

std::string bytes_at(sqlite3_stmt* statement, int column) {
  const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement, column));
  return {bytes == nullptr ? "" : bytes,
          static_cast<size_t>(sqlite3_column_bytes(statement, column))};
}

std::string value_at(sqlite3_stmt* statement, int column) {
  switch (sqlite3_column_type(statement, column)) {
    case SQLITE_NULL:
      return "N";
    case SQLITE_INTEGER:
      return fmt::format("I{}", sqlite3_column_int64(statement, column));
    case SQLITE_FLOAT:
      return fmt::format("R{:a}", sqlite3_column_double(statement, column));
    case SQLITE_TEXT:
      return "T" + oracle::to_hex(bytes_at(statement, column));
    default:
      return "B" + oracle::to_hex(bytes_at(statement, column));
  }
}

template <typename Each>
void for_each_row(sqlite3* db, const std::string& sql, Each each) {
  sqlite3_stmt* statement = nullptr;
  EXPECT_EQ(sqlite3_prepare_v2(db, sql.c_str(), -1, &statement, nullptr), SQLITE_OK)
      << sql << ": " << sqlite3_errmsg(db);
  while (sqlite3_step(statement) == SQLITE_ROW) each(statement);
  EXPECT_EQ(sqlite3_finalize(statement), SQLITE_OK) << sql << ": " << sqlite3_errmsg(db);
}

}  // namespace

std::string contents(const std::string& path) {
  std::string error;
  const auto db = oracle::open_source(path, &error);
  EXPECT_EQ(error, "");
  std::vector<std::string> tables;
  for_each_row(
      db.get(),
      "SELECT name FROM pragma_table_list WHERE schema='main' AND type='table' AND name NOT LIKE "
      "'sqlite!_%' ESCAPE '!' AND name NOT LIKE '!_crossfade%' ESCAPE '!' ORDER BY name",
      [&](sqlite3_stmt* s) { tables.push_back(bytes_at(s, 0)); });
  std::string out;
  for (const std::string& table : tables) {
    std::vector<std::string> rows;
    for_each_row(db.get(), "SELECT * FROM " + oracle::quote(table), [&](sqlite3_stmt* s) {
      std::string& row = rows.emplace_back();
      for (int i = 0; i < sqlite3_column_count(s); ++i) row += value_at(s, i) + "|";
    });
    std::sort(rows.begin(), rows.end());
    out += fmt::format("{}\n{}\n", table, fmt::join(rows, "\n"));
  }
  return out;
}

}  // namespace crossfade::testing
