// Promise: `undo --to` gives up what was written to SQLite after a position, on both sides, tells
// exactly what it did, and changes nothing where it cannot.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/move_test.h"
#include "tests/support/oracle.h"
#include "tests/support/wait.h"

namespace crossfade::testing {
namespace {

using nlohmann::json;
using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr const char* kPurchases =
    "SELECT "
    "group_concat(hex(id||'|'||typeof(cents)||'|'||cents||'|'||coalesce(quote(note),'')),',')"
    " FROM (SELECT * FROM thing ORDER BY id)";

class UndoVerbTest : public MoveTest {
 protected:
  // A table that has a bit of everything, and the log kept.
  void begin(const std::vector<std::string>& more = {}) {
    make_shop(50);
    app("CREATE TABLE thing(id INTEGER PRIMARY KEY, cents, note TEXT UNIQUE);"
        "INSERT INTO thing VALUES (1,100,'a'),(2,200,'b'),(3,300.5,'c')");
    std::vector<std::string> arguments = {"--keep-log", "100000"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    follow(arguments);
  }
  [[nodiscard]] int64_t captured() const { return number("SELECT max(lsn) FROM _crossfade_log"); }
  [[nodiscard]] int64_t number(const std::string& sql) const {
    const std::string value = AppDb(db_).value(sql);
    return value.empty() ? 0 : std::stoll(value);
  }
  [[nodiscard]] std::string content() const { return AppDb(db_).value(kPurchases); }
  [[nodiscard]] Finished undo(int64_t lsn, const std::vector<std::string>& more = {}) const {
    std::vector<std::string> arguments = {"undo", db_, "--to", std::to_string(lsn), "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return crossfade(arguments);
  }
  void expect_refused(int64_t lsn, const std::string& because) const {
    const std::string before = content();
    const int64_t newest = captured();
    const Finished done = undo(lsn);
    EXPECT_EQ(done.code, 3) << done.out << done.err;
    EXPECT_THAT(done.err, HasSubstr(because));
    EXPECT_EQ(content(), before);
    EXPECT_EQ(captured(), newest);
  }
};

TEST_F(UndoVerbTest, BothSidesGoBackAndTheReportSaysWhat) {
  begin();
  app("UPDATE thing SET cents=cents+1 WHERE id<3");
  const int64_t lsn = captured();
  const std::string before = content();
  expect_becomes_equal();
  app("INSERT OR REPLACE INTO thing VALUES (9,9,'a')");
  app("UPDATE thing SET note='x' WHERE id=2; UPDATE thing SET note='b' WHERE id=3");
  app("INSERT INTO thing VALUES (4,4,'d') ON CONFLICT DO NOTHING; DELETE FROM journal");
  expect_becomes_equal();
  const int64_t newest = captured();
  const std::string after = content();
  const Finished tried = undo(lsn, {"--dry-run"});
  ASSERT_EQ(tried.code, 0) << tried.err;
  EXPECT_EQ(content(), after);
  EXPECT_EQ(captured(), newest);
  const Finished done = undo(lsn);
  ASSERT_EQ(done.code, 0) << done.err;
  json report = json::parse(done.out);
  EXPECT_EQ(content(), before);
  EXPECT_EQ(report.at("from_lsn"), newest);
  EXPECT_EQ(report.at("to_lsn"), lsn);
  EXPECT_EQ(report.at("new_lsn"), captured());
  const json& things = report.at("tables").back();
  EXPECT_EQ(things.at("name"), "thing");
  EXPECT_EQ(things.at("rows_inserted"), 1);
  EXPECT_EQ(things.at("rows_updated"), 2);
  EXPECT_EQ(things.at("rows_deleted"), 2);
  EXPECT_GT(report.at("undone_changes"), 4);
  json told = json::parse(tried.out);
  EXPECT_EQ(told.at("dry_run"), true);
  told["dry_run"] = false;
  EXPECT_EQ(told, report);
  EXPECT_THAT(read_bytes(db_ + ".crossfade/audit.jsonl"), HasSubstr("\"undone\""));
  expect_becomes_equal();
  // There is nothing more to undo, and undoing it can be undone.
  EXPECT_EQ(json::parse(undo(captured()).out).at("undone_changes"), 0);
  ASSERT_EQ(undo(newest).code, 0);
  EXPECT_EQ(content(), after);
  expect_becomes_equal();
}

TEST_F(UndoVerbTest, OutOfReach) {
  make_shop(50);
  app("CREATE TABLE thing(id INTEGER PRIMARY KEY, cents, note)");
  const Finished none = crossfade({"undo", db_, "--to", "0"});
  EXPECT_EQ(none.code, 3);
  EXPECT_THAT(none.err, HasSubstr("no move of this database is on"));
  EXPECT_EQ(crossfade({"undo", db_}).code, 2);
  EXPECT_EQ(crossfade({"undo", db_, "--to", "-1"}).code, 2);
  follow();
  app("INSERT INTO thing VALUES (1,1,1),(2,2,2),(3,3,3)");
  ASSERT_TRUE(wait_until([&] { return number("SELECT min(lsn) FROM _crossfade_log") == 3; },
                         seconds(20), std::chrono::milliseconds(50)));
  expect_refused(1, "the oldest that can is 3");
  expect_refused(4, "the log ends at position 3");
}

TEST_F(UndoVerbTest, TheKeptLogIsBounded) {
  make_shop(50);
  app("CREATE TABLE thing(id INTEGER PRIMARY KEY, cents, note)");
  follow({"--keep-log", "5"});
  for (int i = 1; i <= 12; ++i) app(fmt::format("INSERT INTO thing VALUES ({},1,1)", i));
  ASSERT_TRUE(wait_until([&] { return number("SELECT min(lsn) FROM _crossfade_log") == 7; },
                         seconds(20), std::chrono::milliseconds(50)));
  ASSERT_EQ(undo(7).code, 0);
  EXPECT_EQ(number("SELECT max(id) FROM thing"), 7);
  expect_becomes_equal();
}

TEST_F(UndoVerbTest, NotOverAChangeOfTheSchema) {
  begin();
  app("INSERT INTO thing VALUES (5,5,'e')");
  const int64_t lsn = captured();
  expect_becomes_equal();
  ASSERT_EQ(stop_engine(), 0);
  app("ALTER TABLE thing ADD COLUMN more; INSERT INTO thing VALUES (6,6,'f',6)");
  expect_refused(lsn, "thing");
  follow({"--keep-log", "100000"});
  expect_becomes_equal();
  app("DELETE FROM thing WHERE id=1");
  expect_refused(lsn, "a captured table was made, changed or rebuilt");
  ASSERT_EQ(undo(captured() - 1).code, 0);
  EXPECT_EQ(number("SELECT count(*) FROM thing"), 5);
  expect_becomes_equal();
}

TEST_F(UndoVerbTest, NotWhilePostgresqlIsThePrimaryNorOverThatTime) {
  begin();
  app("INSERT INTO thing VALUES (5,5,'e')");
  const int64_t lsn = captured();
  expect_becomes_equal();
  const Finished cut = crossfade({"cutover", db_});
  ASSERT_EQ(cut.code, 0) << cut.err;
  expect_refused(lsn, "SQLite takes no writes");
  target_exec("UPDATE public.thing SET note='from there' WHERE id=1");
  const Finished back = crossfade({"rollback", db_});
  ASSERT_EQ(back.code, 0) << back.err;
  EXPECT_EQ(number("SELECT count(*) FROM thing WHERE note='from there'"), 1);
  const int64_t reopened = captured();
  app("DELETE FROM thing");
  expect_refused(lsn, "PostgreSQL was the primary");
  const Finished done = undo(reopened);
  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(number("SELECT count(*) FROM thing"), 4);
  EXPECT_EQ(number("SELECT count(*) FROM thing WHERE note='from there'"), 1);
  expect_becomes_equal();
}

TEST_F(UndoVerbTest, FullTextThatReadsTheTableIsRebuiltAndOtherIsNamed) {
  make_shop(50);
  app("CREATE TABLE thing(id INTEGER PRIMARY KEY, cents, note TEXT);"
      "CREATE VIRTUAL TABLE found USING fts5(note, content='thing', content_rowid='id');"
      "CREATE VIRTUAL TABLE own USING fts5(note);"
      "CREATE TRIGGER thing_found AFTER INSERT ON thing BEGIN"
      " INSERT INTO found(rowid,note) VALUES (NEW.id,NEW.note);"
      " INSERT INTO own(rowid,note) VALUES (NEW.id,NEW.note); END;"
      "INSERT INTO thing VALUES (1,1,'red')");
  follow({"--keep-log", "1000"});
  const int64_t lsn = captured();
  app("INSERT INTO thing VALUES (2,2,'blue')");
  const Finished done = undo(lsn);
  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(number("SELECT count(*) FROM found WHERE found MATCH 'blue'"), 0);
  EXPECT_EQ(number("SELECT count(*) FROM found WHERE found MATCH 'red'"), 1);
  EXPECT_EQ(json::parse(done.out).at("stale_searches"), json::array({"own"}));
  app("INSERT INTO thing VALUES (3,3,'green')");
  EXPECT_EQ(number("SELECT count(*) FROM found WHERE found MATCH 'green'"), 1);
  expect_becomes_equal();
}

TEST_F(UndoVerbTest, RowsThatReferToNoneAreCounted) {
  std::ofstream(dir_.file("rules.toml")) << "[tables.side]\nexclude = true\n";
  make_shop(10);
  app("CREATE TABLE thing(id INTEGER PRIMARY KEY, cents, note);"
      "CREATE TABLE side(id INTEGER PRIMARY KEY, thing REFERENCES thing(id))");
  follow({"--keep-log", "1000", "--rules", dir_.file("rules.toml")});
  const int64_t lsn = captured();
  app("INSERT INTO thing VALUES (1,1,'a'); INSERT INTO side VALUES (1,1),(2,1)");
  const Finished done = undo(lsn);
  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(json::parse(done.out).at("orphans"),
            json::parse(R"([{"table":"side","parent":"thing","rows":2}])"));
  EXPECT_EQ(number("SELECT count(*) FROM side"), 2);
}

TEST_F(UndoVerbTest, RowsOfWhichRulesLeaveAPartBehindAreRefused) {
  std::ofstream(dir_.file("rules.toml")) << "[tables.thing.columns.note]\nexclude = true\n";
  make_shop(10);
  app("CREATE TABLE thing(id INTEGER PRIMARY KEY, cents, note); INSERT INTO thing VALUES "
      "(1,1,'a')");
  follow({"--keep-log", "1000", "--rules", dir_.file("rules.toml")});
  const int64_t lsn = captured();
  app("DELETE FROM journal");
  ASSERT_EQ(undo(lsn).code, 0);
  const int64_t later = captured();
  app("DELETE FROM thing");
  expect_refused(later, "rules leave columns of this table out of the log");
}

TEST_F(UndoVerbTest, AWriterThatKeepsTheLockIsNotWaitedForForever) {
  begin();
  const int64_t lsn = captured();
  app("DELETE FROM thing");
  AppDb writer(db_);
  ASSERT_EQ(writer.run("BEGIN IMMEDIATE; DELETE FROM journal"), "");
  const Finished done = undo(lsn);
  EXPECT_EQ(done.code, 5) << done.out << done.err;
  ASSERT_EQ(writer.run("COMMIT"), "");
  ASSERT_EQ(undo(lsn).code, 0);
  EXPECT_EQ(number("SELECT count(*) FROM thing"), 3);
  expect_becomes_equal();
}

}  // namespace
}  // namespace crossfade::testing
