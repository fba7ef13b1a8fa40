// The CHECKs, defaults, indexes and views of databases that others made: which are translated, that
// PostgreSQL accepts them, and that the views answer the same on both sides.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/core/error.h"
#include "engine/postgres/connection.h"
#include "engine/schema/catalog.h"
#include "engine/schema/default_value.h"
#include "engine/schema/expression/split.h"
#include "engine/schema/expression/translate.h"
#include "engine/schema/expression_scope.h"
#include "engine/schema/plan.h"
#include "engine/schema/utf8.h"
#include "engine/sqlite/connection.h"
#include "engine/sqlite/statement.h"
#include "tests/support/cluster.h"
#include "tests/support/connect.h"
#include "tests/support/real_dbs.h"

namespace crossfade::schema::expression {
namespace {

using crossfade::testing::TestCluster;

// What no translation can keep; every other view of these databases must be translated.
const std::set<std::string> kRefusedViews = {
    "northwind: Invoices",  // FirstName + ' ' + LastName adds numbers
};

class ExpressionSchemasTest : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    CROSSFADE_NEEDS_REAL_DBS();
    CROSSFADE_NEEDS_POSTGRES();
    auto source = sqlite::Connection::open({.path = copy_real_db(GetParam(), dir_)});
    ASSERT_TRUE(source) << describe(source.error());
    source_.emplace(std::move(source).value());
    auto catalog = read_catalog(*source_);
    ASSERT_TRUE(catalog) << describe(catalog.error());
    catalog_ = std::move(catalog).value();
    auto plan = make_plan(*source_, catalog_, {.target_schema = "public"});
    ASSERT_TRUE(plan) << describe(plan.error());
    plan_ = std::move(plan).value();
    url_ = TestCluster::create_database();
    target_.emplace(crossfade::testing::connect_or_die(url_));
  }
  void TearDown() override {
    target_.reset();
    if (!url_.empty()) TestCluster::drop_database(url_);
  }

