// Promise: what a session cannot record is said by name when the recorder is attached, and stays
// with the triggers: nothing is lost by it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <memory>
#include <ostream>
#include <string>

#include "capture/change_log.h"
#include "tests/unit/session_fixture.h"
#include "tools/client/crossfade_session.h"

namespace crossfade::capture::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Limit {
  const char* name;
  const char* schema;  // of t
  const char* reason;
  const char* writes;

  friend std::ostream& operator<<(std::ostream& out, const Limit& limit) {
    return out << limit.schema;
  }
};

class SessionLimits : public ::testing::TestWithParam<Limit> {};

// Each fails when the check is taken out: the rows are lost, or the wrong ones are logged.
TEST_P(SessionLimits, TableKeepsItsTriggers) {
  Recorded db(std::string(GetParam().schema) +
              ";CREATE TABLE plain(id INTEGER PRIMARY KEY, v INT)");
  EXPECT_EQ(db.table("t").by, CapturedBy::kTriggers);
  EXPECT_THAT(db.table("t").reason, HasSubstr(GetParam().reason));
  EXPECT_EQ(db.table("plain").by, CapturedBy::kSession);
  std::string writes = GetParam().writes;
  for (size_t at = 0; at != std::string::npos;) {
    const size_t end = writes.find('|', at);
    db.record(writes.substr(at, end == std::string::npos ? end : end - at));
    db.record("INSERT INTO plain(v) VALUES(1)");
    EXPECT_TRUE(db.follows()) << writes.substr(at);
    at = end == std::string::npos ? end : end + 1;
  }
  EXPECT_EQ(db.app().integer("SELECT count(*)>0 FROM t"), 1);
}

INSTANTIATE_TEST_SUITE_P(
    All, SessionLimits,
    ::testing::Values(
        Limit{"no_key", "CREATE TABLE t(a INT, b TEXT)", "no PRIMARY KEY",
              "INSERT INTO t VALUES(1,'a'),(1,'a')|UPDATE t SET b='b' WHERE rowid=1"},
        Limit{"unique_is_no_key", "CREATE TABLE t(a INT NOT NULL UNIQUE, b TEXT)", "no PRIMARY KEY",
              "INSERT INTO t VALUES(1,'a')|REPLACE INTO t VALUES(1,'b')"},
        Limit{
            "generated",
            "CREATE TABLE t(id INTEGER PRIMARY KEY, a INT, b INT AS (a*2), c INT AS (a+1) STORED)",
            "column b is generated", "INSERT INTO t(id,a) VALUES(1,2)|UPDATE t SET a=3"},
        Limit{"nocase_key", "CREATE TABLE t(k TEXT NOT NULL COLLATE NOCASE PRIMARY KEY, v INT)",
              "collation", "INSERT INTO t VALUES('a',1)|UPDATE t SET k='A'"},
        Limit{"nocase_index",
              "CREATE TABLE t(k TEXT NOT NULL, v INT, PRIMARY KEY(k COLLATE NOCASE))", "collation",
              "INSERT INTO t VALUES('a',1)|UPDATE t SET k='A'"},
        Limit{
            "nocase_column",
            "CREATE TABLE t(k TEXT NOT NULL COLLATE NOCASE, v INT, PRIMARY KEY(k COLLATE BINARY))",
            "collation", "INSERT INTO t VALUES('a',1)|UPDATE t SET k='A'"},
        Limit{"untyped_key", "CREATE TABLE t(k NOT NULL PRIMARY KEY, v INT)", "1 and 1.0",
              "INSERT INTO t VALUES(1,1)|UPDATE t SET k=1.0"},
        Limit{"blob_key", "CREATE TABLE t(k BLOB NOT NULL PRIMARY KEY, v INT) WITHOUT ROWID",
              "1 and 1.0", "INSERT INTO t VALUES(1,1)|UPDATE t SET k=1.0"},
        Limit{"untyped_column", "CREATE TABLE t(id INTEGER PRIMARY KEY, v)", "column v has no type",
              "INSERT INTO t VALUES(1,0.0)|UPDATE t SET v=-1*v"},
        Limit{"any_of_strict", "CREATE TABLE t(id INTEGER PRIMARY KEY, v ANY) STRICT",
              "column v has no type", "INSERT INTO t VALUES(1,0.0)|UPDATE t SET v=-1*v"}),
    [](const auto& limit) { return std::string(limit.param.name); });

