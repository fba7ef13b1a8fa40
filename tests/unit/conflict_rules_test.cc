// The rules of dual writes: what they say, what is wrong with them, and what they are no part of.
#include "engine/schema/conflict_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "engine/schema/find_column.h"
#include "engine/schema/rules_writer.h"
#include "tests/unit/schema_fixture.h"

namespace crossfade::schema {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

class ConflictRulesTest : public SchemaTest {
 protected:
  void SetUp() override {
    exec(
        "CREATE TABLE account(id INTEGER PRIMARY KEY, email TEXT UNIQUE, tenant_id TEXT,"
        " region INTEGER, balance INTEGER, note TEXT, raw BLOB, any, updated_at DATETIME,"
        " owner INTEGER REFERENCES account(id), twice AS (balance * 2))");
    exec("CREATE TABLE log(line TEXT)");
  }

  Rules read(const std::string& text) {
    Problems problems;
    Rules rules = parse_rules(text, "r.toml", &problems);
    EXPECT_THAT(problems, IsEmpty());
    return rules;
  }
  // Of the file and of its going with the catalog.
  Problems problems_of(const std::string& text) {
    Problems problems;
    const Rules rules = parse_rules(text, "r.toml", &problems);
    check_rules(rules, catalog(), true, &problems);
    return problems;
  }
  std::string problem_of_column(const std::string& column, const std::string& keys) {
    const Problems problems =
        problems_of("[tables.account.columns." + column + "]\n" + keys + "\n");
    return problems.size() == 1 ? problems[0] : std::to_string(problems.size()) + " problems";
  }
  std::string problem_of_table(const std::string& keys) {
    const Problems problems = problems_of("[tables.account]\n" + keys + "\n");
    return problems.size() == 1 ? problems[0] : std::to_string(problems.size()) + " problems";
  }
};

TEST_F(ConflictRulesTest, PoliciesOfDefaultsTablesAndColumns) {
  const Rules rules = read(
      "[defaults]\nconflict = \"target_wins\"\n"
      "[tables.account]\nconflict = \"newest_wins( Updated_At )\"\nowner_column = \"tenant_id\"\n"
      "target_owns = [\"acme\", 7]\nids = \"shared\"\n"
      "[tables.account.columns.balance]\nconflict = \"delta\"\n"
      "[tables.account.columns.note]\nconflict = \"newest_wins(updated_at)\"\n"
      "[tables.account.columns.raw]\nconflict = \"source_wins\"\n");
  const Table account = declared("account");
  const auto at = [&](const char* name) { return *find_column(account, name); };
  const TableConflicts policies = conflict_policies(&rules, account);
  EXPECT_EQ(policies.policy, ConflictPolicy::kNewestWins);
  EXPECT_EQ(policies.newest, at("updated_at"));
  ASSERT_TRUE(policies.owners);
  EXPECT_EQ(policies.owners->column, at("tenant_id"));
  EXPECT_EQ(policies.owners->of_target,
            (std::vector<Value>{Value(Text{"acme"}), Value(int64_t{7})}));
  ASSERT_EQ(policies.columns.size(), 3U);
  EXPECT_EQ(policies.columns[0].column, at("balance"));
  EXPECT_EQ(policies.columns[0].policy, ConflictPolicy::kDelta);
  EXPECT_EQ(policies.columns[1].policy, ConflictPolicy::kNewestWins);
  EXPECT_EQ(policies.columns[1].newest, at("updated_at"));
  EXPECT_TRUE(shares_ids(&rules, account));
  EXPECT_EQ(conflict_policies(&rules, declared("log")).policy, ConflictPolicy::kTargetWins);
  EXPECT_FALSE(shares_ids(&rules, declared("log")));
  EXPECT_EQ(conflict_policies(nullptr, account).policy, ConflictPolicy::kManual);
  EXPECT_FALSE(conflict_policies(nullptr, account).owners);
}

// What it was to be decided by is not there any more: a person decides.
TEST_F(ConflictRulesTest, RulesWithoutTheirColumnsDecideNothing) {
  const Rules newest = read("[tables.log]\nconflict = \"newest_wins(gone)\"\n");
  EXPECT_EQ(conflict_policies(&newest, declared("log")).policy, ConflictPolicy::kManual);
  const Rules owned = read(
      "[tables.log]\nconflict = \"source_wins\"\nowner_column = \"gone\"\ntarget_owns = [1]\n");
  EXPECT_EQ(conflict_policies(&owned, declared("log")).policy, ConflictPolicy::kManual);
  EXPECT_FALSE(conflict_policies(&owned, declared("log")).owners);
  const Rules column = read("[tables.log.columns.gone]\nconflict = \"delta\"\n");
  EXPECT_THAT(conflict_policies(&column, declared("log")).columns, IsEmpty());
  Problems problems;
  check_rules(newest, catalog(), false, &problems);
  EXPECT_THAT(problems, IsEmpty()) << "a rule for later";
}

TEST_F(ConflictRulesTest, EveryProblemIsToldAtOnceWithItsLine) {
  const Problems problems = problems_of(
      "[defaults]\n"
      "conflict = \"newest_wins(updated_at)\"\n"
      "[tables.account]\n"
      "conflict = \"sorce_wins\"\n"
      "owner_column = \"tenat_id\"\n"
      "target_owns = [1.5]\n"
      "ids = \"share\"\n"
      "[tables.log]\n"
      "conflict = 7\n"
      "[tables.account.columns.balance]\n"
      "conflict = \"delta(balance)\"\n");
  EXPECT_THAT(problems, Contains(AllOf(StartsWith("r.toml:2: "), HasSubstr("names a column"))));
  EXPECT_THAT(problems,
              Contains(AllOf(StartsWith("r.toml:4: "), HasSubstr("did you mean 'source_wins'"))));
  EXPECT_THAT(problems,
              Contains(AllOf(StartsWith("r.toml:5: "), HasSubstr("did you mean 'tenant_id'"))));
  EXPECT_THAT(problems,
              Contains(AllOf(StartsWith("r.toml:6: "), HasSubstr("texts and integers only"))));
  EXPECT_THAT(problems, Contains(AllOf(StartsWith("r.toml:7: "), HasSubstr("'shared'"))));
  EXPECT_THAT(problems, Contains(AllOf(StartsWith("r.toml:9: "), HasSubstr("text in quotes"))));
  EXPECT_THAT(problems, Contains(AllOf(StartsWith("r.toml:11: "), HasSubstr("takes no column"))));
  EXPECT_EQ(problems.size(), 7U);
}

TEST_F(ConflictRulesTest, WhatDoesNotGoWithTheTable) {
  EXPECT_THAT(problem_of_table("conflict = \"delta\""), HasSubstr("delta is for columns"));
  EXPECT_THAT(problem_of_table("conflict = \"newest_wins\""), HasSubstr("needs the column"));
  EXPECT_THAT(problem_of_table("conflict = \"newest_wins()\""), HasSubstr("needs the column"));
  EXPECT_THAT(problem_of_table("conflict = \"newest_wins(updated_at\""), HasSubstr("is none of"));
  EXPECT_THAT(problem_of_table("conflict = \"newest_wins(update_at)\""),
              AllOf(StartsWith("r.toml:2: "), HasSubstr("did you mean 'updated_at'")));
  EXPECT_THAT(problem_of_table("owner_column = \"tenant_id\""), HasSubstr("go together"));
  EXPECT_THAT(problem_of_table("target_owns = [\"acme\"]"), HasSubstr("go together"));
  EXPECT_THAT(problem_of_table("owner_column = \"tenant_id\"\ntarget_owns = [7]"),
              HasSubstr("write \"7\""));
  EXPECT_THAT(problem_of_table("owner_column = \"region\"\ntarget_owns = [\"7\"]"),
              HasSubstr("write 7 without quotes"));
  EXPECT_THAT(problem_of_table("exclude = true\nconflict = \"source_wins\""),
              HasSubstr("is excluded"));
  EXPECT_THAT(problems_of("[tables.account]\nconflict = \"newest_wins(updated_at)\"\n"
                          "[tables.account.columns.updated_at]\nexclude = true\n"),
              Contains(HasSubstr("which is excluded")));
  EXPECT_THAT(problem_of_column("id", "conflict = \"target_wins\""), HasSubstr("primary key"));
  EXPECT_THAT(problem_of_column("twice", "conflict = \"source_wins\""), HasSubstr("generated"));
  EXPECT_THAT(problem_of_column("email", "conflict = \"delta\""), HasSubstr("unique index"));
  EXPECT_THAT(problem_of_column("owner", "conflict = \"delta\""), HasSubstr("another table"));
  EXPECT_THAT(problem_of_column("note", "conflict = \"delta\""), HasSubstr("makes it TEXT"));
  EXPECT_THAT(problem_of_column("raw", "conflict = \"delta\""), HasSubstr("declared BLOB"));
  EXPECT_THAT(problem_of_column("balance", "conflict = \"delta\"\ntype = \"boolean\""),
              HasSubstr("makes it boolean"));
  EXPECT_THAT(problem_of_column("balance", "conflict = \"delta\"\nexclude = true"),
              HasSubstr("its other rules say nothing"));
  for (const char* fine : {"balance", "any"}) {
    EXPECT_THAT(problem_of_column(fine, "conflict = \"delta\""), HasSubstr("0 problems"));
  }
  EXPECT_THAT(problem_of_column("email", "conflict = \"newest_wins(updated_at)\""),
              HasSubstr("0 problems"));
}

// A table is copied anew when its rules change; not for these.
TEST_F(ConflictRulesTest, TheyAreNoPartOfWhatATableWasCopiedUnder) {
  const auto rules_of = [&](const std::string& text) {
    const Rules rules = read(text);
    Catalog found = catalog();
    EXPECT_TRUE(apply_rules(rules, &found));
    for (const Table& table : found.tables) {
      if (table.name == "account") return table.rules;
    }
    return std::string("no table");
  };
  EXPECT_EQ(rules_of("[defaults]\nconflict = \"source_wins\"\n[tables.account]\nids = \"shared\"\n"
                     "conflict = \"target_wins\"\nowner_column = \"region\"\ntarget_owns = [7]\n"
                     "[tables.account.columns.balance]\nconflict = \"delta\"\n"),
            "");
  EXPECT_EQ(rules_of("[tables.account.columns.balance]\nconflict = \"delta\"\n"
                     "type = \"numeric\"\n"),
            rules_of("[tables.account.columns.balance]\ntype = \"numeric\"\n"));
}

TEST_F(ConflictRulesTest, WrittenRulesKeepThem) {
  const std::string text =
      "[defaults]\nconflict = \"source_wins\"\n[tables.account]\nids = \"apart\"\n"
      "conflict = \"newest_wins(updated_at)\"\nowner_column = \"tenant_id\"\n"
      "target_owns = [\"a\\\"b\", -7]\n[tables.account.columns.balance]\nconflict = \"delta\"\n";
  const Rules rules = read(text);
  const std::string written = write_rules(plan(), &rules);
  for (const char* line : {"\nconflict = \"source_wins\"\n", "\nids = \"apart\"\n",
                           "\nconflict = \"newest_wins(updated_at)\"\n",
                           "\ntarget_owns = [\"a\\\"b\", -7]\n", "\nconflict = \"delta\"\n"}) {
    EXPECT_THAT(written, HasSubstr(line));
  }
  const Rules again = read(written);
  EXPECT_EQ(again.find("account")->dual_text, rules.find("account")->dual_text);
  EXPECT_EQ(write_rules(plan(), &again), written);
  // Without any, they are comments that are no rules.
  const std::string proposed = write_rules(plan(), nullptr);
  EXPECT_THAT(proposed, HasSubstr("\n# conflict = \"manual\"\n"));
  EXPECT_THAT(proposed, HasSubstr("\n# conflict = \"newest_wins(updated_at)\"\n"));
  EXPECT_THAT(proposed, Not(HasSubstr("\nconflict")));
  EXPECT_THAT(problems_of(proposed), IsEmpty());
}

TEST_F(ConflictRulesTest, ObstaclesNameTheColumn) {
  exec("INSERT INTO account(email, note) VALUES('a@b', 'n')");
  const auto obstacle = [&](const std::string& name, const std::string& text) {
    const Rules rules = read(text);
    Catalog found = catalog();
    EXPECT_TRUE(apply_rules(rules, &found));
    const auto made = make_plan(source_, found, {.target_schema = "s", .rules = &rules});
    EXPECT_TRUE(made);
    return dual_obstacle(table(made.value(), name).table).value_or("");
  };
  EXPECT_EQ(obstacle("account", ""), "");
  EXPECT_THAT(obstacle("log", ""), HasSubstr("no key of its own"));
  EXPECT_THAT(obstacle("account", "[tables.account.columns.email]\nmask = \"hash\"\n"),
              HasSubstr("'email' is masked"));
  EXPECT_THAT(obstacle("account", "[tables.account.columns.note]\non_nul = \"strip\"\n"),
              HasSubstr("'note'"));
  EXPECT_EQ(obstacle("account", "[tables.account.columns.note]\non_nul = \"escape\"\n"), "");
}

}  // namespace
}  // namespace crossfade::schema
