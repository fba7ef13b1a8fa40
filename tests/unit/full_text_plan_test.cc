// Promise: of each full-text table it is known which ordinary table's rows it searches, or it is
// said that nobody knows; rows that no other table has stop the move.
#include <gmock/gmock.h>

#include "engine/schema/fts_declaration.h"
#include "engine/schema/fts_source.h"
#include "engine/schema/fts_trigger.h"
#include "engine/schema/rules.h"
#include "tests/unit/schema_fixture.h"

namespace crossfade::schema {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class FullTextPlanTest : public SchemaTest {
 protected:
  // As applications have it: their triggers write to virtual tables.
  void SetUp() override { exec("PRAGMA trusted_schema=ON"); }

  static FtsDeclaration parsed(const std::string& sql) {
    auto made = parse_fts({"f",
                           sql.find("fts5") != std::string::npos   ? "fts5"
                           : sql.find("fts4") != std::string::npos ? "fts4"
                                                                   : "fts3",
                           sql, "f"});
    EXPECT_TRUE(made) << sql;
    return made ? std::move(*made) : FtsDeclaration{};
  }

  static std::string columns(const FtsDeclaration& declared) {
    std::string out;
    for (const FtsColumn& column : declared.columns) {
      out += (out.empty() ? "" : ",") + column.name + (column.indexed ? "" : "-");
    }
    return out;
  }

  // The ordinary table that the only full-text table is about, or why there is none.
  std::string source() {
    auto found = find_fts_sources(source_, catalog(), nullptr, nullptr);
    EXPECT_TRUE(found) << describe(found.error());
    if (!found || found.value().size() != 1) return "(not one)";
    const FtsSource& one = found.value().front();
    return one.indexed.empty() ? one.obstacle : one.indexed;
  }

