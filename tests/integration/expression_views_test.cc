// Views of every shape, over the same rows on both sides: the same names and the same rows, in the
// same order where the view has one.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "engine/core/error.h"
#include "engine/postgres/connection.h"
#include "engine/schema/expression/translate.h"
#include "engine/schema/utf8.h"
#include "engine/sqlite/connection.h"
#include "engine/sqlite/statement.h"
#include "tests/support/cluster.h"
#include "tests/support/connect.h"

namespace crossfade::schema::expression {
namespace {

using crossfade::testing::TestCluster;

ScopeColumn column(std::string name, ColumnType type, Affinity affinity,
                   std::string collation = "BINARY") {
  ScopeColumn out;
  out.name = name;
  out.target_name = std::move(name);
  out.type = std::move(type);
  out.affinity = affinity;
  out.collation = std::move(collation);
  return out;
}

std::optional<Relation> resolve(std::string_view name) {
  Relation out;
  out.schema = "public";
  ColumnType price(TargetType::kNumeric);
  price.precision = 8;
  price.scale = 2;
  ColumnType day(TargetType::kDate);
  day.form = SourceForm::kPattern;
  day.pattern = "%Y-%m-%d";
  if (same_name(name, "customers")) {
    out.target_name = "customers";
    out.columns = {column("id", TargetType::kBigint, Affinity::kInteger),
                   column("Name", TargetType::kText, Affinity::kText),
                   column("city", TargetType::kText, Affinity::kText, "NOCASE"),
                   column("active", TargetType::kBoolean, Affinity::kNumeric)};
  } else if (same_name(name, "orders")) {
    out.target_name = "orders";
    out.columns = {column("id", TargetType::kBigint, Affinity::kInteger),
                   column("customer", TargetType::kBigint, Affinity::kInteger),
                   column("price", price, Affinity::kNumeric),
                   column("weight", TargetType::kDouble, Affinity::kReal),
                   column("day", day, Affinity::kNumeric),
                   column("note", TargetType::kText, Affinity::kText)};
  } else {
    return std::nullopt;
  }
  out.primary_key = {"id"};
  out.rowid_column = "id";
  return out;
}

constexpr const char* kRows = R"(
INSERT INTO customers VALUES (1, 'Ann', 'Oslo', TRUE), (2, 'bob', 'oslo', FALSE),
  (3, 'Éva', NULL, TRUE), (4, 'Zoe', 'Rome', NULL), (5, 'ann', 'ROME', FALSE);
INSERT INTO orders VALUES (1, 1, 10, 1.5, '2020-01-01', 'x'), (2, 1, 2.5, NULL, '2020-02-29', NULL),
  (3, 2, 0.1, 2.25, NULL, 'y'), (4, NULL, 7, 0.25, '1999-12-31', 'X'), (5, 3, NULL, 8, '2020-01-01', ''),
  (6, 9, 99.99, -1, '2021-01-01', 'x');
)";

class ExpressionViewsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    CROSSFADE_NEEDS_POSTGRES();
    auto source = sqlite::Connection::open({.path = ":memory:", .access = sqlite::Access::kCreate});
    ASSERT_TRUE(source);
    source_.emplace(std::move(source).value());
    url_ = TestCluster::create_database();
    target_.emplace(crossfade::testing::connect_or_die(url_));
    ASSERT_TRUE(source_->exec(
        "CREATE TABLE customers(id INTEGER PRIMARY KEY, Name TEXT, city TEXT COLLATE NOCASE,"
        " active BOOLEAN);"
        "CREATE TABLE orders(id INTEGER PRIMARY KEY, customer INTEGER, price DECIMAL(8,2),"
        " weight REAL, day DATE, note TEXT);"));
    ASSERT_TRUE(target_->exec(
        "SET search_path = public, pg_catalog;"
        "CREATE TABLE customers(id bigint PRIMARY KEY, \"Name\" text COLLATE \"C\","
        " city text COLLATE \"C\", active boolean);"
        "CREATE TABLE orders(id bigint PRIMARY KEY, customer bigint, price numeric(8,2),"
        " weight double precision, day date, note text COLLATE \"C\")"));
    ASSERT_TRUE(source_->exec(kRows));
    ASSERT_TRUE(target_->exec(kRows));
  }
  void TearDown() override {
    target_.reset();
    if (!url_.empty()) TestCluster::drop_database(url_);
  }

  void check(const std::string& select);

  std::optional<sqlite::Connection> source_;
  std::optional<postgres::Connection> target_;
  std::string url_;
};

