// Promise: what an application does between begin() and commit() is in the log once, as the rows
// that it comes to; everything else is captured by the triggers as ever.
#include "capture/session_recorder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <string>
#include <vector>

#include "tests/unit/session_fixture.h"

namespace crossfade::capture::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

constexpr const char* kPerson =
    "CREATE TABLE person(id INTEGER PRIMARY KEY, name TEXT, age INT, note TEXT)";

TEST(SessionRecorder, ATransactionIsInTheLogOnceAndNet) {
  Recorded db(kPerson);
  db.app().must("INSERT INTO person VALUES(1,'a',10,'x'),(2,'b',20,'y')");
  EXPECT_EQ(db.changes().size(), 2U);
  db.record(
      "INSERT INTO person VALUES(3,'c',30,'z');"
      "UPDATE person SET age=11 WHERE id=1; UPDATE person SET age=12 WHERE id=1;"
      "UPDATE person SET name='gone' WHERE id=2; DELETE FROM person WHERE id=2;"
      "INSERT INTO person VALUES(4,'d',40,'w'); DELETE FROM person WHERE id=4");
  EXPECT_THAT(db.changes(), UnorderedElementsAre("update (1,'a',10,'x') -> (1,'a',12,'x')",
                                                 "delete (2,'b',20,'y')", "insert (3,'c',30,'z')"));
  EXPECT_EQ(db.recorder().counters().transactions, 1U);
  EXPECT_EQ(db.recorder().counters().changes, 3U);
}

TEST(SessionRecorder, WhatComesToNothingIsNotLogged) {
  Recorded db(kPerson);
  db.app().must("INSERT INTO person VALUES(1,'a',10,'x')");
  EXPECT_TRUE(db.follows());
  db.record("UPDATE person SET age=age; UPDATE person SET age=1; UPDATE person SET age=10");
  EXPECT_EQ(db.log_rows(), 1);
  EXPECT_TRUE(db.follows());
}

TEST(SessionRecorder, StatementsOutsideAreTheTriggers) {
  Recorded db(kPerson);
  AppConnection other(db.path());
  db.app().must("INSERT INTO person VALUES(1,'autocommit',1,'')");
  db.record("INSERT INTO person VALUES(2,'recorded',1,'')");
  other.must("INSERT INTO person VALUES(3,'another connection',1,'')");
  db.app().must("BEGIN; INSERT INTO person VALUES(4,'BEGIN by SQL',1,''); COMMIT");
  db.record("INSERT INTO person VALUES(5,'recorded',1,'')");
  EXPECT_THAT(db.changes(),
              ElementsAre("insert (1,'autocommit',1,'')", "insert (2,'recorded',1,'')",
                          "insert (3,'another connection',1,'')", "insert (4,'BEGIN by SQL',1,'')",
                          "insert (5,'recorded',1,'')"));
  EXPECT_EQ(db.recorder().counters().outside_rows, 2U);  // since the first transaction began
}

TEST(SessionRecorder, PreparedStatementsMayBeUsedInsideAndOutside) {
  Recorded db(kPerson);
  sqlite3_stmt* insert = nullptr;
  ASSERT_EQ(sqlite3_prepare_v2(db.app().handle(), "INSERT INTO person(name) VALUES('p')", -1,
                               &insert, nullptr),
            SQLITE_OK);
  for (int i = 0; i < 4; ++i) {
    if (i % 2 == 1) {
      ASSERT_TRUE(db.recorder().begin().ok());
    }
    EXPECT_EQ(sqlite3_step(insert), SQLITE_DONE);
    sqlite3_reset(insert);
    if (i % 2 == 1) {
      ASSERT_TRUE(db.recorder().commit().ok());
    }
  }
  sqlite3_finalize(insert);
  EXPECT_EQ(db.changes().size(), 4U);
}

