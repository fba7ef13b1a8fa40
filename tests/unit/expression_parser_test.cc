// The parser groups as SQLite does: what it read is written out again with every parenthesis, and
// SQLite must get the same value from both.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "engine/core/error.h"
#include "engine/core/limits.h"
#include "engine/schema/expression/lexeme.h"
#include "engine/schema/expression/parser.h"
#include "engine/sqlite/connection.h"
#include "engine/sqlite/statement.h"

namespace crossfade::schema::expression {
namespace {

std::string quoted(const std::string& text) {
  return sqlite::quote_literal(text);
}

std::string render(const Expr& expr);

std::string list(const Expr& expr, size_t from) {
  std::string out;
  for (size_t i = from; i < expr.children.size(); ++i) {
    out += (i == from ? "" : ", ") + render(*expr.children[i]);
  }
  return out;
}

std::string render_case(const Expr& expr) {
  std::string out = "(CASE";
  size_t i = 0;
  if (expr.has_base) out += " " + render(*expr.children[i++]);
  const size_t end = expr.children.size() - (expr.has_else ? 1 : 0);
  for (; i < end; i += 2) {
    out += " WHEN " + render(*expr.children[i]) + " THEN " + render(*expr.children[i + 1]);
  }
  if (expr.has_else) out += " ELSE " + render(*expr.children.back());
  return out + " END)";
}

std::string render(const Expr& expr) {
  const auto child = [&](size_t i) { return render(*expr.children[i]); };
  const std::string negation = expr.negated ? " NOT " : " ";
  switch (expr.kind) {
    case ExprKind::kNull:
      return "NULL";
    case ExprKind::kString:
      return quoted(expr.text);
    case ExprKind::kName:
      return (expr.qualifier.empty() ? "" : sqlite::quote(expr.qualifier) + ".") +
             (expr.quoted ? sqlite::quote(expr.text) : expr.text);
    case ExprKind::kUnary:
      return "(" + expr.text + " " + child(0) + ")";
    case ExprKind::kBinary:
      return "(" + child(0) + " " + expr.text + " " + child(1) + ")";
    case ExprKind::kLike:
      return "(" + child(0) + negation + expr.text + " " + child(1) +
             (expr.children.size() > 2 ? " ESCAPE " + child(2) : "") + ")";
    case ExprKind::kIsNull:
      return "(" + child(0) + (expr.negated ? " NOTNULL)" : " ISNULL)");
    case ExprKind::kBetween:
      return "(" + child(0) + negation + "BETWEEN " + child(1) + " AND " + child(2) + ")";
    case ExprKind::kIn:
      return "(" + child(0) + negation + "IN (" + list(expr, 1) + "))";
    case ExprKind::kCase:
      return render_case(expr);
    case ExprKind::kCast:
      return "CAST(" + child(0) + " AS " + expr.text + ")";
    case ExprKind::kCollate:
      return "(" + child(0) + " COLLATE " + expr.text + ")";
    case ExprKind::kCall:
      return expr.text + "(" + list(expr, 0) + ")";
    default:
      return expr.text;
  }
}

// Operands and operators in a row, without parentheses.
std::string chain(std::mt19937& random) {
  const std::vector<std::string> operators = {"+",
                                              "-",
                                              "*",
                                              "/",
                                              "%",
                                              "||",
                                              "&",
                                              "|",
                                              "<<",
                                              ">>",
                                              "<",
                                              "<=",
                                              ">",
                                              ">=",
                                              "=",
                                              "==",
                                              "<>",
                                              "!=",
                                              "AND",
                                              "OR",
                                              "IS",
                                              "IS NOT",
                                              "LIKE",
                                              "GLOB",
                                              "NOT LIKE",
                                              "IS DISTINCT FROM",
                                              "IS NOT DISTINCT FROM",
                                              "->>",
                                              "->"};
  const std::vector<std::string> operands = {"0",   "1",   "2",  "3",     "'1'",   "NULL", "-1",
                                             "2.5", "'a'", "~1", "NOT 1", "NOT 0", "- 2",  "+3"};
  const auto pick = [&](const auto& from) { return from[random() % from.size()]; };
  std::string sql = pick(operands);
  const int length = 2 + static_cast<int>(random() % 4);
  for (int k = 0; k < length; ++k) {
    switch (random() % 12) {
      case 0:
        sql += " ISNULL";
        break;
      case 1:
        sql += " NOT NULL";
        break;
      case 2:
        sql += " BETWEEN " + pick(operands) + " AND " + pick(operands);
        break;
      case 3:
        sql += " NOT BETWEEN " + pick(operands) + " = " + pick(operands) + " AND " + pick(operands);
        break;
      case 4:
        sql += " IN (" + pick(operands) + ", " + pick(operands) + ")";
        break;
      case 5:
        sql += " COLLATE NOCASE";
        break;
      default:
        sql += " " + pick(operators) + " " + pick(operands);
        break;
    }
  }
  return sql;
}

class ExpressionParserTest : public ::testing::Test {
 protected:
  ExpressionParserTest()
      : db_(sqlite::Connection::open({.path = ":memory:", .access = sqlite::Access::kCreate})) {}

  std::string value(const std::string& sql) {
    auto row = sqlite::Statement::prepare(db_.value(), "SELECT " + sql);
    if (!row) return "error: " + describe(row.error());
    const auto there = row.value().step();
    if (!there || !there.value()) return "error";
    return to_literal(row.value().value(0));
  }

