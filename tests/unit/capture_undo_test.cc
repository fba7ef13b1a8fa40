#include "capture/undo.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <cstdlib>
#include <optional>
#include <utility>
#include <vector>

#include "engine/sqlite/transaction.h"
#include "tests/unit/random_writes.h"
#include "tests/unit/session_fixture.h"

namespace crossfade::capture {
namespace {

using testing::AppConnection;
using testing::CapturedDatabase;
using testing::Content;
using testing::kWriteSchema;
using testing::RandomWrites;

// A file under capture, an application that writes to it with and without a recorder, and undo.
class Undoable {
 public:
  explicit Undoable(const std::string& schema)
      : path_(dir_.file("app.db")), log_(schema, path_), app_(path_) {
    app_.must("PRAGMA synchronous=OFF");
    log_.capture();
    const auto attached = SessionRecorder::attach(app_.handle(), {}, &recorder_);
    EXPECT_TRUE(attached.ok()) << attached.message;
  }

  AppConnection& app() { return app_; }
  CapturedDatabase& log() { return log_; }
  SessionRecorder& recorder() { return *recorder_; }
  Lsn newest() { return newest_lsn(log_.source()).value(); }

  Result<Undone> undo(Lsn to) {
    sqlite::Connection source = CapturedDatabase::open(path_);
    sqlite3_db_config(source.handle(), SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, nullptr);
    Shapes shapes;
    for (size_t i = 0; i < log_.tables().size(); ++i) {
      shapes[log_.captured()[i].id] = {std::make_shared<const Table>(log_.tables()[i]), Lsn{0}};
    }
    CROSSFADE_TRY(auto writing, sqlite::Transaction::begin(source, sqlite::Begin::kImmediate));
    CROSSFADE_TRY(const Reach reach, read_reach(source));
    CROSSFADE_TRY(check_reach(source, reach, to));
    CROSSFADE_TRY(auto undone, undo_changes(source, shapes, to));
    CROSSFADE_TRY(writing.commit());
    return undone;
  }
  // Empty, or why it was refused.
  std::string refusal(Lsn to) {
    const auto undone = undo(to);
    if (undone) return "";
    EXPECT_EQ(undone.error().code, ErrorCode::kBlocked) << describe(undone.error());
    return describe(undone.error());
  }

 private:
  crossfade::testing::TempDir dir_;
  std::string path_;
  CapturedDatabase log_;
  AppConnection app_;
  std::unique_ptr<SessionRecorder> recorder_;  // goes before the connection
};

std::string first_difference(const Content& have, const Content& want) {
  for (const auto& [table, rows] : want) {
    if (have.at(table) == rows) continue;
    return fmt::format("{} has {}\nit had {}", table, testing::literals(have.at(table)),
                       testing::literals(rows));
  }
  return "";
}

// Transactions of one to four statements: recorded, by BEGIN and COMMIT, or each by itself.
class History {
 public:
  History(uint64_t seed, Undoable& db) : db_(db), writes_(seed), seed_(seed) {
    db_.app().must(seed % 2 == 0 ? "PRAGMA recursive_triggers=ON; PRAGMA foreign_keys=ON"
                                 : "PRAGMA recursive_triggers=OFF; PRAGMA foreign_keys=ON");
  }

  void transaction() {
    const size_t way = writes_.below(3);
    const bool recorded = way == 0 && db_.recorder().begin().ok();
    if (way == 1) db_.app().must("BEGIN");
    for (size_t i = 0; i <= writes_.below(4); ++i) {
      const std::string sql = writes_.statement();
      const int rc = db_.app().run(sql);
      text_ += fmt::format("{};  -- {}{}\n", sql, recorded ? "recorded, " : "", rc);
    }
    if (recorded) {
      if (!db_.recorder().commit().ok()) {
        EXPECT_TRUE(db_.recorder().rollback().ok());
      }
    } else if (sqlite3_get_autocommit(db_.app().handle()) == 0 &&
               db_.app().run("COMMIT") != SQLITE_OK) {
      db_.app().must("ROLLBACK");
    }
    remember();
  }