TEST(SessionRecorder, RowsThatReplaceRemovesAreSeen) {
  // Through an index on an expression: the triggers do not see those.
  Recorded db(
      "CREATE TABLE word(id INTEGER PRIMARY KEY, w TEXT UNIQUE);"
      "CREATE UNIQUE INDEX folded ON word(lower(w));"
      "CREATE TABLE pair(a TEXT NOT NULL, b INT, PRIMARY KEY(a)) WITHOUT ROWID");
  db.app().must("INSERT INTO word VALUES(1,'x'),(2,'y'); INSERT INTO pair VALUES('k',1)");
  EXPECT_TRUE(db.follows());
  db.record("INSERT OR REPLACE INTO word VALUES(3,'X'); REPLACE INTO pair VALUES('k',2)");
  EXPECT_TRUE(db.follows());
  db.record("UPDATE OR REPLACE word SET w='y' WHERE id=3");
  EXPECT_TRUE(db.follows());
}

TEST(SessionRecorder, BlobsWrittenInPlaceAreSeen) {
  Recorded db("CREATE TABLE file(id INTEGER PRIMARY KEY, name TEXT, b BLOB)");
  db.app().must("INSERT INTO file VALUES(1,'f',x'00000000')");
  EXPECT_TRUE(db.follows());
  ASSERT_TRUE(db.recorder().begin().ok());
  sqlite3_blob* blob = nullptr;
  ASSERT_EQ(sqlite3_blob_open(db.app().handle(), "main", "file", "b", 1, 1, &blob), SQLITE_OK);
  EXPECT_EQ(sqlite3_blob_write(blob, "\x01\x02", 2, 1), SQLITE_OK);
  sqlite3_blob_close(blob);
  ASSERT_TRUE(db.recorder().commit().ok());
  EXPECT_THAT(db.changes(), ElementsAre("update (1,'f',x'00000000') -> (1,'f',x'00010200')"));
}

TEST(SessionRecorder, KeysThatChangePlaces) {
  Recorded db(kPerson);
  db.app().must("INSERT INTO person VALUES(1,'a',1,''),(2,'b',2,'')");
  EXPECT_TRUE(db.follows());
  db.record(
      "UPDATE person SET id=9 WHERE id=1; UPDATE person SET id=1 WHERE id=2;"
      "UPDATE person SET id=2 WHERE id=9; UPDATE person SET id=7 WHERE id=1");
  EXPECT_TRUE(db.follows());
}

TEST(SessionRecorder, CascadesAndTheApplicationsTriggersAreSeen) {
  Recorded db(
      "CREATE TABLE parent(id INTEGER PRIMARY KEY);"
      "CREATE TABLE child(id INTEGER PRIMARY KEY, p INT REFERENCES parent ON DELETE CASCADE);"
      "CREATE TABLE trail(id INTEGER PRIMARY KEY, t TEXT);"
      "CREATE TRIGGER noted AFTER DELETE ON child BEGIN INSERT INTO trail(t) VALUES('gone'); END");
  db.app().must(
      "PRAGMA foreign_keys=ON; INSERT INTO parent VALUES(1);"
      "INSERT INTO child VALUES(5,1)");
  EXPECT_TRUE(db.follows());
  db.record("DELETE FROM parent");
  EXPECT_EQ(db.app().integer("SELECT count(*) FROM trail"), 1);
  EXPECT_TRUE(db.follows());
}

TEST(SessionRecorder, ValuesAreExact) {
  Recorded db("CREATE TABLE v(id INTEGER PRIMARY KEY, t TEXT, b BLOB, r REAL, n NUMERIC)");
  db.record(
      "INSERT INTO v VALUES(1,CAST(x'610062' AS TEXT),x'',9e999,'12abc'),"
      "(2,CAST(x'fffe' AS TEXT),1,0.1,-9223372036854775808),(3,NULL,NULL,NULL,NULL)");
  EXPECT_TRUE(db.follows());
  db.record(
      "UPDATE v SET b=1.0 WHERE id=2; UPDATE v SET t=CAST(x'6100' AS TEXT) WHERE id=1;"
      "UPDATE v SET r=-9e999, n=x'00'");
  EXPECT_TRUE(db.follows());
}