TEST(SessionTables, VirtualTablesAndTablesOutsideTheMoveAreNamed) {
  Recorded db("CREATE TABLE kept(id INTEGER PRIMARY KEY)");
  db.app().must("CREATE VIRTUAL TABLE box USING rtree(id,x0,x1); CREATE TABLE later(id INT)");
  ASSERT_TRUE(db.recorder().refresh().ok());
  EXPECT_EQ(db.table("box").by, CapturedBy::kNothing);
  EXPECT_THAT(db.table("box").reason, HasSubstr("virtual"));
  EXPECT_EQ(db.table("later").by, CapturedBy::kNothing);
  EXPECT_EQ(db.table("kept").by, CapturedBy::kSession);
}

TEST(SessionTables, AttachedDatabasesAreNamed) {
  Recorded db("CREATE TABLE kept(id INTEGER PRIMARY KEY)");
  db.app().must("ATTACH ':memory:' AS aside; CREATE TABLE aside.kept(id INTEGER PRIMARY KEY)");
  ASSERT_TRUE(db.recorder().refresh().ok());
  EXPECT_THAT(db.recorder().attached(), ElementsAre("aside"));
  db.record(
      "INSERT INTO aside.kept VALUES(1); CREATE TEMP TABLE mine(x); "
      "INSERT INTO mine VALUES(1); INSERT INTO main.kept VALUES(2)");
  EXPECT_THAT(db.changes(), ElementsAre("insert (2)"));
}

// The reader learns of it from the row that the trigger logs, and has the table copied anew.
TEST(SessionTables, ARowWhoseKeyIsNullIsTold) {
  Recorded db("CREATE TABLE t(k TEXT PRIMARY KEY, v INT)");
  EXPECT_EQ(db.table("t").by, CapturedBy::kSession);
  db.record("INSERT INTO t VALUES('a',1)");
  EXPECT_THAT(db.changes(), ElementsAre("insert ('a',1)"));
  EXPECT_FALSE(db.log().reader().null_key_table().has_value());
  db.record("UPDATE t SET k=NULL");
  (void)db.changes();
  EXPECT_EQ(db.log().reader().null_key_table(), "t");
}

TEST(SessionTables, AFullWidthKeyThatMayBeNullIsTold) {
  Recorded db("CREATE TABLE t(a TEXT, b INT, PRIMARY KEY(a,b))");
  EXPECT_EQ(db.table("t").by, CapturedBy::kSession);
  db.record("INSERT INTO t VALUES('a',NULL)");
  (void)db.changes();
  EXPECT_EQ(db.log().reader().null_key_table(), "t");
}

int64_t triggers_of(Recorded& db, const std::string& table) {
  return db.app().integer("SELECT count(*) FROM sqlite_master WHERE type='trigger' AND tbl_name='" +
                          table + "' AND name GLOB '_crossfade_*'");
}

constexpr const char* kTwoTables =
    "CREATE TABLE a(id INTEGER PRIMARY KEY, v TEXT); CREATE TABLE b(id INTEGER PRIMARY KEY, v "
    "TEXT)";

TEST(SessionSchemaChange, WhatWasWrittenToTablesThatStayAsTheyAreIsRecorded) {
  Recorded db(kTwoTables);
  db.record(
      "INSERT INTO a VALUES(1,'x'); CREATE INDEX av ON a(v); CREATE TABLE c(id INT);"
      "INSERT INTO c VALUES(1); UPDATE a SET v='y'; ALTER TABLE b ADD COLUMN w INT");
  EXPECT_THAT(db.changes(), ElementsAre("insert (1,'y')"));
  EXPECT_EQ(db.recorder().counters().tables_given_up, 0U);
  EXPECT_GT(triggers_of(db, "a"), 0);
}

