// Promise: what the views of real applications show after a cutover is what they showed in SQLite.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "engine/postgres/quote.h"
#include "engine/sqlite/connection.h"
#include "engine/sqlite/statement.h"
#include "tests/support/cluster.h"
#include "tests/support/connect.h"
#include "tests/support/process.h"
#include "tests/support/real_dbs.h"

namespace crossfade::testing {
namespace {

using std::chrono::seconds;

using Rows = std::vector<std::string>;

// Numbers by their value, to twelve digits: sums of reals depend on the order of the rows. A time
// of midnight by its day, as applications write either.
std::string normalized(std::string text) {
  char* end = nullptr;
  const double number = std::strtod(text.c_str(), &end);
  if (!text.empty() && *end == '\0') return fmt::format("{:.12g}", number);
  if (text.size() < 19 || text[4] != '-' || text[13] != ':') return text;
  text[10] = ' ';
  if (text.find('.') != std::string::npos) {
    while (text.back() == '0') text.pop_back();
    if (text.back() == '.') text.pop_back();
  }
  if (text.ends_with(" 00:00:00")) text.resize(10);
  return text;
}

std::string shown(const Value& value) {
  switch (value.storage()) {
    case StorageClass::kNull:
      return "NULL";
    case StorageClass::kInteger:
      return normalized(std::to_string(value.integer()));
    case StorageClass::kReal:
      return normalized(fmt::format("{}", value.real()));
    case StorageClass::kText:
      return normalized(value.text());
    case StorageClass::kBlob:
      return std::string(value.blob());
  }
  return {};
}

Rows source_rows(sqlite::Connection& source, const std::string& view) {
  Rows out;
  auto row = sqlite::Statement::prepare(source, "SELECT * FROM " + postgres::quote(view));
  EXPECT_TRUE(row) << view;
  if (!row) return out;
  while (row.value().step().value()) {
    std::string line;
    for (int i = 0; i < row.value().column_count(); ++i) line += shown(row.value().value(i)) + "|";
    out.push_back(std::move(line));
  }
  std::sort(out.begin(), out.end());
  return out;
}

// Each column as SQLite's text of it.
std::string as_text(const std::string& name, const std::string& type) {
  const std::string column = postgres::quote(name);
  if (type == "boolean") return column + "::integer::text";
  if (type == "bytea") return "convert_from(" + column + ", 'LATIN1')";
  if (type == "timestamp with time zone") return "(" + column + " AT TIME ZONE 'UTC')::text";
  return column + "::text";
}

Rows target_rows(postgres::Connection& target, const std::string& view) {
  const auto columns = target.query(
      "SELECT attname, format_type(atttypid, NULL) FROM pg_attribute WHERE attrelid = $1::regclass"
      " AND attnum > 0 ORDER BY attnum",
      {postgres::text_param("public." + postgres::quote(view))});
  EXPECT_TRUE(columns) << view;
  if (!columns) return {};
  std::string list;
  for (int i = 0; i < columns.value().rows(); ++i) {
    list += (i == 0 ? "" : ", ") + as_text(columns.value().text(i, 0), columns.value().text(i, 1));
  }
  const auto rows =
      target.exec(fmt::format("SELECT {} FROM public.{}", list, postgres::quote(view)));
  EXPECT_TRUE(rows) << view << ": " << (rows ? "" : rows.error().native);
  Rows out;
  if (!rows) return out;
  for (int i = 0; i < rows.value().rows(); ++i) {
    std::string line;
    for (int c = 0; c < columns.value().rows(); ++c) {
      line += (rows.value().is_null(i, c) ? "NULL" : normalized(rows.value().text(i, c))) + "|";
    }
    out.push_back(std::move(line));
  }
  std::sort(out.begin(), out.end());
  return out;
}

TEST(RealViewsTest, ShowTheSameRowsAfterTheCutover) {
  CROSSFADE_NEEDS_POSTGRES();
  CROSSFADE_NEEDS_REAL_DBS();
  // How many each has, and how many of them are carried. One of Northwind's adds names with +.
  const std::map<std::string, std::pair<size_t, size_t>> expected = {{"northwind", {17, 16}},
                                                                     {"sakila_jooq", {5, 5}},
                                                                     {"datasette_fixtures", {4, 4}},
                                                                     {"thoughts", {1, 1}}};
  for (const auto& [name, counts] : expected) {
    SCOPED_TRACE(name);
    const TempDir dir;
    const std::string db = copy_real_db(name, dir);
    const std::string url = TestCluster::create_database();
    const Finished run = run_process(
        crossfade_command({"run", db, "--target", url, "--until", "verified", "--json"}),
        seconds(120));
    ASSERT_EQ(run.code, 0) << run.err;
    const Finished cut =
        run_process(crossfade_command({"cutover", db, "--no-rollback"}), seconds(60));
    ASSERT_EQ(cut.code, 0) << cut.err;
    auto opened = sqlite::Connection::open({.path = db, .access = sqlite::Access::kReadOnly});
    ASSERT_TRUE(opened);
    sqlite::Connection source = std::move(opened).value();
    auto target = connect_or_die(url);
    size_t views = 0;
    size_t carried = 0;
    auto row = sqlite::Statement::prepare(
        source, "SELECT name, sql FROM sqlite_schema WHERE type = 'view' ORDER BY name");
    ASSERT_TRUE(row);
    std::vector<std::string> names;
    while (row.value().step().value()) names.emplace_back(row.value().bytes(0));
    for (const std::string& view : names) {
      ++views;
      const auto there = target.query("SELECT to_regclass($1) IS NOT NULL",
                                      {postgres::text_param("public." + postgres::quote(view))});
      if (!there.value().boolean(0, 0)) continue;
      ++carried;
      EXPECT_EQ(source_rows(source, view), target_rows(target, view)) << view;
    }
    EXPECT_EQ(views, counts.first);
    EXPECT_EQ(carried, counts.second) << run.out;
    TestCluster::drop_database(url);
  }
}

}  // namespace
}  // namespace crossfade::testing
