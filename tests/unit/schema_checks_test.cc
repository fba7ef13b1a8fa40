// CHECKs, and partial, collated and expression indexes: which get DDL, and what is said of the
// rest.
#include <gmock/gmock.h>

#include <algorithm>

#include "engine/schema/rules.h"
#include "tests/unit/schema_fixture.h"

namespace crossfade::schema {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ChecksTest : public SchemaTest {
 protected:
  Plan plan_ruled(const std::string& text) {
    Problems problems;
    const Rules rules = parse_rules(text, "r.toml", &problems);
    EXPECT_TRUE(problems.empty()) << problems.front();
    Catalog now = catalog();
    EXPECT_TRUE(apply_rules(rules, &now));
    auto made = make_plan(source_, now, {.target_schema = "s", .rules = &rules});
    EXPECT_TRUE(made);
    return made ? std::move(made).value() : Plan{};
  }

  // Of one table, "-" for those without.
  static std::vector<std::string> check_names(const Table& table) {
    std::vector<std::string> out;
    for (const Check& check : table.checks) out.push_back(check.target_ddl ? check.name : "-");
    return out;
  }

  static std::string index_ddl(const Plan& plan, const std::string& name) {
    for (const TablePlan& each : plan.tables) {
      for (const Index& index : each.table.indexes) {
        if (index.name == name) return index.target_ddl.value_or("");
      }
    }
    ADD_FAILURE() << "no index " << name;
    return "";
  }
};

TEST_F(ChecksTest, AreAddedLastAndAreNoFindings) {
  exec(
      "CREATE TABLE p(id INTEGER PRIMARY KEY);"
      "CREATE TABLE t(id INTEGER PRIMARY KEY REFERENCES p, s TEXT CHECK (s IN ('on', 'off')),"
      "  a INTEGER, b INTEGER, CONSTRAINT ordered CHECK (a < b), CHECK (rowid > 0))");
  const Plan made = plan();
  EXPECT_TRUE(findings(made, "check_not_carried").empty());
  EXPECT_THAT(check_names(table(made, "t").table), ElementsAre("t_check", "ordered", "t_check1"));
  ASSERT_GE(made.ddl.size(), 4U);
  const std::vector<std::string> last(made.ddl.end() - 4, made.ddl.end());
  EXPECT_THAT(
      last,
      ElementsAre(HasSubstr("FOREIGN KEY"),
                  AllOf(HasSubstr("ALTER TABLE \"s\".\"t\" ADD CONSTRAINT \"t_check\" CHECK ("),
                        HasSubstr("'on'"), HasSubstr(") NOT VALID")),
                  HasSubstr("ADD CONSTRAINT \"ordered\" CHECK (\"a\" < \"b\") NOT VALID"),
                  HasSubstr("CHECK (\"id\" > 0) NOT VALID")));
}

TEST_F(ChecksTest, NamesThatCannotStayAreReplaced) {
  const std::string long_name(64, 'n');
  exec("CREATE TABLE t(a INTEGER, CONSTRAINT t_pkey CHECK (a > 1), CONSTRAINT " + long_name +
       " CHECK (a > 2), CONSTRAINT one CHECK (a > 3), CONSTRAINT one CHECK (a > 4),"
       " CONSTRAINT t_check CHECK (a > 5))");
  EXPECT_THAT(check_names(table(plan(), "t").table),
              ElementsAre("t_check1", "t_check2", "one", "t_check3", "t_check"));
}

TEST_F(ChecksTest, OneWithoutAnEqualSaysWhichPartAndWhy) {
  exec("CREATE TABLE t(a INTEGER, b TEXT CHECK (a > 0 AND b + 1 > 0), c TEXT CHECK (c <> ''))");
  const Plan made = plan();
  EXPECT_THAT(check_names(table(made, "t").table), ElementsAre("-", "t_check"));
  const Finding found = finding(made, "check_not_carried");
  EXPECT_EQ(found.column, "b");
  EXPECT_THAT(found.message,
              AllOf(HasSubstr("CHECK (a > 0 AND b + 1 > 0) is not carried"), HasSubstr("(at b)")));
}

// A double-quoted name is a text to SQLite where there is no such column.
TEST_F(ChecksTest, ColumnsThatRulesKeepBackAreNotReadAsTexts) {
  exec(
      "CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT CHECK (\"a\" <> 'x'), b TEXT, c TEXT,"
      " CHECK (length(b) > 2), CHECK (c <> ''));"
      "CREATE INDEX on_a ON t(c) WHERE \"a\" = 'y'; CREATE INDEX on_b ON t(lower(b));"
      "CREATE INDEX of_b ON t(b) WHERE c <> ''; INSERT INTO t VALUES (1, 'a', 'bbb', 'c')");
  const Plan made =
      plan_ruled("[tables.t.columns.a]\nexclude = true\n[tables.t.columns.b]\nmask = \"hash\"\n");
  EXPECT_THAT(check_names(table(made, "t").table), ElementsAre("-", "-", "t_check"));
  EXPECT_EQ(findings(made, "check_not_carried").size(), 2U);
  EXPECT_EQ(index_ddl(made, "on_a"), "");
  EXPECT_EQ(index_ddl(made, "on_b"), "");
  EXPECT_THAT(index_ddl(made, "of_b"), HasSubstr("(\"b\") WHERE"));
}

TEST_F(ChecksTest, IndexesOnPartsOfATableAreCarried) {
  exec(
      "CREATE TABLE t(id INTEGER PRIMARY KEY, n TEXT COLLATE NOCASE, a INTEGER, b INTEGER);"
      "CREATE INDEX part ON t(a DESC) WHERE b IS NOT NULL AND a > 5;"
      "CREATE INDEX folded ON t(n, a); CREATE UNIQUE INDEX folded_once ON t(n);"
      "CREATE INDEX trimmed ON t(n COLLATE RTRIM);"
      "CREATE INDEX computed ON t(lower(n) DESC, a);"
      "CREATE UNIQUE INDEX once ON t(a) WHERE b = 1;"
      "INSERT INTO t VALUES (1, 'x', 2, 3)");
  const Plan made = plan();
  EXPECT_TRUE(findings(made, "index_not_carried").empty());
  EXPECT_EQ(index_ddl(made, "part"),
            "CREATE INDEX \"part\" ON \"s\".\"t\" (\"a\" DESC) WHERE \"b\" IS NOT NULL AND \"a\" >"
            " 5");
  EXPECT_THAT(index_ddl(made, "folded"),
              AllOf(HasSubstr("CREATE INDEX"), HasSubstr("lower("), HasSubstr(", \"a\")")));
  EXPECT_THAT(index_ddl(made, "folded_once"),
              AllOf(HasSubstr("CREATE UNIQUE INDEX"), HasSubstr("lower(")));
  EXPECT_THAT(index_ddl(made, "trimmed"), HasSubstr("rtrim("));
  EXPECT_THAT(index_ddl(made, "computed"), AllOf(HasSubstr("lower("), HasSubstr(") DESC, \"a\")")));
  EXPECT_THAT(index_ddl(made, "once"), HasSubstr("UNIQUE INDEX \"once\" ON \"s\".\"t\" (\"a\")"
                                                 " WHERE \"b\" = 1"));
}

TEST_F(ChecksTest, IndexesThatCannotBeAreFindings) {
  exec(
      "CREATE TABLE t(id INTEGER PRIMARY KEY, n TEXT, a INTEGER);"
      "CREATE UNIQUE INDEX once ON t(lower(n)); CREATE INDEX long ON t(lower(n));"
      "CREATE INDEX part ON t(a) WHERE n + 1 > 0;"
      "INSERT INTO t VALUES (1, printf('%.3000c', 'x'), 2)");
  const Plan made = plan();
  const std::vector<Finding> found = findings(made, "index_not_carried");
  ASSERT_EQ(found.size(), 3U);
  const auto says = [&](const std::string& index, const std::string& why) {
    return std::any_of(found.begin(), found.end(), [&](const Finding& each) {
      return each.message.find("index " + index + " ") != std::string::npos &&
             each.message.find(why) != std::string::npos;
    });
  };
  EXPECT_TRUE(says("once", "unique on an expression"));
  EXPECT_TRUE(says("long", "3000 bytes"));
  EXPECT_TRUE(says("part", "of its WHERE: "));
}

// PostgreSQL refers to what is unique in all rows only.
TEST_F(ChecksTest, APartialOrFoldedUniqueIndexIsNoParentKey) {
  exec(
      "PRAGMA foreign_keys = OFF;"
      "CREATE TABLE p(id INTEGER PRIMARY KEY, a INTEGER, n TEXT);"
      "CREATE UNIQUE INDEX p_a ON p(a) WHERE id > 0; CREATE UNIQUE INDEX p_n ON p(n COLLATE "
      "NOCASE);"
      "CREATE TABLE c(id INTEGER PRIMARY KEY, a INTEGER, n TEXT);"
      "INSERT INTO p VALUES (1, 1, 'x');");
  exec("DROP TABLE c");
  exec(
      "CREATE TABLE c(id INTEGER PRIMARY KEY, a INTEGER REFERENCES p(a), n TEXT REFERENCES p(n));"
      "INSERT INTO c VALUES (1, 1, 'x')");
  const Plan made = plan();
  EXPECT_NE(index_ddl(made, "p_a"), "");
  EXPECT_NE(index_ddl(made, "p_n"), "");
  EXPECT_EQ(findings(made, "foreign_key_not_carried").size() +
                findings(made, "foreign_key_orphans").size(),
            2U);
}

}  // namespace
}  // namespace crossfade::schema