TEST(SessionRecorder, WideRowsGoOnInFurtherRows) {
  std::string columns;
  std::string values;
  for (int i = 0; i < 70; ++i) {
    columns += ",c" + std::to_string(i) + " INT";
    values += "," + std::to_string(i);
  }
  Recorded db("CREATE TABLE wide(id INTEGER PRIMARY KEY" + columns + ")");
  db.record("INSERT INTO wide VALUES(1" + values + "),(2" + values + ")");
  EXPECT_TRUE(db.follows());
  db.record(
      "UPDATE wide SET c69=-1 WHERE id=1; UPDATE wide SET c0=NULL; DELETE FROM wide WHERE id=2");
  EXPECT_TRUE(db.follows());
  EXPECT_EQ(db.log_rows(), 3 + 3 + 5 + 3);
}

TEST(SessionRecorder, SavepointsAndRollbacks) {
  Recorded db(kPerson);
  db.app().must("INSERT INTO person VALUES(1,'a',1,''),(2,'b',2,'')");
  EXPECT_TRUE(db.follows());
  db.record(
      "UPDATE person SET age=5 WHERE id=1; SAVEPOINT s; UPDATE person SET age=6;"
      "INSERT INTO person VALUES(3,'c',3,''); DELETE FROM person WHERE id=2; ROLLBACK TO s;"
      "INSERT INTO person VALUES(4,'d',3,''); RELEASE s;"
      "INSERT OR IGNORE INTO person VALUES(1,'e',1,'')");
  EXPECT_THAT(db.changes(),
              UnorderedElementsAre("update (1,'a',1,'') -> (1,'a',5,'')", "insert (4,'d',3,'')"));
  ASSERT_TRUE(db.recorder().begin().ok());
  db.app().must("DELETE FROM person");
  ASSERT_TRUE(db.recorder().rollback().ok());
  EXPECT_TRUE(db.recorder().rollback().ok());  // there is none any more
  EXPECT_THAT(db.changes(), IsEmpty());
  EXPECT_EQ(db.app().integer("SELECT count(*) FROM person"), 3);
}

// What the log held after a COMMIT that failed must not outlive what is rolled back afterwards.
TEST(SessionRecorder, ACommitThatIsBusyIsTriedAgain) {
  Recorded db(kPerson);
  db.app().must("PRAGMA journal_mode=DELETE; INSERT INTO person VALUES(1,'a',1,'')");
  EXPECT_TRUE(db.follows());
  AppConnection reader(db.path());
  ASSERT_TRUE(db.recorder().begin().ok());
  db.app().must("UPDATE person SET age=2; SAVEPOINT s; UPDATE person SET age=3");
  reader.must("BEGIN; SELECT * FROM person");
  const int64_t rows = db.log_rows();
  const auto refused = db.recorder().commit();
  EXPECT_EQ(refused.code, RecorderCode::kBusy) << refused.message;
  EXPECT_EQ(db.log_rows(), rows);
  EXPECT_TRUE(db.recorder().recording());
  db.app().must("ROLLBACK TO s");
  reader.must("COMMIT");
  const auto committed = db.recorder().commit();
  EXPECT_TRUE(committed.ok()) << committed.message;
  EXPECT_THAT(db.changes(), ElementsAre("update (1,'a',1,'') -> (1,'a',2,'')"));
  EXPECT_EQ(db.recorder().counters().changes, 1U);
}

