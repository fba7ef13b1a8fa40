#include "capture/change_log.h"

#include <fmt/format.h>

#include <filesystem>
#include <functional>

#include "capture/trigger_sql.h"
#include "engine/sqlite/transaction.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/capture_fixture.h"

namespace crossfade::capture {
namespace {

using testing::CapturedDatabase;

constexpr const char* kSchema =
    "CREATE TABLE t(id INTEGER PRIMARY KEY, u UNIQUE, v);"
    "CREATE TABLE w(a, b, PRIMARY KEY(a, b)) WITHOUT ROWID;"
    "INSERT INTO t VALUES (1,1,'one')";

std::string schema_text(sqlite::Connection& source) {
  return source.query_text("SELECT group_concat(type||name||sql, ';') FROM sqlite_master").value();
}

std::vector<TriggerRow> trigger_rows(CapturedDatabase& db) {
  std::vector<TriggerRow> out;
  for (const schema::Trigger& t : db.catalog().triggers) {
    out.push_back({t.name, t.table, t.sql, t.schema_rowid});
  }
  return out;
}

bool intact(CapturedDatabase& db, size_t table = 0) {
  return triggers_intact(db.tables()[table], db.captured()[table], trigger_rows(db));
}

TEST(ChangeLogTest, IdentityIsMadeOnceAndKept) {
  CapturedDatabase db(kSchema);
  EXPECT_FALSE(read_identity(db.source()).value().has_value());
  EXPECT_EQ(newest_lsn(db.source()).value(), Lsn{0});
  EXPECT_TRUE(read_captured(db.source()).value().empty());
  const auto first = ensure_identity(db.source());
  ASSERT_TRUE(first);
  EXPECT_EQ(first.value().source_id.size(), 32U);
  EXPECT_EQ(first.value().journal_mode_before, "memory");
  EXPECT_EQ(ensure_identity(db.source()).value().source_id, first.value().source_id);
  CapturedDatabase other(kSchema);
  EXPECT_NE(ensure_identity(other.source()).value().source_id, first.value().source_id);
}

TEST(ChangeLogTest, AnotherFormatIsRefusedByName) {
  CapturedDatabase db(kSchema);
  db.capture();
  db.must("UPDATE _crossfade_control SET format=2");
  const auto read = read_identity(db.source());
  ASSERT_FALSE(read);
  EXPECT_NE(read.error().native.find("format 2"), std::string::npos);
}

TEST(ChangeLogTest, InstallRefusesAMovedSchema) {
  CapturedDatabase db(kSchema);
  ASSERT_TRUE(ensure_identity(db.source()));
  const schema::Catalog read = db.catalog();
  db.must("ALTER TABLE t ADD COLUMN w");
  const std::string before = schema_text(db.source());
  const auto installed = install(db.source(), read.tables, {}, read.schema_version);
  ASSERT_FALSE(installed);
  EXPECT_EQ(installed.error().remedy, Remedy::kRetry);
  EXPECT_EQ(schema_text(db.source()), before);
  EXPECT_FALSE(db.source().in_transaction());
}

TEST(ChangeLogTest, InstallingAgainReplacesAndNeverReusesAnId) {
  CapturedDatabase db(kSchema);
  db.capture();
  const auto first = db.captured();
  db.must("UPDATE t SET v='two'");
  db.capture();
  EXPECT_GT(db.captured()[0].id, first[1].id);
  EXPECT_EQ(db.captured()[0].base_lsn, newest_lsn(db.source()).value());
  EXPECT_EQ(read_captured(db.source()).value().size(), 2U);
  EXPECT_TRUE(intact(db));
  db.must("UPDATE t SET v='three'");
  EXPECT_EQ(db.changes().size(), 1U);  // once, not by both
}

TEST(ChangeLogTest, RetiringAloneStopsCapture) {
  CapturedDatabase db(kSchema);
  db.capture();
  ASSERT_TRUE(install(db.source(), {}, {db.captured()[0].id}, db.catalog().schema_version));
  db.must("UPDATE t SET v='unseen'; INSERT INTO w VALUES (1,1)");
  EXPECT_EQ(newest_lsn(db.source()).value(), Lsn{1});
  EXPECT_EQ(read_captured(db.source()).value().size(), 1U);
}

TEST(ChangeLogTest, IntactNoticesADroppedTrigger) {
  for (const char* suffix : {"insert", "update", "delete", "replace", "rekey", "moved"}) {
    CapturedDatabase db(kSchema);
    db.capture();
    ASSERT_TRUE(intact(db));
    db.must(fmt::format("DROP TRIGGER _crossfade_{}_{}", db.captured()[0].id.value, suffix));
    EXPECT_FALSE(intact(db)) << suffix;
    EXPECT_TRUE(intact(db, 1));
  }
}

TEST(ChangeLogTest, IntactNoticesAnAlteredOrAddedTrigger) {
  CapturedDatabase db(kSchema);
  db.capture();
  const std::string id = fmt::format("{}", db.captured()[0].id.value);
  db.must("CREATE TRIGGER _crossfade_" + id + "_more AFTER INSERT ON t BEGIN SELECT 1; END");
  EXPECT_FALSE(intact(db));
  db.must("DROP TRIGGER _crossfade_" + id + "_more; DROP TRIGGER _crossfade_" + id + "_insert");
  db.must("CREATE TRIGGER _crossfade_" + id + "_insert AFTER INSERT ON t BEGIN SELECT 1; END");
  EXPECT_FALSE(intact(db));
}

// The newest trigger fires first: the application's would have its effects logged before the cause.
TEST(ChangeLogTest, IntactNoticesANewerTriggerOfTheApplication) {
  CapturedDatabase db(std::string(kSchema) +
                      ";CREATE TRIGGER older AFTER INSERT ON t BEGIN SELECT 1; END");
  db.capture();
  EXPECT_TRUE(intact(db));
  db.must("CREATE TRIGGER newer AFTER INSERT ON t BEGIN SELECT 1; END");
  EXPECT_FALSE(intact(db));
  EXPECT_TRUE(intact(db, 1));
  db.capture();
  EXPECT_TRUE(intact(db));
  // SQLite keeps the table's name as this statement spells it.
  db.must("CREATE TRIGGER newest AFTER INSERT ON T BEGIN SELECT 1; END");
  EXPECT_FALSE(intact(db));
}

TEST(ChangeLogTest, IntactNoticesARebuiltOrRenamedTable) {
  CapturedDatabase db(kSchema);
  db.capture();
  db.must(
      "CREATE TABLE n(id INTEGER PRIMARY KEY, u UNIQUE, v); INSERT INTO n SELECT * FROM t;"
      "DROP TABLE t; ALTER TABLE n RENAME TO t");
  EXPECT_FALSE(intact(db));
  EXPECT_TRUE(intact(db, 1));
  db.must("ALTER TABLE w RENAME TO w2");
  EXPECT_FALSE(intact(db, 1));
}

TEST(ChangeLogTest, TheIntactAnswerHoldsForEveryTableKind) {
  CapturedDatabase db(
      "CREATE TABLE \"a 'b' \"\"c\"\"\"(\"x y\" TEXT PRIMARY KEY, v DEFAULT 'it''s' UNIQUE);"
      "CREATE TABLE k(u UNIQUE); CREATE TABLE g(id INTEGER PRIMARY KEY, d AS (id+1) UNIQUE);"
      "CREATE TABLE p(id INTEGER PRIMARY KEY, d); CREATE UNIQUE INDEX pd ON p(d) WHERE id>1");
  db.capture();
  for (size_t i = 0; i < db.tables().size(); ++i) EXPECT_TRUE(intact(db, i)) << i;
}

TEST(ChangeLogTest, DigestTellsLogRowsApart) {
  CapturedDatabase db(kSchema);
  db.capture();
  db.must("INSERT INTO t VALUES (2,2,1),(3,3,1)");
  const auto two = log_row_digest(db.source(), Lsn{2}).value();
  ASSERT_TRUE(two.has_value());
  EXPECT_EQ(log_row_digest(db.source(), Lsn{2}).value(), two);
  EXPECT_NE(log_row_digest(db.source(), Lsn{1}).value(), two);
  EXPECT_FALSE(log_row_digest(db.source(), Lsn{3}).value().has_value());
  // As it is on targets of moves that began under another version.
  auto row = sqlite::Statement::prepare(db.source(), "SELECT * FROM _crossfade_log WHERE lsn=2");
  ASSERT_TRUE(row && row.value().step().value());
  std::string identity;
  for (const Value& value : row.value().row()) append_identity(value, &identity);
  EXPECT_EQ(two, to_hex(digest_bytes(identity)));
  db.must("UPDATE _crossfade_log SET c2=1.0 WHERE lsn=2");
  EXPECT_NE(log_row_digest(db.source(), Lsn{2}).value(), two);
}

TEST(LogSizeTest, IsAboutWhatTheRowsHave) {
  CapturedDatabase db("CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT, b BLOB, c)");
  db.capture();
  LogSize size;
  EXPECT_EQ(size.bytes(db.source(), Lsn{0}, 0).value(), 0);
  db.must(
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<500) "
      "INSERT INTO t SELECT i,hex(randomblob(500)),randomblob(2000),i FROM n");
  const int64_t about = size.bytes(db.source(), Lsn{0}, 0).value();
  EXPECT_GE(about, 500 * 3000);
  EXPECT_LE(about, 500 * 3200);
  EXPECT_NEAR(static_cast<double>(size.bytes(db.source(), Lsn{250}, 0).value()),
              static_cast<double>(about) / 2, 10'000);
  EXPECT_NEAR(static_cast<double>(size.bytes(db.source(), Lsn{0}, 250).value()),
              static_cast<double>(about) / 2, 10'000);
  db.must("DELETE FROM t WHERE id<=10");
  EXPECT_GT(size.bytes(db.source(), Lsn{0}, 0).value(), about) << "more rows, and looked at anew";
}

// 5,000 rows of which the newest has 20 MB have not 100 GB: nobody is to give capture up for it.
TEST(LogSizeTest, OneLongRowAmongManyMakesNoLongLog) {
  CapturedDatabase db("CREATE TABLE t(id INTEGER PRIMARY KEY, a)");
  db.capture();
  db.must(
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<5000) "
      "INSERT INTO t SELECT i,i FROM n; INSERT INTO t VALUES(0,zeroblob(20000000))");
  LogSize size;
  const int64_t about = size.bytes(db.source(), Lsn{0}, 0).value();
  EXPECT_GE(about, 20'000'000);
  EXPECT_LE(about, 50'000'000);
}

int64_t pruned(CapturedDatabase& db, int64_t applied, int64_t rows_max) {
  return prune(db.source(), Lsn{applied}, {.rows_max = rows_max}).value().rows;
}

TEST(ChangeLogTest, PruneKeepsTheAppliedAndTheNewestRow) {
  CapturedDatabase db(kSchema);
  db.capture();
  for (int i = 2; i <= 11; ++i) db.must(fmt::format("INSERT INTO w VALUES ({},1)", i));
  const auto lsns = [&] {
    return db.source().query_text("SELECT group_concat(lsn) FROM _crossfade_log").value();
  };
  EXPECT_EQ(pruned(db, 0, 100), 0);
  EXPECT_EQ(pruned(db, 1, 100), 0);
  EXPECT_EQ(pruned(db, 9, 3), 3);
  EXPECT_EQ(lsns(), "4,5,6,7,8,9,10");
  EXPECT_EQ(pruned(db, 8, 100), 4);
  EXPECT_EQ(lsns(), "8,9,10");
  // Even told of a position that was never reached: an emptied log would count from 1 again.
  EXPECT_EQ(pruned(db, 99, 100), 2);
  EXPECT_EQ(lsns(), "10");
  db.must("INSERT INTO w VALUES (12,1)");
  EXPECT_EQ(newest_lsn(db.source()).value(), Lsn{11});
}

TEST(ChangeLogTest, PruneHoldsTheLockForABoundedTime) {
  CapturedDatabase db(kSchema);
  db.capture();
  for (int i = 2; i <= 11; ++i) db.must(fmt::format("INSERT INTO w VALUES ({},1)", i));
  for (int64_t left = 9; left > 0; --left) {
    const auto done = prune(db.source(), Lsn{99}, {.hold_max = std::chrono::milliseconds(0)});
    ASSERT_TRUE(done);
    EXPECT_EQ(done.value().rows, 1);
    EXPECT_TRUE(done.value().more);
  }
  EXPECT_FALSE(prune(db.source(), Lsn{99}).value().more);
  EXPECT_EQ(newest_lsn(db.source()).value(), Lsn{10});
}

// As much would be written as is freed, with writers waiting.
TEST(ChangeLogTest, ALargeRowIsPrunedWithoutWritingOverIt) {
  const crossfade::testing::TempDir folder;
  const std::string path = folder.file("a.db");
  CapturedDatabase db(
      "PRAGMA journal_mode=WAL; PRAGMA secure_delete=ON;"
      "CREATE TABLE b(id INTEGER PRIMARY KEY, v)",
      path);
  db.capture();
  db.must("INSERT INTO b VALUES(1, zeroblob(20000000)); INSERT INTO b VALUES(2, 1)");
  const auto written = [&](const std::function<void()>& what) {
    db.must("PRAGMA wal_checkpoint(TRUNCATE); PRAGMA wal_autocheckpoint=0");
    what();
    return std::filesystem::file_size(path + "-wal");
  };
  EXPECT_LT(written([&] { EXPECT_EQ(pruned(db, 2, 100), 1); }), 1'000'000U);
  EXPECT_EQ(db.source().query_int("PRAGMA secure_delete").value(), 1);
  db.must("DELETE FROM b");
  EXPECT_LT(written([&] {
              db.must("BEGIN IMMEDIATE");
              ASSERT_TRUE(uninstall(db.source()));
              db.must("COMMIT");
            }),
            1'000'000U);
  EXPECT_EQ(db.source().query_text("PRAGMA integrity_check").value(), "ok");
}

TEST(ChangeLogTest, PruneStaysOutOfAWritersWay) {
  const crossfade::testing::TempDir folder;
  CapturedDatabase db(std::string("PRAGMA journal_mode=WAL;") + kSchema, folder.file("a.db"));
  db.capture();
  db.must("INSERT INTO w VALUES (1,1),(2,2)");
  auto writer = CapturedDatabase::open(folder.file("a.db"));
  ASSERT_TRUE(writer.exec("BEGIN IMMEDIATE"));
  db.source().set_busy_timeout(std::chrono::milliseconds(1));
  EXPECT_EQ(pruned(db, 2, 100), 0);
  ASSERT_TRUE(writer.exec("COMMIT"));
  EXPECT_EQ(pruned(db, 2, 100), 1);
}

void fence(CapturedDatabase& db) {
  auto transaction = sqlite::Transaction::begin(db.source(), sqlite::Begin::kImmediate);
  ASSERT_TRUE(transaction);
  ASSERT_TRUE(raise_fence(db.source(), db.captured()));
  ASSERT_TRUE(transaction.value().commit());
}

// Promise: every way of writing fails, with an error nobody takes for a duplicate key.
TEST(FenceTest, RefusesAStrangersWritesAndLetsReadsPass) {
  CapturedDatabase db(kSchema);
  db.capture();
  EXPECT_FALSE(fence_is_up(db.source()).value());
  fence(db);
  EXPECT_TRUE(fence_is_up(db.source()).value());
  const auto before = db.content();
  for (const char* sql :
       {"INSERT INTO t VALUES (2,2,2)", "INSERT OR IGNORE INTO t VALUES (1,2,2)",
        "INSERT OR REPLACE INTO t VALUES (1,2,2)", "REPLACE INTO t VALUES (1,1,1)",
        "INSERT INTO t VALUES (1,1,1) ON CONFLICT DO NOTHING",
        "INSERT INTO t VALUES (1,1,1) ON CONFLICT(id) DO UPDATE SET v=2",
        "INSERT INTO t SELECT * FROM t WHERE 0", "UPDATE t SET v=2", "UPDATE OR IGNORE t SET v=2",
        "UPDATE OR REPLACE t SET id=5", "DELETE FROM t", "DELETE FROM t WHERE 0",
        "INSERT INTO w VALUES (1,1)", "UPDATE w SET a=1", "DELETE FROM w",
        "INSERT INTO t VALUES (9,9,9) RETURNING id"}) {
    const int rc = sqlite3_exec(db.source().handle(), sql, nullptr, nullptr, nullptr);
    EXPECT_EQ(sqlite3_extended_errcode(db.source().handle()), SQLITE_ERROR) << sql << " " << rc;
    EXPECT_STREQ(sqlite3_errmsg(db.source().handle()),
                 "no such function: crossfade_moved_to_postgresql")
        << sql;
  }
  EXPECT_EQ(db.content(), before);
  EXPECT_EQ(db.source().query_text("SELECT v FROM t").value(), "one");
}

// INNOCUOUS, or trusted_schema=OFF forbids it in a trigger.
TEST(FenceTest, PassesAConnectionThatHasTheFunction) {
  CapturedDatabase db(kSchema);
  db.capture();
  fence(db);
  sqlite3_create_function(
      db.source().handle(), kMovedFunction, 0, SQLITE_UTF8 | SQLITE_INNOCUOUS, nullptr,
      [](sqlite3_context* context, int, sqlite3_value**) { sqlite3_result_null(context); }, nullptr,
      nullptr);
  db.must("INSERT INTO t VALUES (2,2,2); UPDATE t SET v=3; DELETE FROM t WHERE id=1");
}

TEST(FenceTest, LoweringRestoresExactlyWhatWas) {
  CapturedDatabase db(kSchema);
  db.capture();
  const std::string before = schema_text(db.source());
  fence(db);
  EXPECT_TRUE(intact(db));  // the fence is no damage to capture
  EXPECT_EQ(lower_fence(db.source()).value(), 6);
  EXPECT_FALSE(fence_is_up(db.source()).value());
  EXPECT_EQ(schema_text(db.source()), before);
  EXPECT_EQ(lower_fence(db.source()).value(), 0);
  db.must("INSERT INTO t VALUES (2,2,2)");
  EXPECT_TRUE(db.follows());
}

TEST(UninstallTest, LeavesNoTrace) {
  CapturedDatabase db(kSchema);
  const std::string before = schema_text(db.source());
  db.capture();
  fence(db);
  db.must("BEGIN IMMEDIATE");
  const auto removed = uninstall(db.source());
  db.must("COMMIT");
  ASSERT_TRUE(removed);
  EXPECT_EQ(removed.value().size(), 6U + 5U + 6U + 3U)  // triggers of t and w, fences, tables
      << schema_text(db.source());
  EXPECT_EQ(schema_text(db.source()), before);
  EXPECT_TRUE(uninstall(db.source()).value().empty());
  db.must("INSERT INTO t VALUES (2,2,2)");
}

}  // namespace
}  // namespace crossfade::capture