  void make_mirror() {
    exec(R"(
      CREATE TABLE note(id INTEGER PRIMARY KEY, title TEXT, body TEXT);
      CREATE VIRTUAL TABLE found USING fts5(head, body);
      CREATE TRIGGER note_ai AFTER INSERT ON note BEGIN
        INSERT INTO found(rowid, head, body) VALUES (new.id, new.title, new.body);
      END;
      CREATE TRIGGER note_ad AFTER DELETE ON note BEGIN DELETE FROM found WHERE rowid=old.id; END;
      INSERT INTO note VALUES(1,'a','x'),(7,'b',NULL);)");
  }
};

TEST_F(FullTextPlanTest, DeclarationsAreReadAsSqliteReadsThem) {
  const FtsDeclaration five = parsed(
      "CREATE VIRTUAL TABLE f USING fts5(a, \"b c\" UNINDEXED, [d], prefix='2 3',"
      " tokenize = 'porter unicode61 remove_diacritics 2', content=\"t\", content_rowid='id')");
  EXPECT_EQ(columns(five), "a,b c-,d");
  EXPECT_TRUE(five.porter);
  EXPECT_EQ(five.tokenizer, "unicode61");
  EXPECT_EQ(five.tokenizer_words, "remove_diacritics 2");
  EXPECT_EQ(five.content, "t");
  const FtsDeclaration four = parsed(
      "CREATE VIRTUAL TABLE f USING fts4(a TEXT, b VARCHAR(10,2), notindexed=B,"
      " tokenize=unicode61 \"remove_diacritics=0\", matchinfo=fts3)");
  EXPECT_EQ(columns(four), "a,b-");
  EXPECT_EQ(four.tokenizer, "unicode61");
  EXPECT_EQ(four.tokenizer_words, "remove_diacritics 0");
  EXPECT_FALSE(four.content);
  EXPECT_EQ(columns(parsed("CREATE VIRTUAL TABLE f USING fts4(content='t')")), "");
  const FtsDeclaration three = parsed("CREATE VIRTUAL TABLE f USING fts3(tokenize porter)");
  EXPECT_EQ(columns(three), "content");
  EXPECT_TRUE(three.porter);
  EXPECT_EQ(three.tokenizer, "simple");
  EXPECT_EQ(parsed("CREATE VIRTUAL TABLE f USING fts5(a, content='')").content, "");
}

TEST_F(FullTextPlanTest, TriggersAreReadOnlyWhereTheyArePlain) {
  const FtsDeclaration two = parsed("CREATE VIRTUAL TABLE f USING fts5(a, b)");
  const std::string head = "CREATE TRIGGER t AFTER INSERT ON x BEGIN ";
  const auto values = inserted_values(
      head +
          "DELETE FROM f WHERE rowid=1; INSERT INTO \"F\"(oid, b, a) VALUES (new.id,"
          " lower(new.x) || 'y,', new.[z w]); END",
      "f", two);
  ASSERT_TRUE(values);
  ASSERT_EQ(values->size(), 3U);
  EXPECT_EQ(values->at(0).field, "rowid");
  EXPECT_EQ(values->at(1).expression, "lower(new.x) || 'y,'");
  EXPECT_EQ(values->at(1).column, "");
  EXPECT_EQ(values->at(2).column, "z w");
  const std::string command = "INSERT INTO f(f, rowid, a) VALUES('delete', new.id, new.a);";
  EXPECT_FALSE(inserted_values(head + command + " END", "f", two));
  EXPECT_FALSE(inserted_values(head + "INSERT INTO f SELECT 1, 2; END", "f", two));
  EXPECT_EQ(tables_written(head + command + " UPDATE OR IGNORE g SET a=1; END"),
            (std::vector<std::string>{"f", "g"}));
  EXPECT_FALSE(tables_written(head + "SELECT raise(ABORT, 'x'); END"));
}

TEST_F(FullTextPlanTest, RowsOfItsOwnAreHeldAgainstTheTableTheyComeFrom) {
  make_mirror();
  EXPECT_EQ(source(), "note");
  exec("UPDATE found SET head='other' WHERE rowid=7");
  EXPECT_THAT(source(), HasSubstr("has not got all of its rows"));
  const Finding only = finding(plan(), "fts_only_copy");
  EXPECT_EQ(only.severity, Severity::kBlocker);
  EXPECT_EQ(only.rows, 2);
  EXPECT_THAT(only.remedy, HasSubstr("SELECT rowid AS id, \"head\", \"body\" FROM \"found\""));
}

TEST_F(FullTextPlanTest, ARowThatTheTableHasNotGotIsAnOnlyCopy) {
  make_mirror();
  exec("INSERT INTO found(rowid, head) VALUES(9, 'alone')");
  EXPECT_EQ(finding(plan(), "fts_only_copy").rows, 3);
}

TEST_F(FullTextPlanTest, WhatATriggerComputesIsComputedToo) {
  exec(
      "CREATE TABLE n(id INTEGER PRIMARY KEY, a TEXT, b TEXT);"
      "CREATE VIRTUAL TABLE f USING fts4(a, both);"
      "CREATE TRIGGER i AFTER INSERT ON n BEGIN"
      " INSERT INTO f(docid, a, both) VALUES (new.id, new.a, new.a || ' ' || new.b); END;"
      "INSERT INTO n VALUES(3,'x','y'),(4,'z',NULL)");
  EXPECT_EQ(source(), "n");
  const Plan made = plan();
  EXPECT_THAT(finding(made, "full_text_differs").message, HasSubstr("both (no column of n"));
  EXPECT_EQ(table(made, "n").table.searches.size(), 1U);
  EXPECT_EQ(finding(made, "trigger_covered").severity, Severity::kInfo);
}

TEST_F(FullTextPlanTest, EqualRowsAreEnoughWithoutATrigger) {
  exec(
      "CREATE TABLE n(id INTEGER PRIMARY KEY, a TEXT COLLATE NOCASE);"
      "CREATE VIRTUAL TABLE f USING fts3(a);"
      "INSERT INTO n VALUES(1,'x'); INSERT INTO f(docid, a) VALUES(1,'x')");
  EXPECT_EQ(source(), "n");
  exec("UPDATE f SET a='X'");
  EXPECT_THAT(source(), HasSubstr("has not got"));
}

TEST_F(FullTextPlanTest, AnEmptyOneIsNoBlocker) {
  exec("CREATE TABLE n(a TEXT); CREATE VIRTUAL TABLE f USING fts5(b)");
  const Plan made = plan();
  EXPECT_FALSE(made.blocked());
  EXPECT_EQ(finding(made, "full_text_not_carried").table, "f");
}

TEST_F(FullTextPlanTest, ExternalContentGetsTheColumnsThatAreCarried) {
  exec(
      "CREATE TABLE n(id INTEGER PRIMARY KEY, a TEXT, b BLOB, c INTEGER);"
      "INSERT INTO n VALUES(1,'x',x'00',5);"
      "CREATE VIRTUAL TABLE f USING fts5(a, b, c, gone, content='N', content_rowid='id')");
  const Plan made = plan();
  const Table planned = table(made, "n").table;
  ASSERT_EQ(planned.searches.size(), 1U);
  EXPECT_THAT(planned.searches[0].add_ddl, HasSubstr("ALTER TABLE \"s\".\"n\" ADD COLUMN \"f\""));
  EXPECT_THAT(planned.searches[0].add_ddl, HasSubstr("\"c\"::pg_catalog.text"));
  EXPECT_EQ(planned.searches[0].index_ddl,
            "CREATE INDEX \"f_idx\" ON \"s\".\"n\" USING gin (\"f\")");
  const std::string message = finding(made, "full_text_differs").message;
  EXPECT_THAT(message, HasSubstr("b (it is bytea"));
  EXPECT_THAT(message, HasSubstr("gone ("));
  EXPECT_THAT(finding(made, "full_text_rewritten").remedy,
              HasSubstr("\"n\".\"f\" @@ websearch_to_tsquery('simple', 'a b')"));
}

TEST_F(FullTextPlanTest, AColumnOfItsNameIsInTheWay) {
  exec(
      "CREATE TABLE n(id INTEGER PRIMARY KEY, body TEXT, words TEXT);"
      "CREATE VIRTUAL TABLE words USING fts5(body, content='n');"
      "CREATE VIRTUAL TABLE ctid USING fts5(body, content='n')");
  const Plan made = plan();
  EXPECT_TRUE(table(made, "n").table.searches.empty());
  const auto lost = findings(made, "full_text_not_carried");
  ASSERT_EQ(lost.size(), 2U);
  EXPECT_THAT(lost[0].remedy, HasSubstr("rename"));
  Problems problems;
  const Rules rules = parse_rules(
      "[tables.words]\nrename = \"found\"\n[tables.ctid]\nexclude = true\n", "r.toml", &problems);
  auto read = read_carried_catalog(source_, Naming::kExact, &rules);
  ASSERT_TRUE(read) << describe(read.error());
  auto renamed = make_plan(source_, read.value(), {.rules = &rules});
  ASSERT_TRUE(renamed);
  ASSERT_EQ(table(renamed.value(), "n").table.searches.size(), 1U);
  EXPECT_EQ(table(renamed.value(), "n").table.searches[0].target_name, "found");
}

TEST_F(FullTextPlanTest, ContentlessTablesAreCarriedWhereATriggerSaysOfWhat) {
  exec(
      "CREATE TABLE n(id INTEGER PRIMARY KEY, a TEXT);"
      "CREATE VIRTUAL TABLE n_words USING fts5(a, content='')");
  const Finding lost = finding(plan(), "full_text_not_carried");
  EXPECT_THAT(lost.remedy, HasSubstr("ALTER TABLE \"s\".\"n\" ADD COLUMN \"n_words\""));
  exec(
      "CREATE TRIGGER i AFTER INSERT ON n BEGIN"
      " INSERT INTO n_words(rowid, a) VALUES (new.id, new.a); END");
  EXPECT_EQ(source(), "n");
}

TEST_F(FullTextPlanTest, TrigramsNeedTheExtension) {
  exec(
      "CREATE TABLE n(id INTEGER PRIMARY KEY, a TEXT);"
      "CREATE VIRTUAL TABLE f USING fts5(a, content='n', tokenize='trigram')");
  EXPECT_THAT(finding(plan(), "full_text_not_carried").remedy,
              HasSubstr("CREATE EXTENSION pg_trgm"));
  auto made = make_plan(source_, catalog(), {.target_schema = "s", .trgm_schema = "x"});
  ASSERT_TRUE(made);
  EXPECT_EQ(table(made.value(), "n").table.searches.at(0).index_ddl,
            "CREATE INDEX \"f_idx\" ON \"s\".\"n\" USING gin ((\"a\") \"x\".\"gin_trgm_ops\")");
}

TEST_F(FullTextPlanTest, ShapesFollowTheFullTextTablesAndNothingElse) {
  make_mirror();
  const auto shape = [&] {
    auto read = read_carried_catalog(source_, Naming::kExact, nullptr);
    EXPECT_TRUE(read);
    return read.value().tables.front().shape;
  };
  const std::string before = shape();
  exec("INSERT INTO found(found) VALUES('rebuild'); VACUUM; INSERT INTO note VALUES(8,'c','d')");
  EXPECT_EQ(shape(), before);
  // Capture's triggers name the columns, one of which may be called as a full-text table is.
  exec("CREATE TRIGGER _crossfade_1 AFTER INSERT ON note BEGIN SELECT new.\"found\"; END");
  EXPECT_EQ(shape(), before);
  exec("DROP TRIGGER _crossfade_1");
  exec("CREATE VIRTUAL TABLE more USING fts5(body, content='note')");
  const std::string more = shape();
  EXPECT_NE(more, before);
  exec("DROP TABLE more");
  EXPECT_EQ(shape(), before);
  exec("CREATE TABLE other(x); CREATE VIRTUAL TABLE more USING fts5(x, content='other')");
  EXPECT_EQ(shape(), before);
}

TEST_F(FullTextPlanTest, ARuleLeavesOneBehind) {
  make_mirror();
  exec("DELETE FROM note WHERE id=1; INSERT INTO found(rowid, head) VALUES(9,'alone')");
  Problems problems;
  const Rules rules =
      parse_rules("[tables.Found]\nexclude = true\n[tables.note]\n", "r.toml", &problems);
  check_rules(rules, catalog(), true, &problems);
  EXPECT_TRUE(problems.empty());
  auto read = read_carried_catalog(source_, Naming::kExact, &rules);
  ASSERT_TRUE(read) << describe(read.error());
  auto made = make_plan(source_, read.value(), {.rules = &rules});
  ASSERT_TRUE(made);
  EXPECT_FALSE(made.value().blocked());
  EXPECT_TRUE(table(made.value(), "note").table.searches.empty());
  const Rules wrong = parse_rules("[tables.found]\non_misfit = \"stop\"\n", "r.toml", &problems);
  check_rules(wrong, catalog(), true, &problems);
  ASSERT_EQ(problems.size(), 1U);
  EXPECT_THAT(problems[0], HasSubstr("exclude and rename only"));
}

TEST_F(FullTextPlanTest, BoxesAreCountedAndNamed) {
  exec("CREATE VIRTUAL TABLE box USING rtree(id, low, high); INSERT INTO box VALUES(1,0,1)");
  const Finding left = finding(plan(), "rtree_not_moved");
  EXPECT_EQ(left.rows, 1);
  EXPECT_THAT(left.remedy, HasSubstr("CREATE TABLE \"box_rows\" AS SELECT * FROM \"box\""));
}

// Made by an application with modules and tokenizers of its own: SQLite here cannot open them.
TEST_F(FullTextPlanTest, WhatOnlyTheApplicationCanOpenIsJudgedByWhatIsStored) {
  exec(
      "CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT); PRAGMA writable_schema=ON;"
      "INSERT INTO sqlite_schema VALUES('table','shape','shape',0,"
      "  'CREATE VIRTUAL TABLE shape USING VirtualShape(a)'),"
      " ('table','own','own',0,'CREATE VIRTUAL TABLE own USING fts5(b, tokenize=''mine x'')'),"
      " ('table','of_t','of_t',0,"
      "  'CREATE VIRTUAL TABLE of_t USING fts5(a, content=t, tokenize=mine, later=1)');"
      "CREATE TABLE own_content(id INTEGER PRIMARY KEY, c0);"
      "INSERT INTO own_content VALUES(1,'only'); PRAGMA writable_schema=RESET");
  const Plan made = plan();
  EXPECT_EQ(finding(made, "fts_only_copy").table, "own");
  EXPECT_THAT(finding(made, "virtual_table").remedy, HasSubstr("PostGIS"));
  EXPECT_EQ(table(made, "t").table.searches.size(), 1U);
  EXPECT_THAT(finding(made, "full_text_differs").message, HasSubstr("not of mine"));
}

TEST_F(FullTextPlanTest, GeometriesOfSpatialExtensionsAreNamed) {
  exec(
      "CREATE TABLE geometry_columns(f_table_name TEXT, f_geometry_column TEXT);"
      "INSERT INTO geometry_columns VALUES('town','shape'); CREATE TABLE town(shape BLOB)");
  EXPECT_THAT(finding(plan(), "spatial_as_bytes").message, HasSubstr("town.shape"));
}

}  // namespace
}  // namespace crossfade::schema