TEST(SessionRecorder, ACommitThatBreaksAForeignKeyCanBeMended) {
  Recorded db(
      "CREATE TABLE parent(id INTEGER PRIMARY KEY);"
      "CREATE TABLE child(id INTEGER PRIMARY KEY, p INT REFERENCES parent DEFERRABLE INITIALLY "
      "DEFERRED)");
  db.app().must("PRAGMA foreign_keys=ON");
  ASSERT_TRUE(db.recorder().begin().ok());
  db.app().must("INSERT INTO child VALUES(1,7)");
  const auto refused = db.recorder().commit();
  EXPECT_EQ(refused.code, RecorderCode::kSqlite);
  EXPECT_EQ(refused.sqlite_code, SQLITE_CONSTRAINT_FOREIGNKEY) << refused.message;
  db.app().must("INSERT INTO parent VALUES(7)");
  EXPECT_TRUE(db.recorder().commit().ok());
  EXPECT_EQ(db.changes().size(), 2U);
}

TEST(SessionRecorder, CommitBySqlIsRefusedAndLosesNothing) {
  Recorded db(kPerson);
  ASSERT_TRUE(db.recorder().begin().ok());
  db.app().must("INSERT INTO person VALUES(1,'a',1,'')");
  EXPECT_EQ(db.app().run("COMMIT"), SQLITE_CONSTRAINT_COMMITHOOK);
  EXPECT_EQ(db.app().integer("SELECT count(*) FROM person"), 0);
  const auto gone = db.recorder().commit();
  EXPECT_EQ(gone.code, RecorderCode::kRolledBack);
  EXPECT_THAT(gone.message, HasSubstr("COMMIT was run"));
  db.record("INSERT INTO person VALUES(2,'b',1,'')");
  EXPECT_TRUE(db.follows());
}

TEST(SessionRecorder, RollbackBySqlEndsTheRecording) {
  Recorded db(kPerson);
  ASSERT_TRUE(db.recorder().begin().ok());
  db.app().must("INSERT INTO person VALUES(1,'a',1,''); ROLLBACK");
  EXPECT_FALSE(db.recorder().recording());
  // A transaction of its own: the triggers speak in it.
  db.app().must("BEGIN; INSERT INTO person VALUES(2,'b',1,'')");
  EXPECT_EQ(db.recorder().begin().code, RecorderCode::kMisuse);
  db.app().must("COMMIT; INSERT INTO person VALUES(3,'c',1,'')");
  EXPECT_EQ(db.recorder().commit().code, RecorderCode::kRolledBack);
  EXPECT_EQ(db.recorder().commit().code, RecorderCode::kMisuse);
  EXPECT_THAT(db.changes(), ElementsAre("insert (2,'b',1,'')", "insert (3,'c',1,'')"));
}

TEST(SessionRecorder, AnErrorThatRollsBackIsTold) {
  Recorded db(kPerson);
  db.app().must("INSERT INTO person VALUES(1,'a',1,'')");
  EXPECT_TRUE(db.follows());
  ASSERT_TRUE(db.recorder().begin().ok());
  db.app().must("INSERT INTO person VALUES(2,'b',1,'')");
  EXPECT_EQ(db.app().run("INSERT OR ROLLBACK INTO person VALUES(1,'c',1,'')"),
            SQLITE_CONSTRAINT_PRIMARYKEY);
  db.app().must("INSERT INTO person VALUES(3,'c',1,'')");  // by itself now
  EXPECT_EQ(db.recorder().commit().code, RecorderCode::kRolledBack);
  EXPECT_TRUE(db.follows());
}

TEST(SessionRecorder, ARecorderThatGoesRollsBackItsTransaction) {
  Recorded db(kPerson);
  ASSERT_TRUE(db.recorder().begin().ok());
  db.app().must("INSERT INTO person VALUES(1,'a',1,'')");
  db.detach();
  EXPECT_EQ(db.app().integer("SELECT count(*) FROM person"), 0);
  EXPECT_EQ(db.app().integer("SELECT count(*) FROM temp.sqlite_master"), 0);
  db.app().must("BEGIN; INSERT INTO person VALUES(2,'b',1,''); COMMIT");
  db.attach();
  db.record("INSERT INTO person VALUES(3,'c',1,'')");
  // It may go inside a transaction of the application's, which may bring back what it took away.
  db.app().must("BEGIN; INSERT INTO person VALUES(4,'d',1,'')");
  db.detach();
  db.app().must("INSERT INTO person VALUES(5,'e',1,''); ROLLBACK");
  db.app().must("INSERT INTO person VALUES(6,'f',1,'')");
  EXPECT_THAT(db.changes(),
              ElementsAre("insert (2,'b',1,'')", "insert (3,'c',1,'')", "insert (6,'f',1,'')"));
}