// A table without its triggers is captured and copied anew by the engine: nothing is lost.
TEST(SessionSchemaChange, ATableThatIsWrittenToAndAlteredIsGivenUp) {
  for (const char* sql :
       {"INSERT INTO a VALUES(1,'x'); ALTER TABLE a ADD COLUMN w INT",
        "INSERT INTO a VALUES(1,'x'); ALTER TABLE a RENAME COLUMN v TO w",
        "INSERT INTO a VALUES(1,'x'); ALTER TABLE a RENAME TO z",
        "INSERT INTO a VALUES(1,'x'); DROP TABLE a; CREATE TABLE a(id INTEGER PRIMARY KEY, v TEXT)",
        "ALTER TABLE a RENAME TO z; INSERT INTO z VALUES(1,'x'); ALTER TABLE z RENAME TO a"}) {
    Recorded db(kTwoTables);
    db.record(sql);
    EXPECT_EQ(triggers_of(db, "a") + triggers_of(db, "z"), 0) << sql;
    EXPECT_GT(triggers_of(db, "b"), 0) << sql;
    EXPECT_EQ(db.recorder().counters().tables_given_up, 1U) << sql;
    db.record("INSERT INTO b VALUES(1,'x')");
    EXPECT_EQ(db.log_rows(), 1) << sql;
  }
}

TEST(SessionSchemaChange, AMoveMayBeginAndEndMeanwhile) {
  Recorded db(kTwoTables);
  db.record("INSERT INTO a VALUES(1,'x')");
  EXPECT_EQ(db.log_rows(), 1);
  ASSERT_TRUE(uninstall(db.log().source()));
  db.record("INSERT INTO a VALUES(2,'x')");
  EXPECT_EQ(db.table("a").by, CapturedBy::kNothing);
  db.log().capture();
  db.log().seek(Lsn{0});
  db.record("INSERT INTO a VALUES(3,'x')");
  EXPECT_THAT(db.changes(), ElementsAre("insert (3,'x')"));
  EXPECT_EQ(db.table("a").by, CapturedBy::kSession);
}

TEST(SessionSchemaChange, SilenceThatWasDroppedWithTempIsMadeAgain) {
  Recorded db(kTwoTables);
  db.app().must("PRAGMA temp_store=MEMORY");
  EXPECT_EQ(db.app().integer("SELECT count(*) FROM temp.sqlite_master"), 0);
  db.record("INSERT INTO a VALUES(1,'x')");
  EXPECT_EQ(db.log_rows(), 1);
}

TEST(SessionSchemaChange, TheFenceHoldsInARecordedTransaction) {
  Recorded db(kTwoTables);
  db.log().must("BEGIN IMMEDIATE");
  ASSERT_TRUE(raise_fence(db.log().source(), db.log().captured()));
  db.log().must("COMMIT");
  ASSERT_TRUE(db.recorder().begin().ok());
  EXPECT_EQ(db.app().run("INSERT INTO a VALUES(1,'x')"), SQLITE_ERROR);
  EXPECT_THAT(db.app().message(), HasSubstr(kMovedFunction));
  EXPECT_TRUE(db.recorder().rollback().ok());
}

TEST(SessionAttach, RefusesByName) {
  crossfade::testing::TempDir dir;
  AppConnection app(dir.file("a.db"));
  std::unique_ptr<SessionRecorder> recorder;
  app.must("BEGIN");
  EXPECT_THAT(SessionRecorder::attach(app.handle(), {}, &recorder).message,
              HasSubstr("a transaction is open"));
  app.must("COMMIT");
  ASSERT_TRUE(SessionRecorder::attach(app.handle(), {}, &recorder).ok());
  std::unique_ptr<SessionRecorder> second;
  EXPECT_THAT(SessionRecorder::attach(app.handle(), {}, &second).message,
              HasSubstr("another recorder"));
  recorder.reset();
  EXPECT_TRUE(SessionRecorder::attach(app.handle(), {}, &second).ok());
  AppConnection wide(dir.file("b.db"));
  wide.must("PRAGMA encoding='UTF-16'; CREATE TABLE t(id INTEGER PRIMARY KEY)");
  const auto refused = SessionRecorder::attach(wide.handle(), {}, &recorder);
  EXPECT_EQ(refused.code, RecorderCode::kUnsupported);
  EXPECT_THAT(refused.message, HasSubstr("UTF-16"));
}

