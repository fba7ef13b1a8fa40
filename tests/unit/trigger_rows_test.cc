// Promise: triggers that are made by the schema's rows are those that CREATE TRIGGER makes, for all
// connections at once, and what SQLite cannot compile is refused and undone.
#include "capture/trigger_rows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/sqlite/transaction.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/capture_fixture.h"

namespace crossfade::capture {
namespace {

using testing::CapturedDatabase;
using ::testing::ElementsAre;

constexpr const char* kOddTables =
    "CREATE TABLE t(id INTEGER PRIMARY KEY, u UNIQUE, v);"
    "CREATE TABLE \"o'dd \"\"T\"(a TEXT COLLATE NOCASE, b DEFAULT 'x''y', PRIMARY KEY(a, b)) "
    "WITHOUT ROWID;"
    "CREATE TABLE [ütf](\"select\" INTEGER NOT NULL DEFAULT 7 UNIQUE, g AS (\"select\" + 1));";

std::vector<TriggerSql> all_triggers(CapturedDatabase& db) {
  std::vector<TriggerSql> out;
  int64_t id = 0;
  for (const Table& table : db.catalog().tables) {
    for (TriggerSql& each : capture_triggers(table, CaptureId{++id})) out.push_back(each);
    for (TriggerSql& each : fence_triggers(table.name, CaptureId{id})) out.push_back(each);
  }
  return out;
}

Status create(sqlite::Connection& source, const std::vector<TriggerSql>& triggers) {
  CROSSFADE_TRY(auto transaction, sqlite::Transaction::begin(source, sqlite::Begin::kImmediate));
  CROSSFADE_TRY(create_triggers(source, triggers));
  return transaction.commit();
}

std::string schema_rows(sqlite::Connection& source) {
  return source
      .query_text(
          "SELECT group_concat(rowid||type||name||'|'||tbl_name||'|'||rootpage||sql, char(10)) "
          "FROM sqlite_master")
      .value();
}

TEST(TriggerRowsTest, AreWhatCreateTriggerWrites) {
  for (const char* encoding : {"UTF-8", "UTF-16le"}) {
    const std::string schema = "PRAGMA encoding='" + std::string(encoding) + "';" + kOddTables;
    CapturedDatabase by_rows(schema);
    CapturedDatabase by_sql(schema);
    for (CapturedDatabase* db : {&by_rows, &by_sql}) {
      for (const std::string& sql : capture_tables_sql()) db->must(sql);
    }
    const auto triggers = all_triggers(by_rows);
    ASSERT_GT(triggers.size(), 20U);
    for (const TriggerSql& each : triggers) by_sql.must(each.sql);
    ASSERT_TRUE(create(by_rows.source(), triggers));
    EXPECT_EQ(schema_rows(by_rows.source()), schema_rows(by_sql.source()));
    EXPECT_EQ(by_rows.source().query_text("PRAGMA integrity_check").value(), "ok");
    // Those that are there already.
    EXPECT_FALSE(create(by_rows.source(), {triggers.front()}));
    EXPECT_EQ(schema_rows(by_rows.source()), schema_rows(by_sql.source()));
  }
}

TEST(TriggerRowsTest, AreSeenByStatementsThatWereReadyBefore) {
  const crossfade::testing::TempDir dir;
  const std::string path = dir.file("app.db");
  CapturedDatabase db(
      "PRAGMA journal_mode=WAL; CREATE TABLE t(id INTEGER PRIMARY KEY);"
      "CREATE TABLE seen(id)",
      path);
  const sqlite::Connection other = CapturedDatabase::open(path);
  sqlite3_stmt* insert = nullptr;
  ASSERT_EQ(sqlite3_prepare_v2(other.handle(), "INSERT INTO t VALUES(NULL)", -1, &insert, nullptr),
            SQLITE_OK);
  const auto write = [&] {
    const int rc = sqlite3_step(insert);
    sqlite3_reset(insert);
    return rc;
  };
  EXPECT_EQ(write(), SQLITE_DONE);
  ASSERT_TRUE(create(db.source(), {{"a", "t",
                                    "CREATE TRIGGER a AFTER INSERT ON t BEGIN INSERT "
                                    "INTO seen VALUES(NEW.id); END"}}));
  EXPECT_EQ(write(), SQLITE_DONE);
  db.must("INSERT INTO t VALUES(NULL)");
  EXPECT_EQ(db.source().query_text("SELECT group_concat(id) FROM seen").value(), "2,3");
  db.must("BEGIN IMMEDIATE");
  const auto removed =
      remove_triggers(db.source(), [](std::string_view name) { return name == "a"; });
  ASSERT_TRUE(removed);
  EXPECT_THAT(removed.value(), ElementsAre("a"));
  db.must("COMMIT");
  EXPECT_EQ(write(), SQLITE_DONE);
  db.must("INSERT INTO t VALUES(NULL)");
  EXPECT_EQ(db.source().query_text("SELECT group_concat(id) FROM seen").value(), "2,3");
  sqlite3_finalize(insert);
}

TEST(TriggerRowsTest, WhatCannotBeCompiledIsRefusedAndUndone) {
  CapturedDatabase db("CREATE TABLE t(id INTEGER PRIMARY KEY)");
  const std::string before = schema_rows(db.source());
  for (const char* sql : {"CREATE TRIGGER a AFTER INSERT ON t BEGIN SELECT; END",
                          "CREATE TRIGGER a AFTER INSERT ON nothing BEGIN SELECT 1; END"}) {
    EXPECT_FALSE(create(db.source(), {{"a", "t", sql}})) << sql;
    EXPECT_EQ(schema_rows(db.source()), before);
    // The schema is closed again, too.
    EXPECT_FALSE(db.source().exec("DELETE FROM sqlite_master"));
    db.must("INSERT INTO t VALUES(NULL)");
  }
}

// Which would pass for what another connection's next change gives the same version to.
TEST(TriggerRowsTest, WhatWasRolledBackIsForgotten) {
  const std::vector<TriggerSql> fence = {
      {"f", "t", "CREATE TRIGGER f BEFORE INSERT ON t BEGIN SELECT RAISE(ABORT, 'fenced'); END"}};
  for (const bool removing : {false, true}) {
    for (const char* journal : {"wal", "delete"}) {
      const crossfade::testing::TempDir dir;
      const std::string path = dir.file("app.db");
      CapturedDatabase db("PRAGMA journal_mode=" + std::string(journal) +
                              "; CREATE TABLE t(id INTEGER PRIMARY KEY, v);"
                              "INSERT INTO t VALUES(1, 'a')",
                          path);
      if (removing) db.must(fence.front().sql);
      {
        auto writing = sqlite::Transaction::begin(db.source(), sqlite::Begin::kImmediate);
        ASSERT_TRUE(writing);
        if (removing) {
          ASSERT_TRUE(remove_triggers(db.source(), [](std::string_view) { return true; }));
        } else {
          ASSERT_TRUE(create_triggers(db.source(), fence));
        }
        db.must("UPDATE t SET v='b'");
      }
      sqlite::Connection other = CapturedDatabase::open(path);
      ASSERT_TRUE(other.exec("CREATE INDEX i ON t(v)"));
      EXPECT_EQ(db.source().exec("INSERT INTO t VALUES(2, 'b')").has_value(), !removing);
      db.must("UPDATE t SET v='c' WHERE id=1");
      EXPECT_EQ(other.query_text("PRAGMA integrity_check").value(), "ok")
          << removing << " " << journal;
    }
  }
}

TEST(TriggerRowsTest, TheSchemaIsClosedAlsoWhereNothingWasWritten) {
  CapturedDatabase db("CREATE TABLE t(id INTEGER PRIMARY KEY)");
  db.must("PRAGMA query_only=ON");
  EXPECT_FALSE(create_triggers(
      db.source(), {{"a", "t", "CREATE TRIGGER a AFTER INSERT ON t BEGIN SELECT 1; END"}}));
  db.must("PRAGMA query_only=OFF");
  EXPECT_FALSE(db.source().exec("DELETE FROM sqlite_master"));
}

TEST(TriggerRowsTest, AreRemovedAndNoOthers) {
  CapturedDatabase db("CREATE TABLE t(id INTEGER PRIMARY KEY); CREATE TABLE u(id)");
  db.must("CREATE TRIGGER kept AFTER INSERT ON t BEGIN SELECT 1; END");
  const std::string before = schema_rows(db.source());
  std::vector<TriggerSql> triggers;
  for (const std::string name : {"x1", "x2", "x3"}) {
    triggers.push_back(
        {name, "u", "CREATE TRIGGER " + name + " AFTER INSERT ON u BEGIN SELECT 1; END"});
  }
  ASSERT_TRUE(create(db.source(), triggers));
  const auto is_x = [](std::string_view name) { return name.starts_with("x"); };
  db.must("BEGIN IMMEDIATE");
  EXPECT_THAT(remove_triggers(db.source(), is_x).value(), ElementsAre("x1", "x2", "x3"));
  EXPECT_THAT(remove_triggers(db.source(), is_x).value(), ElementsAre());
  db.must("COMMIT");
  EXPECT_EQ(schema_rows(db.source()), before);
}

// The header's field has four bytes.
TEST(TriggerRowsTest, TheSchemasVersionGoesOnBehindTheLast) {
  CapturedDatabase db("CREATE TABLE t(id INTEGER PRIMARY KEY); PRAGMA schema_version=2147483647");
  ASSERT_TRUE(create(db.source(), {{"a", "t",
                                    "CREATE TRIGGER a AFTER INSERT ON t BEGIN SELECT 1; "
                                    "END"}}));
  EXPECT_EQ(db.source().query_int("PRAGMA schema_version").value(), INT32_MIN);
}

}  // namespace
}  // namespace crossfade::capture