TEST(SessionRecorder, TheRowidOfTheLastInsertIsTheApplications) {
  Recorded db(kPerson);
  db.record("INSERT INTO person VALUES(77,'a',1,''); UPDATE person SET age=2");
  EXPECT_EQ(sqlite3_last_insert_rowid(db.app().handle()), 77);
}

TEST(SessionRecorder, SessionsOfTheApplicationsGoOn) {
  Recorded db(kPerson);
  sqlite3_session* before = nullptr;
  ASSERT_EQ(sqlite3session_create(db.app().handle(), "main", &before), SQLITE_OK);
  ASSERT_EQ(sqlite3session_attach(before, "person"), SQLITE_OK);
  ASSERT_TRUE(db.recorder().begin().ok());
  db.app().must("INSERT INTO person VALUES(1,'a',1,'')");
  sqlite3_session* within = nullptr;
  ASSERT_EQ(sqlite3session_create(db.app().handle(), "main", &within), SQLITE_OK);
  ASSERT_EQ(sqlite3session_attach(within, nullptr), SQLITE_OK);
  db.app().must("INSERT INTO person VALUES(2,'b',1,'')");
  ASSERT_TRUE(db.recorder().commit().ok());
  for (sqlite3_session* each : {before, within}) {
    EXPECT_EQ(sqlite3session_isempty(each), 0);
    sqlite3session_delete(each);
  }
  db.record("INSERT INTO person VALUES(3,'c',1,'')");
  EXPECT_THAT(db.changes(), UnorderedElementsAre("insert (1,'a',1,'')", "insert (2,'b',1,'')",
                                                 "insert (3,'c',1,'')"));
}

int count_commit(void* count) {
  ++*static_cast<int*>(count);
  return 0;
}
void count_rollback(void* count) {
  ++*static_cast<int*>(count);
}

TEST(SessionRecorder, TheApplicationsHooksAreCalled) {
  Recorded db(kPerson);
  db.detach();
  int commits = 0;
  int rollbacks = 0;
  std::unique_ptr<SessionRecorder> recorder;
  const RecorderHooks hooks{&count_commit, &commits, &count_rollback, &rollbacks};
  ASSERT_TRUE(SessionRecorder::attach(db.app().handle(), hooks, &recorder).ok());
  ASSERT_TRUE(recorder->begin().ok());
  db.app().must("INSERT INTO person VALUES(1,'a',1,'')");
  ASSERT_TRUE(recorder->commit().ok());
  EXPECT_EQ(commits, 1);
  ASSERT_TRUE(recorder->begin().ok());
  db.app().must("DELETE FROM person");
  ASSERT_TRUE(recorder->rollback().ok());
  EXPECT_EQ(rollbacks, 1);
  db.app().must("INSERT INTO person VALUES(2,'a',1,'')");
  EXPECT_EQ(commits, 2);  // outside, too
  int unknown = 0;
  sqlite3_commit_hook(db.app().handle(), &count_commit, &unknown);
  const auto refused = recorder->begin();
  EXPECT_EQ(refused.code, RecorderCode::kMisuse);
  EXPECT_THAT(refused.message, HasSubstr("commit or rollback hook"));
  EXPECT_FALSE(db.log().source().in_transaction());
}

}  // namespace
}  // namespace crossfade::capture::testing