std::string number(double value) {
  return fmt::format("{:.14g}", value);
}

std::string cell(const Value& value) {
  switch (value.storage()) {
    case StorageClass::kInteger:
      return number(static_cast<double>(value.integer()));
    case StorageClass::kReal:
      return number(value.real());
    case StorageClass::kText:
      return "'" + value.text();
    default:
      return "NULL";
  }
}

std::string cell(const postgres::QueryResult& rows, int row, int c, const ColumnType& type) {
  if (rows.is_null(row, c)) return "NULL";
  if (type.base == TargetType::kBoolean) return rows.boolean(row, c) ? "1" : "0";
  const bool text = type.base == TargetType::kText || type.base == TargetType::kDate;
  const std::string bytes = rows.text(row, c);
  return text ? "'" + bytes : number(std::strtod(bytes.c_str(), nullptr));
}

void ExpressionViewsTest::check(const std::string& select) {
  const std::string sql = "CREATE VIEW v AS " + select;
  auto made = translate_view(sql, resolve, {.schema = "public"});
  ASSERT_TRUE(made) << select << ": " << made.error().reason;
  const auto& columns = made.value().relation.columns;
  ASSERT_TRUE(source_->exec(sql)) << sql;
  const auto done = target_->exec(made.value().sql);
  ASSERT_TRUE(done) << describe(done.error()) << "\n" << made.value().sql;
  auto source = sqlite::Statement::prepare(*source_, "SELECT * FROM v");
  ASSERT_TRUE(source);
  std::vector<std::string> theirs;
  for (;;) {
    const auto there = source.value().step();
    ASSERT_TRUE(there);
    if (!there.value()) break;
    theirs.emplace_back();
    for (const Value& value : source.value().row()) theirs.back() += cell(value) + "|";
  }
  ASSERT_EQ(static_cast<size_t>(source.value().column_count()), columns.size()) << select;
  for (size_t c = 0; c < columns.size(); ++c) {
    EXPECT_EQ(source.value().column_name(static_cast<int>(c)), columns[c].name) << select;
  }
  auto target = target_->exec("SELECT * FROM public.v");
  ASSERT_TRUE(target) << describe(target.error()) << made.value().sql;
  std::vector<std::string> ours(static_cast<size_t>(target.value().rows()));
  for (size_t row = 0; row < ours.size(); ++row) {
    for (size_t c = 0; c < columns.size(); ++c) {
      ours[row] +=
          cell(target.value(), static_cast<int>(row), static_cast<int>(c), columns[c].type) + "|";
    }
  }
  if (ascii_upper(select).find("ORDER BY") == std::string::npos) {
    std::sort(theirs.begin(), theirs.end());
    std::sort(ours.begin(), ours.end());
  }
  EXPECT_EQ(ours, theirs) << select << "\n" << made.value().sql;
  source.value().reset();
  ASSERT_TRUE(source_->exec("DROP VIEW v"));
  ASSERT_TRUE(target_->exec("DROP VIEW public.v"));
}

