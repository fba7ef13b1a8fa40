// Generated columns: which the target computes, by what, and what is said of the rest.
#include <gmock/gmock.h>

#include "tests/unit/schema_fixture.h"

namespace crossfade::schema {
namespace {

using ::testing::HasSubstr;

class GeneratedTest : public SchemaTest {
 protected:
  static std::string computed(const Plan& plan, const std::string& name) {
    return column(table(plan, "t").table, name).target_generated.value_or("");
  }
  static std::string why_plain(const Plan& plan, const std::string& name) {
    for (const Finding& finding : findings(plan, "generated_as_plain")) {
      if (finding.column == name) return finding.message;
    }
    return "";
  }
};

TEST_F(GeneratedTest, AreComputedByTheTargetAndAreNoFindings) {
  exec(
      "CREATE TABLE t(id INTEGER PRIMARY KEY, n INTEGER, r REAL, s TEXT,"
      "  a INTEGER AS (n * 2) NOT NULL, b REAL AS (r + n) STORED, c TEXT AS (s || \"q\"),"
      "  d BOOLEAN AS (n > 5), e BLOB AS (x'00ff'));"
      "INSERT INTO t(id, n, r, s) VALUES (1, 6, 1.5, 'x'), (2, 5, 2.5, 'y')");
  const Plan made = plan();
  EXPECT_TRUE(findings(made, "generated_as_plain").empty());
  const std::string ddl = table(made, "t").table.create_table_ddl;
  EXPECT_THAT(ddl, HasSubstr("\"a\" bigint NOT NULL GENERATED ALWAYS AS (\"n\" * 2) STORED"));
  EXPECT_THAT(ddl, HasSubstr("\"c\" text COLLATE \"C\" GENERATED ALWAYS AS (\"s\" || 'q') STORED"));
  EXPECT_EQ(computed(made, "d"), "\"n\" > 5");
  EXPECT_EQ(column(table(made, "t").table, "a").on_misfit, OnMisfit::kWiden);
  EXPECT_NE(computed(made, "e"), "");
}

// PostgreSQL lets none refer to another: its expression stands in its place, with its type.
TEST_F(GeneratedTest, StandInForEachOther) {
  exec(
      "CREATE TABLE t(id INTEGER PRIMARY KEY, n INTEGER, s TEXT, r REAL,"
      "  last TEXT AS (middle || '!'), middle TEXT AS (\"first\"), first INTEGER AS (n + 1),"
      "  text_of_real TEXT AS (r || ''), over INTEGER AS (length(text_of_real)));"
      "INSERT INTO t(id, n, s, r) VALUES (1, 6, 'x', 1.5)");
  const Plan made = plan();
  EXPECT_EQ(computed(made, "first"), "\"n\" + 1");
  EXPECT_THAT(computed(made, "middle"), HasSubstr("((\"n\" + 1)::bigint)::text"));
  EXPECT_THAT(computed(made, "last"), HasSubstr(computed(made, "middle")));
  EXPECT_EQ(computed(made, "last").find("\"middle\""), std::string::npos);
  EXPECT_EQ(computed(made, "text_of_real"), "");
  EXPECT_THAT(computed(made, "over"), HasSubstr("\"text_of_real\"")) << "it is plain: a name";
}

TEST_F(GeneratedTest, OfAnEmptyTableAreWhatTheirExpressionsYield) {
  exec(
      "CREATE TABLE t(id INTEGER PRIMARY KEY, n INTEGER, s TEXT, any,"
      "  a AS (n + 1), b AS (n IS NULL), c AS (s), d AS (any), e TEXT AS (n))");
  const Plan made = plan();
  const Table of = table(made, "t").table;
  EXPECT_EQ(column(of, "a").type, ColumnType(TargetType::kBigint));
  EXPECT_EQ(column(of, "b").type, ColumnType(TargetType::kBigint));
  EXPECT_EQ(column(of, "c").type, ColumnType(TargetType::kText));
  EXPECT_EQ(column(of, "d").type, ColumnType(TargetType::kVariant));
  for (const char* name : {"a", "b", "c", "e"}) EXPECT_NE(computed(made, name), "") << name;
  EXPECT_EQ(computed(made, "d"), "");
}

TEST_F(GeneratedTest, WhatIsWidenedOrReferredByIsPlain) {
  exec(
      "CREATE TABLE p(id INTEGER PRIMARY KEY);"
      "CREATE TABLE t(id INTEGER PRIMARY KEY, n INTEGER, r REAL, a INTEGER AS (n) REFERENCES p,"
      "  b INTEGER AS (n), c INTEGER AS (b + 1), d TEXT AS (r || ''));"
      "INSERT INTO t(id, n, r) VALUES (1, 6, 2.5)");
  const Catalog now = catalog();
  const auto made = make_plan(source_, now, {.target_schema = "s", .plain_columns = {{"t", "b"}}});
  ASSERT_TRUE(made);
  EXPECT_THAT(why_plain(made.value(), "a"), HasSubstr("in a key"));
  EXPECT_THAT(why_plain(made.value(), "b"), HasSubstr("for every row"));
  EXPECT_THAT(why_plain(made.value(), "d"), HasSubstr("AS (r || '')"));
  EXPECT_EQ(computed(made.value(), "c"), "\"b\" + 1");
}

}  // namespace
}  // namespace crossfade::schema