TEST(SessionAttach, AnAppendThatFailsIsAnErrorBeforeCommit) {
  Recorded db("CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT, w TEXT)");
  ASSERT_TRUE(db.recorder().begin().ok());
  db.app().must("INSERT INTO t VALUES(1,'a','b')");
  db.app().must("UPDATE t SET v=printf('%.*c',600,'x'),w=printf('%.*c',600,'x')");
  // The log's row is longer than the table's.
  const int length = sqlite3_limit(db.app().handle(), SQLITE_LIMIT_LENGTH, 1000);
  const auto refused = db.recorder().commit();
  EXPECT_EQ(refused.code, RecorderCode::kSqlite);
  EXPECT_EQ(refused.sqlite_code, SQLITE_TOOBIG) << refused.message;
  EXPECT_TRUE(db.recorder().recording());
  sqlite3_limit(db.app().handle(), SQLITE_LIMIT_LENGTH, length);
  db.app().must("UPDATE t SET v='short',w=''");
  EXPECT_TRUE(db.recorder().commit().ok());
  EXPECT_THAT(db.changes(), ElementsAre("insert (1,'short','')"));
}

// The C functions are the recorder's, and errors are told apart.
TEST(SessionClient, RecordsAndTells) {
  Recorded db("CREATE TABLE a(id INTEGER PRIMARY KEY, v TEXT); CREATE TABLE keyless(x INT)");
  db.detach();
  crossfade_session* session = nullptr;
  ASSERT_EQ(crossfade_session_open(db.app().handle(), nullptr, &session), CROSSFADE_SESSION_OK);
  ASSERT_EQ(crossfade_session_table_count(session), 2);
  crossfade_session_table table = {};
  ASSERT_EQ(crossfade_session_table_at(session, 1, &table), CROSSFADE_SESSION_OK);
  EXPECT_STREQ(table.name, "keyless");
  EXPECT_EQ(table.captured_by, CROSSFADE_CAPTURED_BY_TRIGGERS);
  EXPECT_THAT(table.reason, HasSubstr("no PRIMARY KEY"));
  EXPECT_EQ(crossfade_session_table_at(session, 2, &table), CROSSFADE_SESSION_EMISUSE);
  EXPECT_EQ(crossfade_session_commit(session), CROSSFADE_SESSION_EMISUSE);
  EXPECT_THAT(crossfade_session_error(session), HasSubstr("begin() opens one"));
  ASSERT_EQ(crossfade_session_begin(session), CROSSFADE_SESSION_OK);
  db.app().must("INSERT INTO a VALUES(1,'x'); INSERT INTO keyless VALUES(5)");
  ASSERT_EQ(crossfade_session_commit(session), CROSSFADE_SESSION_OK);
  AppConnection other(db.path());
  other.must("BEGIN IMMEDIATE");
  EXPECT_EQ(crossfade_session_begin(session), CROSSFADE_SESSION_BUSY);
  EXPECT_EQ(crossfade_session_sqlite_code(session) & 0xff, SQLITE_BUSY);
  other.must("ROLLBACK");
  crossfade_session_counters counters = {};
  crossfade_session_count(session, &counters);
  EXPECT_EQ(counters.transactions, 1U);
  EXPECT_EQ(counters.changes, 1U);
  crossfade_session_close(session);
  EXPECT_THAT(db.changes(), ::testing::UnorderedElementsAre("insert (1,'x')", "insert (5,1)"));
}

TEST(SessionClient, AnotherCopyOfSqliteIsRefused) {
  AppConnection app(":memory:");
  const std::string elsewhere = sqlite3_sourceid();
  crossfade_session* session = nullptr;
  EXPECT_EQ(crossfade_session_open_with(app.handle(), nullptr, elsewhere.c_str(), &session),
            CROSSFADE_SESSION_EUNSUPPORTED);
  EXPECT_THAT(crossfade_session_error(session), HasSubstr("SQLite of its own"));
  EXPECT_EQ(crossfade_session_begin(session), CROSSFADE_SESSION_EMISUSE);
  crossfade_session_close(session);
}

}  // namespace
}  // namespace crossfade::capture::testing