TEST_F(ExpressionViewsTest, ViewsOfEveryShapeAgree) {
  for (const std::string select : {
           "SELECT * FROM customers",
           "SELECT c.*, o.* FROM customers c JOIN orders AS o ON c.id = o.customer",
           "SELECT * FROM customers, orders WHERE customers.id = customer",
           "SELECT * FROM customers NATURAL JOIN (SELECT id, note FROM orders)",
           "SELECT id, Name, note FROM customers JOIN orders USING (id)",
           "SELECT c.Name, o.price FROM customers c LEFT JOIN orders o ON o.customer = c.id AND "
           "o.price > 1",
           "SELECT c.id, o.id FROM customers c RIGHT JOIN orders o ON o.customer = c.id",
           "SELECT c.id, o.id FROM customers c FULL OUTER JOIN orders o ON o.customer = c.id",
           "SELECT c.name FROM customers c LEFT JOIN orders o ON o.customer = c.id WHERE o.id IS "
           "NULL",
           "SELECT id FROM customers ORDER BY city, id DESC",
           "SELECT city FROM customers WHERE city = 'OSLO' ORDER BY id",
           "SELECT name AS n FROM customers ORDER BY n DESC LIMIT 2 OFFSET 1",
           "SELECT name, city FROM customers ORDER BY 2 DESC, 1",
           "SELECT note FROM orders ORDER BY note",
           "SELECT id FROM orders ORDER BY day DESC, id",
           "SELECT id FROM orders ORDER BY price NULLS LAST, id",
           "SELECT id FROM orders ORDER BY weight LIMIT -1",
           "SELECT DISTINCT note FROM orders ORDER BY note DESC",
           "SELECT customer, count(*), sum(price), avg(weight), total(weight) FROM orders GROUP BY "
           "customer",
           "SELECT customer AS c, count(price) AS n FROM orders GROUP BY c HAVING n > 0 ORDER BY n "
           "DESC, c",
           "SELECT upper(note) u, min(id), max(weight) FROM orders GROUP BY u",
           "SELECT substr(name, 1, 1), count(*) FROM customers GROUP BY 1",
           "SELECT c.Name, count(o.id) FROM customers c LEFT JOIN orders o ON o.customer = c.id "
           "GROUP BY c.id",
           "SELECT count(*), sum(id), sum(weight), min(note), max(Day) FROM orders WHERE id > 100",
           "SELECT count(DISTINCT note), sum(id) FILTER (WHERE price > 1) FROM orders",
           "SELECT count(*) > 3 AS many FROM orders HAVING count(*) > 1",
           "SELECT id FROM customers UNION SELECT customer FROM orders ORDER BY 1",
           "SELECT id FROM customers UNION ALL SELECT id FROM orders EXCEPT SELECT 3",
           "SELECT 1 UNION SELECT 2 INTERSECT SELECT 2",
           "SELECT name FROM customers WHERE id IN (SELECT customer FROM orders)",
           "SELECT name FROM customers WHERE id NOT IN (SELECT customer FROM orders)",
           "SELECT name FROM customers c WHERE EXISTS (SELECT 1 FROM orders o WHERE o.customer = "
           "c.id)",
           "SELECT name, (SELECT max(price) FROM orders WHERE customer = c.id) AS top FROM "
           "customers c",
           "SELECT name, (SELECT id FROM orders ORDER BY id DESC) FROM customers",
           "WITH big AS (SELECT * FROM orders WHERE price > 2), n(k) AS (SELECT count(*) FROM big)"
           " SELECT big.id, k FROM big, n",
           "SELECT id, id, id + 1, id + 1 FROM customers",
           "SELECT name AS 'the name', \"id\", 'x' \"y\", [city] FROM customers",
           "SELECT CASE active WHEN 1 THEN 'on' ELSE 'off' END AS state, active = 0 FROM customers",
           "SELECT rowid, o.oid FROM orders o",
           "SELECT x.twice FROM (SELECT id * 2 AS twice FROM orders) AS x WHERE x.twice > 4",
           "SELECT strftime('%Y', day) AS y, count(*) FROM orders GROUP BY strftime('%Y', day)",
           "SELECT price * 2, price + id, weight / price, -price, coalesce(price, 0) FROM orders",
           "SELECT id FROM orders WHERE day >= '2020-01-01' AND day < '2020-02'",
           "SELECT NULL AS nil, 1.5, 9223372036854775807, TRUE, x'' IS NULL FROM customers",
       }) {
    check(select);
  }
}

TEST_F(ExpressionViewsTest, WhatAnyRowMayAnswerIsRefused) {
  for (const std::string select : {
           "SELECT name, count(*) FROM customers",
           "SELECT city, count(*) FROM customers GROUP BY city",
           "SELECT DISTINCT city FROM customers",
           "SELECT city FROM customers UNION SELECT note FROM orders",
           "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT * FROM n",
           "SELECT row_number() OVER (ORDER BY id) FROM orders",
           "SELECT * FROM json_each('[1]')",
           "SELECT id FROM customers UNION SELECT note FROM orders",
           "VALUES (1, 2)",
           "SELECT (SELECT id FROM customers LIMIT 2)",
           "SELECT c.id FROM customers c JOIN orders o ON c.name = \"nowhere\"",
       }) {
    EXPECT_FALSE(translate_view("CREATE VIEW v AS " + select, resolve, {})) << select;
  }
}

}  // namespace
}  // namespace crossfade::schema::expression