  void remember() { past_.emplace_back(db_.newest(), db_.log().content()); }

  // To any position there has been, also one that an earlier undo has gone back behind.
  void undo() {
    const auto& [lsn, want] = past_[writes_.below(past_.size())];
    text_ += fmt::format("undo from {} to {}\n", db_.newest().value, lsn.value);
    const auto undone = db_.undo(lsn);
    ASSERT_TRUE(undone) << describe(undone.error()) << "\nseed " << seed_ << "\n" << text_;
    const std::string differs = first_difference(db_.log().content(), want);
    ASSERT_EQ(differs, "") << "seed " << seed_ << "\n" << text_;
    ASSERT_TRUE(db_.log().follows()) << "seed " << seed_ << "\n" << text_;
    remember();
  }

  size_t below(size_t n) { return writes_.below(n); }

 private:
  Undoable& db_;
  RandomWrites writes_;
  uint64_t seed_;
  std::vector<std::pair<Lsn, Content>> past_;
  std::string text_;
};

uint64_t seeds(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr || *text == '\0' ? otherwise : std::strtoull(text, nullptr, 10);
}

// Promise: whatever was written, by triggers and sessions in one log, every position where a
// transaction ended can be gone back to, and the log says so to those who follow it.
TEST(UndoModelTest, EveryPositionIsAsItWas) {
  const uint64_t only = seeds("CROSSFADE_SEED", 0);
  const uint64_t last = only != 0 ? only : seeds("CROSSFADE_SEEDS", 24);
  for (uint64_t seed = only != 0 ? only : 1; seed <= last; ++seed) {
    Undoable db(kWriteSchema);
    History history(seed, db);
    for (int round = 0; round < 5; ++round) {
      for (size_t i = 0; i <= history.below(12); ++i) history.transaction();
      history.undo();
      if (HasFatalFailure()) return;
    }
  }
}

// One table, one transaction above the position, and back.
void comes_back(const std::string& schema, const std::string& before, const std::string& after) {
  SCOPED_TRACE(after);
  Undoable db(schema);
  db.app().must(before);
  const Lsn lsn = db.newest();
  const Content want = db.log().content();
  db.app().must(after);
  const auto undone = db.undo(lsn);
  ASSERT_TRUE(undone) << describe(undone.error());
  EXPECT_EQ(first_difference(db.log().content(), want), "");
  EXPECT_TRUE(db.log().follows());
}

TEST(UndoTest, ReplacedRowsComeBackThoughNobodyEverLoggedThem) {
  comes_back(
      "CREATE TABLE t(id INTEGER PRIMARY KEY, u UNIQUE, v);"
      "INSERT INTO t VALUES (1,'a','x'),(2,'b','y'),(3,'c','z')",
      "", "INSERT OR REPLACE INTO t VALUES (1,'b','new')");
  comes_back(
      "CREATE TABLE t(k TEXT PRIMARY KEY, n INT UNIQUE) WITHOUT ROWID;"
      "INSERT INTO t VALUES ('a',1),('b',2)",
      "", "UPDATE OR REPLACE t SET n=2 WHERE k='a'");
}

TEST(UndoTest, UniqueValuesThatChangedHands) {
  comes_back(
      "CREATE TABLE t(id INTEGER PRIMARY KEY, u UNIQUE); INSERT INTO t VALUES (1,'a'),(2,'b')", "",
      "UPDATE t SET u='x' WHERE id=1; UPDATE t SET u='a' WHERE id=2; UPDATE t SET u='b' WHERE "
      "id=1");
  comes_back("CREATE TABLE t(k TEXT COLLATE NOCASE PRIMARY KEY, v); INSERT INTO t VALUES ('a',1)",
             "", "UPDATE t SET k='A'; UPDATE t SET v=2");
  comes_back("CREATE TABLE t(u UNIQUE, v); INSERT INTO t VALUES (1,1),(2,2)", "",
             "UPDATE t SET rowid=7 WHERE u=1; DELETE FROM t WHERE u=2; INSERT INTO t VALUES (2,9)");
}

TEST(UndoTest, StorageClassesAndBytes) {
  const char* const schema =
      "CREATE TABLE t(id INTEGER PRIMARY KEY, v, r REAL);"
      "INSERT INTO t VALUES (1,1,1),(2,1.0,0.0),(3,0.0*-1,0.0*-1),(4,CAST(x'610062' AS "
      "TEXT),1e308),"
      "(5,CAST(x'ff41' AS TEXT),9007199254740993),(6,x'610062',NULL)";
  comes_back(schema, "", "UPDATE t SET v=CASE id WHEN 1 THEN 1.0 WHEN 2 THEN 1 ELSE 'w' END, r=5");
  comes_back(schema, "", "DELETE FROM t");
}

TEST(UndoTest, WideRows) {
  std::string columns;
  std::string values;
  for (int i = 0; i < 70; ++i) {
    columns += fmt::format(", c{}", i);
    values += fmt::format(", 'v{}'", i);
  }
  comes_back(
      fmt::format(
          "CREATE TABLE t(id INTEGER PRIMARY KEY{}, UNIQUE(c69)); INSERT INTO t VALUES (1{})",
          columns, values),
      "", fmt::format("INSERT OR REPLACE INTO t VALUES (2{})", values));
}

TEST(UndoTest, ComputedColumnsAreComputed) {
  comes_back(
      "CREATE TABLE t(id INTEGER PRIMARY KEY, a, b AS (a||'!') UNIQUE, c AS (a||'?') STORED);"
      "INSERT INTO t(id,a) VALUES (1,'x'),(2,'y')",
      "", "INSERT OR REPLACE INTO t(id,a) VALUES (3,'x'); UPDATE t SET a='z' WHERE id=2");
}

TEST(UndoTest, WhatAnUndoHasTakenBackCanBeHadAgain) {
  Undoable db("CREATE TABLE t(id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES (1,'a')");
  const Lsn before = db.newest();
  db.app().must("DELETE FROM t; INSERT INTO t VALUES (2,'b')");
  const Lsn after = db.newest();
  ASSERT_TRUE(db.undo(before));
  ASSERT_TRUE(db.undo(after));
  EXPECT_EQ(db.app().integer("SELECT count(*) FROM t WHERE id=2 AND v='b'"), 1);
  EXPECT_EQ(db.app().integer("SELECT count(*) FROM t"), 1);
}

TEST(UndoTest, ItTellsWhatItDid) {
  Undoable db(
      "CREATE TABLE b(id INTEGER PRIMARY KEY, v); CREATE TABLE a(id INTEGER PRIMARY KEY, v)");
  db.app().must("INSERT INTO a VALUES (1,1),(2,2)");
  const Lsn lsn = db.newest();
  db.app().must(
      "DELETE FROM a WHERE id=1; UPDATE a SET v=3; INSERT INTO a VALUES (4,4),(5,5),(6,6)");
  db.app().must("INSERT INTO b VALUES (1,1); DELETE FROM b; UPDATE a SET v=v");
  const Lsn end = db.newest();
  const auto undone = db.undo(lsn);
  ASSERT_TRUE(undone) << describe(undone.error());
  EXPECT_EQ(undone.value().changes, 11);
  ASSERT_EQ(undone.value().tables.size(), 1U);
  EXPECT_EQ(undone.value().tables[0].name, "a");
  EXPECT_EQ(undone.value().tables[0].rows_inserted, 1);
  EXPECT_EQ(undone.value().tables[0].rows_updated, 1);
  EXPECT_EQ(undone.value().tables[0].rows_deleted, 3);
  // One entry for each row.
  EXPECT_EQ(db.newest().value, end.value + 5);
}

// A row that is changed keeps the rowid that it has besides its key: full text refers to it.
TEST(UndoTest, ChangedRowsKeepTheirRowid) {
  Undoable db(
      "CREATE TABLE t(k TEXT PRIMARY KEY, v); INSERT INTO t(rowid,k) VALUES (40,'a'),(7,'b')");
  const Lsn lsn = db.newest();
  db.app().must("UPDATE t SET v=1; INSERT INTO t VALUES ('c',1); DELETE FROM t WHERE k='b'");
  ASSERT_TRUE(db.undo(lsn));
  EXPECT_EQ(db.app().integer("SELECT rowid FROM t WHERE k='a'"), 40);
  EXPECT_EQ(db.app().integer("SELECT count(*) FROM t WHERE v IS NULL"), 2);
}

TEST(UndoTest, TriggersOfTheApplicationDoNotRun) {
  Undoable db(
      "CREATE TABLE t(id INTEGER PRIMARY KEY, v); CREATE TABLE n(id INTEGER PRIMARY KEY, v);"
      "INSERT INTO n VALUES (1,0);"
      "CREATE TRIGGER r AFTER INSERT ON t BEGIN UPDATE n SET v=v+1; END;"
      "CREATE TRIGGER s AFTER DELETE ON t BEGIN UPDATE n SET v=v+100; END");
  db.app().must("INSERT INTO t VALUES (1,1),(2,2)");
  const Lsn lsn = db.newest();
  db.app().must("INSERT INTO t VALUES (3,3); DELETE FROM t WHERE id=1");
  ASSERT_TRUE(db.undo(lsn));
  EXPECT_EQ(db.app().integer("SELECT v FROM n"), 2);
  EXPECT_TRUE(db.log().follows());
}

TEST(UndoTest, WhatThePrunedLogHadCannotBeReached) {
  Undoable db("CREATE TABLE t(id INTEGER PRIMARY KEY)");
  db.app().must("INSERT INTO t VALUES (1),(2),(3),(4)");
  ASSERT_EQ(prune(db.log().source(), Lsn{3}).value().rows, 2);
  EXPECT_THAT(db.refusal(Lsn{2}), ::testing::HasSubstr("the oldest that can is 3"));
  EXPECT_THAT(db.refusal(Lsn{5}), ::testing::HasSubstr("ends at position 4"));
  ASSERT_EQ(db.refusal(Lsn{3}), "");
  EXPECT_EQ(db.app().integer("SELECT max(id) FROM t"), 3);
}

TEST(UndoTest, BetweenTheRowsOfOneChangeThereIsNoPosition) {
  std::string columns;
  for (int i = 0; i < 40; ++i) columns += fmt::format(",c{}", i);
  Undoable db("CREATE TABLE t(id INTEGER PRIMARY KEY" + columns + ")");
  db.app().must("INSERT INTO t(id) VALUES (1),(2)");
  EXPECT_THAT(db.refusal(Lsn{3}), ::testing::HasSubstr("ends at position 4"));
  EXPECT_EQ(db.refusal(Lsn{2}), "");
}

TEST(UndoTest, SchemaChangesAreNotGoneBackOver) {
  Undoable db("CREATE TABLE t(id INTEGER PRIMARY KEY); CREATE TABLE u(id INTEGER PRIMARY KEY)");
  db.app().must("INSERT INTO t VALUES (1); INSERT INTO u VALUES (1)");
  const auto again =
      install(db.log().source(), {db.log().table("u")}, {}, db.log().catalog().schema_version);
  ASSERT_TRUE(again) << describe(again.error());
  db.app().must("INSERT INTO t VALUES (2)");
  EXPECT_THAT(db.refusal(Lsn{1}), ::testing::HasSubstr("the oldest that can is 2"));
  // Dropped, and no other in its place.
  db.app().must("INSERT INTO t VALUES (3); DROP TABLE u");
  ASSERT_TRUE(install(db.log().source(), {}, {again.value().captured[0].id},
                      db.log().catalog().schema_version));
  EXPECT_THAT(db.refusal(Lsn{3}), ::testing::HasSubstr("the oldest that can is 4"));
}

TEST(UndoTest, ATimeWithoutALogIsNotGoneBackOver) {
  Undoable db("CREATE TABLE t(id INTEGER PRIMARY KEY)");
  db.app().must("INSERT INTO t VALUES (1)");
  ASSERT_TRUE(log_reopened(db.log().source()));
  db.app().must("INSERT INTO t VALUES (2)");
  EXPECT_TRUE(db.log().follows());
  EXPECT_THAT(db.refusal(Lsn{1}), ::testing::HasSubstr("PostgreSQL was the primary"));
  EXPECT_EQ(db.refusal(Lsn{2}), "");
  EXPECT_EQ(db.app().integer("SELECT max(id) FROM t"), 1);
}

// Rows that came, went or changed past the log.
TEST(UndoTest, ARowThatIsNotWhatTheLogLeftIsRefused) {
  for (const char* secretly : {"UPDATE t SET v='secret' WHERE id=1", "DELETE FROM t WHERE id=1",
                               "INSERT INTO t VALUES (2,'secret')"}) {
    SCOPED_TRACE(secretly);
    Undoable db("CREATE TABLE t(id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES (1,'a'),(2,'b')");
    const Lsn lsn = db.newest();
    db.app().must("UPDATE t SET v='c' WHERE id=1; DELETE FROM t WHERE id=2");
    sqlite3_db_config(db.app().handle(), SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, nullptr);
    db.app().must(secretly);
    const Content before = db.log().content();
    EXPECT_THAT(db.refusal(lsn), ::testing::HasSubstr("not what the change log left"));
    EXPECT_EQ(first_difference(db.log().content(), before), "");
  }
}

TEST(UndoTest, VacuumIsNoticedWhereRowsAreKnownByTheirRowid) {
  Undoable db("CREATE TABLE t(v); INSERT INTO t VALUES ('a'),('b'),('c'),('d')");
  db.app().must("DELETE FROM t WHERE v='a'");
  const Lsn lsn = db.newest();
  db.app().must("UPDATE t SET v='e' WHERE v='b'; VACUUM");
  EXPECT_THAT(db.refusal(lsn), ::testing::HasSubstr("VACUUM"));
}

// Of a wide table with a partial unique index the log has the replaced rows' keys alone.
TEST(UndoTest, AReplacedRowThatTheLogHasNotGotIsRefused) {
  std::string columns;
  for (int i = 0; i < 40; ++i) columns += fmt::format(",c{}", i);
  Undoable db("CREATE TABLE t(id INTEGER PRIMARY KEY" + columns +
              "); CREATE UNIQUE INDEX p ON t(c1) WHERE c2 IS NOT NULL;"
              "INSERT INTO t(id,c0,c1,c2) VALUES (1,'a',1,1),(2,'b',2,2),(3,'c',3,3)");
  const Lsn first = db.newest();
  const Content want = db.log().content();
  db.app().must("INSERT OR IGNORE INTO t(id,c0,c1,c2) VALUES (9,'x',1,1); UPDATE t SET c0='d'");
  ASSERT_EQ(db.refusal(first), "");
  EXPECT_EQ(first_difference(db.log().content(), want), "");
  const Lsn second = db.newest();
  db.app().must("INSERT OR REPLACE INTO t(id,c0,c1,c2) VALUES (9,'x',3,3)");
  EXPECT_THAT(db.refusal(second), ::testing::HasSubstr("its key alone"));
}

}  // namespace
}  // namespace crossfade::capture
