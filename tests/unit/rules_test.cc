// The rules file: what it says, and everything that is wrong with it at once.
#include "engine/schema/rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "engine/schema/plan.h"
#include "engine/schema/rules_writer.h"
#include "tests/unit/schema_fixture.h"

namespace crossfade::schema {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

Rules parse(const std::string& text, Problems* problems) {
  return parse_rules(text, "r.toml", problems);
}

ColumnType type_of(const std::string& keys) {
  Problems problems;
  const Rules rules = parse("[tables.t.columns.c]\n" + keys, &problems);
  EXPECT_THAT(problems, IsEmpty()) << keys;
  const ColumnRule* rule = rules.find("T", "C");
  return rule != nullptr && rule->type ? *rule->type : ColumnType();
}

std::string problem_of(const std::string& keys) {
  Problems problems;
  (void)parse("[tables.t.columns.c]\n" + keys, &problems);
  return problems.size() == 1 ? problems[0] : "";
}

TEST(Rules, EveryProblemIsToldAtOnceWithItsLine) {
  Problems problems;
  (void)parse(
      "[default]\n"
      "[tables.t]\n"
      "exclude = 1\n"
      "on_misfit = \"quarantin\"\n"
      "[tables.t.columns.a]\n"
      "typ = \"text\"\n"
      "[tables.t.columns.b]\n"
      "type = \"timestamptz\"\n"
      "[tables.t.columns.d]\n"
      "mask = \"sha\"\n"
      "type = \"uuid\"\n",
      &problems);
  EXPECT_EQ(problems.size(), 7U);
  EXPECT_THAT(problems,
              Contains(AllOf(StartsWith("r.toml:1: "), HasSubstr("did you mean 'defaults'"))));
  EXPECT_THAT(problems, Contains(AllOf(StartsWith("r.toml:3: "), HasSubstr("true or false"))));
  EXPECT_THAT(problems, Contains(AllOf(StartsWith("r.toml:4: "), HasSubstr("'quarantine'"))));
  EXPECT_THAT(problems,
              Contains(AllOf(StartsWith("r.toml:6: "), HasSubstr("did you mean 'type'"))));
  EXPECT_THAT(problems, Contains(AllOf(StartsWith("r.toml:8: "), HasSubstr("needs `format`"))));
  EXPECT_THAT(problems, Contains(AllOf(StartsWith("r.toml:10: "), HasSubstr("is not hash"))));
  EXPECT_THAT(problems,
              Contains(AllOf(StartsWith("r.toml:10: "), HasSubstr("makes it text or bigint"))));
}

// Promise: that holds for the keys of one column too, each by its line and in the file's order; and
// what another mistake alone would be the cause of is not told.
TEST(Rules, EveryProblemOfOneColumnIsToldAtOnce) {
  const auto problems_of = [](const std::string& keys) {
    Problems problems;
    (void)parse("[tables.t.columns.a]\n" + keys, &problems);
    return problems;
  };
  EXPECT_THAT(problems_of("type = \"timestamp\"\n"
                          "format = \"%d/%Q\"\n"
                          "zone = \"Mars\"\n"
                          "words = \"yes\"\n"
                          "form = \"epoch\"\n"
                          "rename = \"\"\n"),
              ElementsAre(AllOf(StartsWith("r.toml:3: "), HasSubstr("is no pattern")),
                          AllOf(StartsWith("r.toml:3: "), HasSubstr("not go with form or words")),
                          AllOf(StartsWith("r.toml:4: "), HasSubstr("neither UTC nor")),
                          AllOf(StartsWith("r.toml:4: "), HasSubstr("timestamp, which has none")),
                          AllOf(StartsWith("r.toml:5: "), HasSubstr("not two different words")),
                          AllOf(StartsWith("r.toml:5: "), HasSubstr("do not go with timestamp")),
                          AllOf(StartsWith("r.toml:6: "), HasSubstr("is none of")),
                          AllOf(StartsWith("r.toml:7: "), HasSubstr("is no name"))));
  EXPECT_THAT(problems_of("on_invalid_utf8 = \"latin2\"\ntype = \"txt\"\non_nul = \"stripp\"\n"
                          "format = \"%Y-%m-%d\"\n"),
              ElementsAre(HasSubstr("did you mean 'latin1'"), HasSubstr("did you mean 'text'"),
                          HasSubstr("did you mean 'strip'"), HasSubstr("are for text")));
  EXPECT_THAT(problems_of("type = \"bigint\"\non_nul = \"bytea\"\non_invalid_utf8 = \"latin1\"\n"),
              ElementsAre(HasSubstr("make the column bytea"), HasSubstr("nothing to do")));
  EXPECT_THAT(problems_of("exclude = true\ntype = \"uuid\"\n"),
              ElementsAre(HasSubstr("is excluded"), HasSubstr("needs `form`")));
}

TEST(Rules, WhatAnotherMistakeIsTheCauseOfIsNotTold) {
  const auto problems_of = [](const std::string& keys) {
    Problems problems;
    (void)parse("[tables.t.columns.a]\n" + keys, &problems);
    return problems;
  };
  // The format may be right for what was meant.
  EXPECT_THAT(problems_of("type = \"timestmp\"\nformat = \"%Y-%m-%d\""),
              ElementsAre(HasSubstr("did you mean 'timestamp'")));
  EXPECT_THAT(problems_of("type = \"uuid\"\nform = \"uuid_lowr\""),
              ElementsAre(HasSubstr("did you mean 'uuid_lower'")));
  EXPECT_THAT(problems_of("typ = \"timestamptz\"\nform = \"epoch_s\""),
              ElementsAre(HasSubstr("did you mean 'type'")));
  EXPECT_THAT(problems_of("type = \"timestamptz\"\nformat = \"%Y-%m-%d\"\nzon = \"UTC\""),
              ElementsAre(HasSubstr("did you mean 'zone'")));
  EXPECT_THAT(problems_of("type = \"timestamptz\"\nformat = 5"),
              ElementsAre(HasSubstr("must be a text")));
  EXPECT_THAT(problems_of("type = \"bigint\"\nformat = \"%Y-%m-%d\"\nzone = \"UTC\""),
              ElementsAre(HasSubstr("a format does not go with bigint")));
  EXPECT_THAT(problems_of("type = \"timestamptz\"\nmask = \"hash\""),
              ElementsAre(HasSubstr("a mask makes it")));
}

TEST(Rules, AFileThatIsNoTomlNamesItsLine) {
  Problems problems;
  (void)parse("[defaults]\non_misfit = \n", &problems);
  ASSERT_EQ(problems.size(), 1U);
  EXPECT_THAT(problems[0], StartsWith("r.toml:2: "));
}

TEST(Rules, TypesAndForms) {
  EXPECT_EQ(type_of("type = \"timestamptz\"\nform = \"epoch_ms\"").form, SourceForm::kEpochMillis);
  EXPECT_EQ(type_of("type = \"numeric(10,2)\"").scale, 2);
  EXPECT_EQ(type_of("type = \"vector(384)\"").dimensions, 384);
  EXPECT_EQ(type_of("type = \"boolean\"\nwords = \"Y/N\"").words, "Y/N");
  EXPECT_EQ(type_of("on_nul = \"bytea\"").base, TargetType::kBytea);
  EXPECT_EQ(type_of("on_nul = \"escape\"").form, SourceForm::kTextEscaped);
  EXPECT_EQ(
      type_of("type = \"timestamptz\"\nformat = \"%Y-%m-%d %H:%M\"\nzone = \"+02:00\"").pattern,
      "%Y-%m-%d %H:%M%{+02:00}");
}

TEST(Rules, WhatDoesNotGoTogetherIsRefused) {
  EXPECT_THAT(problem_of("type = \"date\"\nform = \"epoch_s\""),
              HasSubstr("does not go with date"));
  EXPECT_THAT(problem_of("type = \"timestamptz\"\nformat = \"%Y-%m-%d\"\nzone = \"Europe/Berlin\""),
              HasSubstr("come twice"));
  EXPECT_THAT(problem_of("form = \"epoch_s\""), HasSubstr("`type` is missing"));
  EXPECT_THAT(problem_of("type = \"bigint\"\non_nul = \"strip\""),
              HasSubstr("make the column text"));
  EXPECT_THAT(problem_of("exclude = true\ntype = \"text\""), HasSubstr("excluded"));
  EXPECT_THAT(problem_of("type = \"numerc(4,1)\""), HasSubstr("is none of"));
}

class RulesOnASource : public SchemaTest {
 protected:
  Problems check(const std::string& text, bool strict) {
    Problems problems;
    const Rules rules = parse(text, &problems);
    check_rules(rules, catalog(), strict, &problems);
    return problems;
  }
};

TEST_F(RulesOnASource, UnknownNamesAndImpossibleOnesAreProblems) {
  exec("CREATE TABLE orders(id INTEGER PRIMARY KEY, email TEXT UNIQUE, doc TEXT)");
  const Problems problems = check(
      "[tables.ordres]\nexclude = true\n"
      "[tables.ORDERS.columns.emial]\nexclude = true\n"
      "[tables.ORDERS.columns.email]\non_nul = \"strip\"\n"
      "[tables.ORDERS.columns.id]\nexclude = true\n",
      true);
  EXPECT_THAT(problems, Contains(AllOf(StartsWith("r.toml:1: "), HasSubstr("'orders'"))));
  EXPECT_THAT(problems, Contains(AllOf(StartsWith("r.toml:3: "), HasSubstr("'email'"))));
  EXPECT_THAT(problems, Contains(AllOf(StartsWith("r.toml:5: "), HasSubstr("become one"))));
  EXPECT_THAT(problems, Contains(AllOf(StartsWith("r.toml:7: "), HasSubstr("primary key"))));
  EXPECT_EQ(problems.size(), 4U);
}

// What was left out on purpose must not come back because it was renamed.
TEST_F(RulesOnASource, ALaxCheckStillInsistsOnWhatKeepsDataBack) {
  exec("CREATE TABLE t(id INTEGER PRIMARY KEY)");
  EXPECT_THAT(check("[tables.t.columns.gone]\nrename = \"x\"\n", false), IsEmpty());
  EXPECT_EQ(check("[tables.t.columns.gone]\nexclude = true\n", false).size(), 1U);
  EXPECT_EQ(check("[tables.gone]\nexclude = true\n", false).size(), 1U);
}

TEST_F(RulesOnASource, ExcludedColumnsLeaveKeysAndIndexesInPlace) {
  exec("CREATE TABLE t(a, b, c, PRIMARY KEY(c))");
  exec("CREATE INDEX i ON t(a, b)");
  Catalog now = catalog();
  Problems problems;
  const Rules rules =
      parse("[tables.t]\nrename = \"u\"\n[tables.t.columns.a]\nexclude = true\n", &problems);
  ASSERT_TRUE(apply_rules(rules, &now));
  const Table& table = now.tables.at(0);
  EXPECT_EQ(table.target_name, "u");
  ASSERT_EQ(table.columns.size(), 2U);
  EXPECT_EQ(table.columns[table.key[0]].name, "c");
  EXPECT_NE(table.rules, "");
}

TEST_F(RulesOnASource, WhatCannotBeTakenBackIsCounted) {
  exec("CREATE TABLE t(id INTEGER PRIMARY KEY, s TEXT, l TEXT, m TEXT)");
  exec(
      "INSERT INTO t VALUES (1, CAST(x'610062' AS TEXT), 'a', 'b'), (2, 'c', CAST(x'ff' AS TEXT), "
      "'d')");
  Problems problems;
  const Rules rules = parse(
      "[tables.t.columns.s]\non_nul = \"strip\"\n"
      "[tables.t.columns.l]\non_invalid_utf8 = \"latin1\"\n"
      "[tables.t.columns.m]\nmask = \"hash\"\n",
      &problems);
  ASSERT_THAT(problems, IsEmpty());
  Catalog now = catalog();
  ASSERT_TRUE(apply_rules(rules, &now));
  const auto made = make_plan(source_, now, {.rules = &rules});
  ASSERT_TRUE(made);
  std::map<std::string, int64_t> rows;
  for (const Finding& finding : findings(made.value(), "rule_one_way")) {
    rows[finding.column] = finding.rows;
  }
  EXPECT_EQ(rows, (std::map<std::string, int64_t>{{"s", 1}, {"l", 1}, {"m", 2}}));
}

TEST_F(RulesOnASource, WrittenRulesReadBackAndChangeNothing) {
  exec("CREATE TABLE \"odd \"\"name\"(id INTEGER PRIMARY KEY, at TEXT, n INTEGER, \"k\\\" TEXT)");
  exec("INSERT INTO \"odd \"\"name\" VALUES (1, '2021-03-04 05:06:07', 1700000000, 'x')");
  const Catalog before = catalog();
  auto plan = make_plan(source_, before, {});
  ASSERT_TRUE(plan);
  const std::string text = write_rules(plan.value(), nullptr);
  EXPECT_THAT(text, HasSubstr("# type = \"timestamp\""));
  Problems problems;
  const Rules rules = parse(text, &problems);
  check_rules(rules, before, true, &problems);
  EXPECT_THAT(problems, IsEmpty()) << text;
  Catalog after = catalog();
  ASSERT_TRUE(apply_rules(rules, &after));
  EXPECT_EQ(after.tables.at(0).rules, "");
  auto again = make_plan(source_, after, {.rules = &rules});
  ASSERT_TRUE(again);
  EXPECT_EQ(again.value().ddl, plan.value().ddl);
}

}  // namespace
}  // namespace crossfade::schema
