// Promise: PostgreSQL's transactions come out in SQLite as they were, whatever is in the way there,
// with the position up to which they did.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <chrono>

#include "capture/change_log.h"
#include "capture/trigger_sql.h"
#include "tests/support/source_writer_test.h"

namespace crossfade::testing {
namespace {

using ::testing::HasSubstr;

TEST_F(SourceWriterTest, StateMovesWithTheRowsAndIsReadAgain) {
  make("CREATE TABLE t(id INTEGER PRIMARY KEY, v)");
  EXPECT_FALSE(apply::read_reverse_state(file_->connection()).value().has_value());
  state_.applied.value = 0xFFFFFFFF00000000;
  state_.committed_us = 17;
  EXPECT_EQ(run({inserted(table(), {number(1), text("a")})}), "");
  reopen();
  EXPECT_EQ(writer_->state().slot, "crossfade_1");
  EXPECT_TRUE(writer_->state().live);
  EXPECT_EQ(writer_->state().applied.value, 0xFFFFFFFF00000001);
  EXPECT_EQ(writer_->state().committed_us, 17);
  EXPECT_EQ(writer_->state().probe, "p");
  EXPECT_EQ(rows(), "1|'a'\n");
  // A transaction that is given up leaves both.
  ASSERT_TRUE(writer_->begin(no_hurry()));
  ASSERT_TRUE(writer_->apply(deleted(table(), {number(1)})));
  writer_->rollback();
  EXPECT_EQ(apply::read_reverse_state(file_->connection()).value()->applied,
            writer_->state().applied);
  EXPECT_EQ(rows(), "1|'a'\n");
}

TEST_F(SourceWriterTest, WhatIsKeptIsNoTableOfTheApplicationsAndGoesAway) {
  make("CREATE TABLE t(id INTEGER PRIMARY KEY, v)");
  ASSERT_TRUE(capture::ensure_identity(file_->connection()));
  const auto catalog = schema::read_catalog(file_->connection());
  ASSERT_TRUE(catalog);
  EXPECT_EQ(catalog.value().tables.size(), 1U);
  EXPECT_TRUE(catalog.value().reserved.empty());
  writer_.reset();
  EXPECT_THAT(apply::remove_reverse_state(file_->connection()).value(),
              ::testing::ElementsAre("table _crossfade_reverse", "table _crossfade_misfits"));
  EXPECT_TRUE(apply::remove_reverse_state(file_->connection()).value().empty());
  EXPECT_EQ(rows("SELECT name FROM sqlite_schema WHERE name GLOB '_crossfade_[rm]*'"), "");
}

TEST_F(SourceWriterTest, AStateOfAnotherFormatIsRefused) {
  make("CREATE TABLE t(id INTEGER PRIMARY KEY)");
  EXPECT_EQ(run(Changes{}), "");
  file_->exec("UPDATE _crossfade_reverse SET format=3");
  const auto opened = apply::SourceWriter::open(file_->path());
  ASSERT_FALSE(opened);
  EXPECT_THAT(describe(opened.error()), HasSubstr("format 3"));
}

// Promise: neither the fence nor any trigger of the application's sees what is written here, and
// foreign keys are PostgreSQL's business.
TEST_F(SourceWriterTest, TriggersAndForeignKeysAreOff) {
  make(R"(
    CREATE TABLE parent(id INTEGER PRIMARY KEY);
    CREATE TABLE t(id INTEGER PRIMARY KEY, p REFERENCES parent ON DELETE CASCADE);
    CREATE TABLE seen(id);
    CREATE TRIGGER mine AFTER INSERT ON t BEGIN INSERT INTO seen VALUES(NEW.id); END;
    INSERT INTO parent VALUES(1);
  )");
  for (const auto& trigger : capture::fence_triggers(table()->name, CaptureId{1})) {
    file_->exec(trigger.sql);
  }
  EXPECT_FALSE(file_->connection().exec("INSERT INTO t VALUES(5,1)"));
  EXPECT_EQ(run({inserted(table(), {number(1), number(7)}),
                 updated(table(), {number(1)}, {{}, number(8)}),
                 inserted(table(), {number(2), number(1)}), deleted(table("parent"), {number(1)}),
                 deleted(table(), {number(1)})}),
            "");
  EXPECT_EQ(rows(), "2|1\n");
  EXPECT_EQ(rows("SELECT * FROM seen"), "");
}

TEST_F(SourceWriterTest, TheJournalModeStaysAndCommitsAreSynced) {
  make("CREATE TABLE t(id INTEGER PRIMARY KEY)");
  EXPECT_EQ(writer_->connection().query_int("PRAGMA synchronous").value(), 2);
  EXPECT_EQ(writer_->connection().query_int("PRAGMA ignore_check_constraints").value(), 0);
  writer_.reset();
  file_->exec("PRAGMA journal_mode=DELETE");
  reopen();
  EXPECT_EQ(run({inserted(table(), {number(1)})}), "");
  EXPECT_EQ(rows("PRAGMA journal_mode"), "'delete'\n");
}

// Promise: a change of a row that is not there, and a new row that is, say that the sides were not
// equal, name the row, and leave nothing behind.
TEST_F(SourceWriterTest, SidesThatAreNotEqualAreNamed) {
  make(
      "CREATE TABLE t(k TEXT COLLATE NOCASE PRIMARY KEY NOT NULL, v UNIQUE); INSERT INTO t "
      "VALUES('a',1)");
  const auto t = table();
  for (const Changes& changes :
       {Changes{updated(t, {text("b")}, {text("b"), number(2)})}, Changes{deleted(t, {text("A")})},
        Changes{inserted(t, {text("a"), number(2)})},
        Changes{updated(t, {text("A")}, {text("a"), number(2)})}, Changes{deleted(t, {number(1)})},
        // Refused for another reason first.
        Changes{inserted(t, {text("c"), number(2)}), inserted(t, {text("a"), number(2)})},
        Changes{misfitting(inserted(t, {text("a"), number(2)}), 1, "NaN")},
        Changes{misfitting(updated(t, {text("q")}, {text("q"), number(2)}), 1, "NaN")}}) {
    EXPECT_THAT(run(changes), HasSubstr("the two sides are not equal"));
    EXPECT_EQ(error_.code, ErrorCode::kDifferent);
    EXPECT_EQ(error_.remedy, Remedy::kDecide);
    EXPECT_THAT(error_.object, HasSubstr("t k="));
    EXPECT_EQ(rows(), "'a'|1\n");
    EXPECT_EQ(aside(), "");
  }
}

// Promise: the row of the very key is found, by whatever the column compares.
TEST_F(SourceWriterTest, KeysAreFoundExactly) {
  make(R"(
    CREATE TABLE t(k PRIMARY KEY NOT NULL, v) WITHOUT ROWID;
    INSERT INTO t VALUES(1,'i'),('1','t'),(x'31','b'),(2.5,'r'),('a'||char(0)||'b','n');
    CREATE TABLE n(k NUMERIC PRIMARY KEY NOT NULL, v);
    INSERT INTO n VALUES(7,'i'),('x','t');
    CREATE TABLE r(k TEXT COLLATE RTRIM PRIMARY KEY NOT NULL, v) WITHOUT ROWID;
    INSERT INTO r VALUES('a  ','x');
    CREATE TABLE b(k TEXT COLLATE NOCASE, v, PRIMARY KEY(k COLLATE BINARY)) WITHOUT ROWID;
    INSERT INTO b VALUES('a',1),('A',2);
    CREATE TABLE w(v); INSERT INTO w(rowid,v) VALUES(7,'x');
  )");
  const auto set = [&](const char* name, Value key) {
    return updated(table(name), {std::move(key)}, {{}, text("new")});
  };
  const std::string nul("a\0b", 3);
  EXPECT_EQ(run({set("t", text("1")), set("t", Value(Blob{"1"})), set("t", text(nul))}), "");
  EXPECT_EQ(rows("SELECT v FROM t WHERE v<>'new'"), "'i'\n'r'\n");
  EXPECT_EQ(run({set("t", number(1)), set("t", Value(2.5))}), "");
  EXPECT_EQ(rows("SELECT count(*) FROM t WHERE v='new'"), "5\n");
  EXPECT_NE(run({set("t", text("2.5"))}), "");
  EXPECT_NE(run({set("n", text("7"))}), "");
  EXPECT_EQ(run({set("n", number(7)), set("n", text("x"))}), "");
  EXPECT_NE(run({set("r", text("a"))}), "");
  EXPECT_EQ(run({set("r", text("a  "))}), "");
  EXPECT_EQ(run({set("b", text("A"))}), "");
  EXPECT_EQ(rows("SELECT * FROM b"), "'A'|'new'\n'a'|1\n");
  EXPECT_NE(run({updated(table("w"), {text("7")}, {text("y"), {}})}), "");
  EXPECT_EQ(run({updated(table("w"), {number(7)}, {text("y"), number(9)})}), "");
  EXPECT_EQ(rows("SELECT rowid,v FROM w"), "9|'y'\n");
}

// Promise: a key is found by its index, whatever its collation, and not by reading the table.
TEST_F(SourceWriterTest, KeysAreFoundByTheirIndex) {
  make(R"(
    CREATE TABLE t(a TEXT NOT NULL, b INT NOT NULL, v, PRIMARY KEY(a COLLATE NOCASE, b));
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<2000)
      INSERT INTO t SELECT 'k'||i, i, i FROM n;
  )");
  int steps = 0;
  sqlite3_progress_handler(
      writer_->connection().handle(), 1000,
      [](void* count) { return static_cast<int>(++*static_cast<int*>(count) > 10'000); }, &steps);
  Changes changes;
  for (int64_t i = 1; i <= 100; ++i) {
    changes.push_back(updated(table(), {text(fmt::format("k{}", i)), number(i)},
                              {text(fmt::format("K{}", i)), number(i), number(-i)}));
  }
  EXPECT_EQ(run(changes), "");
  sqlite3_progress_handler(writer_->connection().handle(), 0, nullptr, nullptr);
  EXPECT_LT(steps, 20);  // in thousands: 100 scans of 2000 rows would be 1000 and more
  EXPECT_EQ(rows("SELECT count(*) FROM t WHERE v=-b AND a='k'||b COLLATE NOCASE"), "100\n");
}

// Promise: values of unique keys that change places come out right in any order, and so do keys.
TEST_F(SourceWriterTest, SwapsCyclesAndShiftsComeOutRight) {
  make(R"(
    CREATE TABLE t(id INTEGER PRIMARY KEY, u UNIQUE NOT NULL, v);
    INSERT INTO t VALUES(1,'a','x'),(2,'b','y'),(3,'c','z');
  )");
  const auto t = table();
  EXPECT_EQ(run({updated(t, {number(1)}, {number(1), text("b"), {}}),
                 updated(t, {number(2)}, {number(2), text("c"), {}}),
                 updated(t, {number(3)}, {number(3), text("a"), {}})}),
            "");
  EXPECT_EQ(rows(), "1|'b'|'x'\n2|'c'|'y'\n3|'a'|'z'\n");
  // Keys: a shift, then a swap.
  EXPECT_EQ(run({updated(t, {number(1)}, {number(2), text("b"), {}}),
                 updated(t, {number(2)}, {number(3), text("c"), {}}),
                 updated(t, {number(3)}, {number(4), text("a"), {}})}),
            "");
  EXPECT_EQ(rows(), "2|'b'|'x'\n3|'c'|'y'\n4|'a'|'z'\n");
  EXPECT_EQ(run({updated(t, {number(2)}, {number(4), {}, {}}),
                 updated(t, {number(4)}, {number(2), {}, {}})}),
            "");
  EXPECT_EQ(rows(), "2|'a'|'z'\n3|'c'|'y'\n4|'b'|'x'\n");
  // What is put off goes on changing: moved, changed, deleted, its old key used again.
  EXPECT_EQ(run({updated(t, {number(2)}, {number(2), text("c"), {}}),
                 updated(t, {number(2)}, {number(9), {}, text("moved")}),
                 inserted(t, {number(2), text("a"), text("new")}),
                 updated(t, {number(4)}, {number(4), text("c"), {}}), deleted(t, {number(4)}),
                 deleted(t, {number(3)})}),
            "");
  EXPECT_EQ(rows(), "2|'a'|'new'\n9|'c'|'moved'\n");
  EXPECT_EQ(aside(), "");
}

// Promise: ON CONFLICT clauses of the table itself replace and skip nothing here.
TEST_F(SourceWriterTest, ConflictClausesOfTheSchemaDoNotApply) {
  make(R"(
    CREATE TABLE t(id INTEGER PRIMARY KEY ON CONFLICT REPLACE, u UNIQUE ON CONFLICT IGNORE,
                   n NOT NULL ON CONFLICT REPLACE DEFAULT 'd');
    INSERT INTO t VALUES(1,'a',1);
  )");
  const auto t = table();
  EXPECT_THAT(run({inserted(t, {number(1), text("b"), number(1)})}), HasSubstr("not equal"));
  EXPECT_EQ(run({inserted(t, {number(2), text("a"), number(1)}), deleted(t, {number(1)})}), "");
  EXPECT_EQ(rows(), "2|'a'|1\n");
  EXPECT_EQ(run({updated(t, {number(2)}, {number(2), text("a"), Value()})}), "");
  EXPECT_THAT(aside(), HasSubstr("NOT NULL constraint failed: t.n"));
  EXPECT_EQ(rows(), "2|'a'|1\n");
}

TEST_F(SourceWriterTest, BeginWaitsForTheLockUntilTheDeadlineOnly) {
  make("CREATE TABLE t(id INTEGER PRIMARY KEY)");
  file_->exec("BEGIN IMMEDIATE");
  const Status begun = writer_->begin(Deadline::after(std::chrono::milliseconds(30)));
  ASSERT_FALSE(begun);
  EXPECT_EQ(begun.error().remedy, Remedy::kRetry);
  EXPECT_FALSE(writer_->in_transaction());
  file_->exec("COMMIT");
  ASSERT_TRUE(writer_->begin(no_hurry()));
  // Readers are not in the way, nor is the writer in theirs.
  ASSERT_TRUE(writer_->apply(inserted(table(), {number(1)})));
  EXPECT_EQ(rows(), "");
  ASSERT_TRUE(writer_->end_transaction());
  ASSERT_TRUE(writer_->commit(state_));
  EXPECT_EQ(rows(), "1\n");
}

TEST_F(SourceWriterTest, SequencesOfAutoincrementFollow) {
  make("CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT, v)");
  EXPECT_EQ(run({inserted(table(), {number(41), number(1)}), deleted(table(), {number(41)})}), "");
  writer_.reset();
  file_->exec("INSERT INTO t(v) VALUES('next')");
  EXPECT_EQ(rows(), "42|'next'\n");
}

// Promise: more sets of columns than are kept prepared are no trouble.
TEST_F(SourceWriterTest, ManySetsOfColumns) {
  std::string columns;
  for (int i = 0; i < 8; ++i) columns += fmt::format(",c{} DEFAULT 0", i);
  make("CREATE TABLE t(id INTEGER PRIMARY KEY" + columns + "); INSERT INTO t(id) VALUES(1)");
  const auto t = table();
  for (int round = 0; round < 2; ++round) {
    Changes changes;
    for (unsigned set = 0; set < 256; ++set) {
      Fields after(9);
      for (unsigned i = 0; i < 8; ++i) {
        if ((set & (1U << i)) != 0) after[i + 1] = number(round * 1000 + set);
      }
      changes.push_back(updated(t, {number(1)}, std::move(after)));
    }
    EXPECT_EQ(run(changes), "");
  }
  EXPECT_EQ(rows(), "1|1255|1255|1255|1255|1255|1255|1255|1255\n");
}

}  // namespace
}  // namespace crossfade::testing