  static std::string parenthesized(const std::string& sql) {
    auto tree = parse_expression(sql);
    if (!tree) return "refused: " + tree.error().reason;
    return render(*tree.value());
  }

  Result<sqlite::Connection> db_;
};

TEST_F(ExpressionParserTest, PrecedenceIsSqlites) {
  const auto seed = static_cast<unsigned>(::testing::UnitTest::GetInstance()->random_seed());
  std::mt19937 random(seed);
  int same = 0;
  for (int i = 0; i < 20'000; ++i) {
    const std::string sql = chain(random);
    const std::string expected = value(sql);
    const std::string written = parenthesized(sql);
    if (expected.starts_with("error")) continue;  // -> of what is no JSON
    ++same;
    ASSERT_EQ(value(written), expected) << sql << "\nread as " << written << "\nseed " << seed;
  }
  EXPECT_GT(same, 5'000);
}

TEST_F(ExpressionParserTest, Shapes) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"a BETWEEN b = c AND d = e", "((a BETWEEN (b = c) AND d) = e)"},
      {"a = NOT b = c", "(a = (NOT (b = c)))"},
      {"a || b COLLATE NOCASE", "(a || (b COLLATE NOCASE))"},
      {"-a COLLATE RTRIM", "((- a) COLLATE RTRIM)"},
      {"a < b = c < d", "((a < b) = (c < d))"},
      {"a -> 'x' ->> 'y'", "((a -> 'x') ->> 'y')"},
      {"a IS NOT NULL", "(a IS NOT NULL)"},
      {"a LIKE b ESCAPE 'x' AND c", "((a LIKE b ESCAPE 'x') AND c)"},
      {"a & b + c << d", "((a & (b + c)) << d)"},
      {"CASE a WHEN 1 THEN 2 ELSE 3 END", "(CASE a WHEN 1 THEN 2 ELSE 3 END)"},
      {"a NOTNULL ISNULL", "((a NOTNULL) ISNULL)"},
      {"key + match + replace", "((key + match) + replace)"},
      {"like(a, b)", "LIKE(a, b)"},
      {"[a b].`c``d`", "\"a b\".c`d"},
      {"CAST(a AS VARCHAR(10))", "CAST(a AS VARCHAR)"},
      {"a /* - 1 */ -- b\n + 1", "(a + 1)"},
      {"1e3 + .5 + 5. + 0xfF", "(((1e3 + .5) + 5.) + 0xfF)"},
      {"0xe+1", "(0xe + 1)"},
  };
  for (const auto& [sql, expected] : cases) EXPECT_EQ(parenthesized(sql), expected) << sql;
}

TEST_F(ExpressionParserTest, WhatSqliteRefusesIsRefused) {
  for (const std::string sql : {"",
                                "1 +",
                                "(1",
                                "1)",
                                "a b",
                                "'x",
                                "\"x",
                                "x'0'",
                                "x'0g'",
                                "1x",
                                "1e",
                                "0x",
                                "?1",
                                ":a",
                                "@a",
                                "$a",
                                "a AND",
                                "CASE END",
                                "CAST(1)",
                                "a IN",
                                "SELECT 1",
                                "a ! b",
                                "a IS DISTINCT",
                                "1 2",
                                "a COLLATE",
                                "FROM",
                                "a.b.c.d",
                                ";",
                                "a NOT b",
                                "\x01"}) {
    EXPECT_FALSE(parse_expression(sql)) << sql;
  }
}

TEST_F(ExpressionParserTest, DepthIsBounded) {
  for (const int depth : {100'000, limits::kExpressionHeightMax + 1}) {
    const auto times = [&](const std::string& part) {
      std::string out;
      for (int i = 0; i < depth; ++i) out += part;
      return out;
    };
    for (const std::string& sql :
         {times("(") + "1" + times(")"), times("- ") + "1", times("NOT ") + "1",
          "1" + times(" + 1"), times("(SELECT ") + "1" + times(")"), "a" + times(" ISNULL"),
          times("CASE WHEN ") + "1", times("f(") + "1" + times(")")}) {
      EXPECT_FALSE(parse_expression(sql)) << depth << " of " << sql.substr(0, 20);
    }
    EXPECT_FALSE(parse_create_view("CREATE VIEW v AS " + times("SELECT * FROM (") + "SELECT 1" +
                                   times(")")));
  }
}

// Random bytes and truncated SQL: any answer is right, as long as there is one.
TEST_F(ExpressionParserTest, AnyBytesMayBeGiven) {
  const std::string sql =
      "CASE x WHEN 'a''b' THEN CAST([y z] AS INT) + 0x1F ELSE (SELECT max(q) OVER (ORDER BY 1) FROM"
      " t LEFT JOIN u USING (k) GROUP BY 1 HAVING 2 LIMIT 3 OFFSET 4) END NOT BETWEEN 1 AND 2";
  for (size_t length = 0; length <= sql.size(); ++length) {
    (void)parse_expression(sql.substr(0, length));
    (void)parse_expression(sql.substr(length));
  }
  const auto seed = static_cast<unsigned>(::testing::UnitTest::GetInstance()->random_seed());
  std::mt19937 random(seed);
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes = sql.substr(random() % sql.size(), random() % 60);
    for (int k = 0; k < 4 && !bytes.empty(); ++k) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    (void)parse_expression(bytes);
    (void)parse_create_view("CREATE VIEW v AS SELECT " + bytes);
  }
}

}  // namespace
}  // namespace crossfade::schema::expression