  void exec(const std::string& sql) {
    const auto done = target_->exec(sql);
    EXPECT_TRUE(done) << describe(done.error()) << "\n" << sql.substr(0, 2'000);
  }

  void load(const Table& table);
  void check_table(const Table& table);
  void check_view(const std::string& name, const std::string& sql);
  void compare_view(const TranslatedView& view);

  crossfade::testing::TempDir dir_;
  std::optional<sqlite::Connection> source_;
  Catalog catalog_;
  Plan plan_;
  std::string url_;
  std::optional<postgres::Connection> target_;
  std::map<std::string, Relation> relations_;
};

void ExpressionSchemasTest::load(const Table& table) {
  exec(table.create_table_ddl);
  std::string names;
  for (const Column& column : table.columns) {
    names += (names.empty() ? "" : ", ") + column.source_sql;
  }
  auto rows = sqlite::Statement::prepare(
      *source_, fmt::format("SELECT {} FROM {}", names, sqlite::quote(table.name)));
  ASSERT_TRUE(rows) << describe(rows.error());
  std::string values;
  const auto flush = [&] {
    if (!values.empty()) {
      exec(
          fmt::format("INSERT INTO public.{} VALUES {}", sqlite::quote(table.target_name), values));
    }
    values.clear();
  };
  for (;;) {
    const auto there = rows.value().step();
    ASSERT_TRUE(there);
    if (!there.value()) break;
    std::string row;
    for (size_t i = 0; i < table.columns.size(); ++i) {
      const Value value = rows.value().value(static_cast<int>(i));
      const auto literal = value.is_null() ? std::optional<std::string>("NULL")
                                           : to_target_literal(value, table.columns[i].type);
      row += (row.empty() ? "" : ", ") + literal.value_or("NULL");
    }
    values += (values.empty() ? "(" : ", (") + row + ")";
    if (values.size() > 500'000) flush();
  }
  flush();
  exec(table.primary_key_ddl);
  Relation relation;
  relation.schema = "public";
  relation.target_name = table.target_name;
  const Scope scope = expression_scope(table);
  relation.columns = scope.columns;
  relation.rowid_column = scope.rowid_column;
  if (table.identity != Identity::kSurrogate) {
    for (const size_t key : table.key) relation.primary_key.push_back(table.columns[key].name);
  }
  relations_[ascii_upper(table.name)] = std::move(relation);
}

void ExpressionSchemasTest::check_table(const Table& table) {
  const Scope scope = expression_scope(table);
  auto parts = split_create_table(table.source_sql);
  ASSERT_TRUE(parts) << table.source_sql;
  const std::string target = "public." + sqlite::quote(table.target_name);
  for (const CheckClause& each : parts.value().checks) {
    auto made = translate_expression(each.expression, scope, Use::kCheck);
    ASSERT_TRUE(made) << each.expression << ": " << made.error().reason;
    exec(fmt::format("ALTER TABLE {} ADD CHECK ({})", target, made.value().sql));
  }
  for (size_t i = 0; i < table.columns.size(); ++i) {
    const Column& column = table.columns[i];
    if (!column.default_sql) continue;
    auto made = translate_value(*column.default_sql, Scope(), Use::kDefault, scope.columns[i]);
    if (!made) {
      fmt::print("  {}.{}: default {} refused: {}\n", table.name, column.name, *column.default_sql,
                 made.error().reason);
      continue;
    }
    exec(fmt::format("ALTER TABLE {} ALTER {} SET DEFAULT {}", target,
                     sqlite::quote(column.target_name), made.value().sql));
  }
  for (const Index& index : table.indexes) {
    if (index.source_sql.empty() || !(index.partial || index.expression)) continue;
    auto split = split_create_index(index.source_sql);
    ASSERT_TRUE(split) << index.source_sql;
    std::string keys;
    for (const IndexKeyPart& key : split.value().keys) {
      auto made = translate_expression(key.expression, scope, Use::kIndexKey);
      ASSERT_TRUE(made) << index.source_sql << ": " << made.error().reason;
      keys +=
          (keys.empty() ? "(" : ", (") + made.value().sql + ")" + (key.descending ? " DESC" : "");
    }
    std::string where;
    if (!split.value().where.empty()) {
      auto made = translate_expression(split.value().where, scope, Use::kIndexPredicate);
      ASSERT_TRUE(made) << index.source_sql << ": " << made.error().reason;
      where = " WHERE " + made.value().sql;
    }
    exec(fmt::format("CREATE INDEX ON {} ({}){}", target, keys, where));
  }
}

// Numbers to 12 digits: sums of reals depend on the order of the rows.
std::string rounded_cell(const Value& value) {
  switch (value.storage()) {
    case StorageClass::kNull:
      return "NULL";
    case StorageClass::kInteger:
      return fmt::format("{:.12g}", static_cast<double>(value.integer()));
    case StorageClass::kReal:
      return fmt::format("{:.12g}", value.real());
    case StorageClass::kText:
      return value.text();
    case StorageClass::kBlob:
      return "blob of " + std::to_string(value.blob().size());
  }
  return {};
}

std::string rounded_cell(const postgres::QueryResult& rows, int row, int column,
                         const ScopeColumn& of) {
  if (rows.is_null(row, column)) return "NULL";
  const std::string text = rows.text(row, column);
  switch (of.type.base) {
    case TargetType::kBigint:
    case TargetType::kDouble:
    case TargetType::kNumeric:
      return fmt::format("{:.12g}", std::strtod(text.c_str(), nullptr));
    case TargetType::kBoolean:
      return text == "t" ? "1" : "0";
    case TargetType::kBytea:
      return "blob of " + std::to_string((text.size() - 2) / 2);
    case TargetType::kTimestamp:  // of whole days, by its day
      return of.type.pattern == "%Y-%m-%d" ? text.substr(0, text.find(" 00:00:00")) : text;
    default:
      return text;
  }
}

void ExpressionSchemasTest::compare_view(const TranslatedView& view) {
  auto source = sqlite::Statement::prepare(*source_, "SELECT * FROM " + sqlite::quote(view.name));
  ASSERT_TRUE(source) << describe(source.error());
  const auto& columns = view.relation.columns;
  ASSERT_EQ(static_cast<size_t>(source.value().column_count()), columns.size()) << view.name;
  for (size_t c = 0; c < columns.size(); ++c) {
    EXPECT_EQ(source.value().column_name(static_cast<int>(c)), columns[c].name) << view.name;
  }
  std::vector<std::string> theirs;
  for (;;) {
    const auto there = source.value().step();
    ASSERT_TRUE(there);
    if (!there.value()) break;
    std::string line;
    for (int c = 0; c < source.value().column_count(); ++c) {
      line += rounded_cell(source.value().value(c)) + "|";
    }
    theirs.push_back(line);
  }
  auto target = target_->exec("SELECT * FROM public." + sqlite::quote(view.relation.target_name));
  ASSERT_TRUE(target) << describe(target.error()) << view.sql;
  std::vector<std::string> ours;
  for (int row = 0; row < target.value().rows(); ++row) {
    std::string line;
    for (size_t c = 0; c < columns.size(); ++c) {
      line += rounded_cell(target.value(), row, static_cast<int>(c), columns[c]) + "|";
    }
    ours.push_back(line);
  }
  std::sort(theirs.begin(), theirs.end());
  std::sort(ours.begin(), ours.end());
  EXPECT_EQ(ours.size(), theirs.size()) << view.sql;
  for (size_t i = 0; i < ours.size() && i < theirs.size(); ++i) {
    ASSERT_EQ(ours[i], theirs[i]) << view.sql;
  }
}

void ExpressionSchemasTest::check_view(const std::string& name, const std::string& sql) {
  const auto resolver = [this](std::string_view asked) -> std::optional<Relation> {
    const auto found = relations_.find(ascii_upper(asked));
    if (found == relations_.end()) return std::nullopt;
    return found->second;
  };
  auto made = translate_view(sql, resolver, {.schema = "public"});
  const std::string full = GetParam() + ": " + name;
  if (!made) {
    fmt::print("  view {} refused at {}: {}\n", full,
               sql.substr(made.error().offset, made.error().length), made.error().reason);
    EXPECT_TRUE(kRefusedViews.contains(full)) << full;
    return;
  }
  EXPECT_FALSE(kRefusedViews.contains(full)) << full << " is translated by now";
  exec(made.value().sql);
  relations_[ascii_upper(name)] = made.value().relation;
  compare_view(made.value());
}

TEST_P(ExpressionSchemasTest, WhatIsTranslatedIsAcceptedAndAgrees) {
  if (plan_.tables.empty()) return;
  for (const TablePlan& each : plan_.tables) {
    load(each.table);
    check_table(each.table);
  }
  auto views = sqlite::Statement::prepare(
      *source_, "SELECT name, sql FROM sqlite_schema WHERE type = 'view' ORDER BY rowid");
  ASSERT_TRUE(views);
  for (;;) {
    const auto there = views.value().step();
    ASSERT_TRUE(there);
    if (!there.value()) break;
    check_view(views.value().value(0).text(), views.value().value(1).text());
  }
}

INSTANTIATE_TEST_SUITE_P(Real, ExpressionSchemasTest,
                         ::testing::ValuesIn(crossfade::testing::real_db_names()),
                         [](const auto& each) { return each.param; });
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(ExpressionSchemasTest);

}  // namespace
}  // namespace crossfade::schema::expression
