#include "capture/log_reader.h"

#include <fmt/format.h>

#include <algorithm>

#include "capture/trigger_sql.h"
#include "tests/unit/capture_fixture.h"
#include "tests/unit/random_writes.h"

namespace crossfade::capture {
namespace {

using testing::CapturedDatabase;
using testing::kWhole;
using testing::kWriteSchema;
using testing::RandomWrites;

// One seed: some hundred writes, in and out of transactions, read in parts of `bytes_max`.
void follow_random_writes(uint64_t seed, size_t bytes_max, bool recursive_triggers) {
  CapturedDatabase db(kWriteSchema);
  db.must(recursive_triggers ? "PRAGMA recursive_triggers=ON; PRAGMA foreign_keys=ON"
                             : "PRAGMA recursive_triggers=OFF; PRAGMA foreign_keys=ON");
  db.must("PRAGMA trusted_schema=OFF");
  RandomWrites writes(seed);
  for (int i = 0; i < 20; ++i) (void)db.source().exec(writes.statement());
  db.capture(seed % 4 < 2 ? OldRows::kWhole : OldRows::kKeys);
  std::string since;
  for (int round = 0; round < 6; ++round) {
    since.clear();
    for (int i = 0; i < 15; ++i) {
      std::string sql = writes.statement();
      if (writes.below(6) == 0) {
        sql = fmt::format("SAVEPOINT s; {}; {}; {}", sql, writes.statement(),
                          writes.below(2) == 0 ? "RELEASE s" : "ROLLBACK TO s; RELEASE s");
      }
      const Status done = db.source().exec(sql);
      if (!done && db.source().in_transaction()) db.must("ROLLBACK");
      since += fmt::format("{};{}\n", sql, done ? "" : "  -- refused");
    }
    ASSERT_TRUE(db.follows(bytes_max))
        << "seed " << seed << ", parts of " << bytes_max << " bytes, recursive_triggers "
        << recursive_triggers << ", after\n"
        << since;
  }
}

// Promise: what the reader gives, replayed, is exactly the tables at each watermark.
TEST(LogReaderTest, OldRowsAreReadWholeOrByTheirKeys) {
  std::string many;  // an update of as many takes several rows of the log
  for (int i = 0; i < 40; ++i) many += fmt::format(",m{} DEFAULT {}", i, i);
  for (const OldRows old_rows : {OldRows::kWhole, OldRows::kKeys}) {
    CapturedDatabase db(
        "CREATE TABLE t(a, k INTEGER, b, l, PRIMARY KEY(l,k)) WITHOUT ROWID;"
        "CREATE TABLE w(id INTEGER PRIMARY KEY" +
        many +
        ");"
        "INSERT INTO t VALUES('a',1,'b','l'); INSERT INTO w(id) VALUES(7)");
    db.capture(old_rows);
    db.must(
        "UPDATE t SET b='new'; DELETE FROM t; UPDATE w SET m39='new'; INSERT INTO w(id) VALUES(8)");
    const std::vector<Change> changes = db.changes();
    ASSERT_EQ(changes.size(), 4U);
    const bool whole = old_rows == OldRows::kWhole;
    const auto text = [&](const char* bytes) { return whole ? Value(Text{bytes}) : Value(); };
    EXPECT_EQ(changes[0].before, (Row{text("a"), Value(int64_t{1}), text("b"), Value(Text{"l"})}));
    EXPECT_EQ(changes[0].after,
              (Row{Value(Text{"a"}), Value(int64_t{1}), Value(Text{"new"}), Value(Text{"l"})}));
    EXPECT_EQ(changes[1].before,
              (Row{text("a"), Value(int64_t{1}), text("new"), Value(Text{"l"})}));
    EXPECT_EQ(changes[2].before[0], Value(int64_t{7}));
    EXPECT_EQ(changes[2].before[40].is_null(), !whole);
    EXPECT_EQ(changes[2].after[1], Value(int64_t{0}));
    EXPECT_EQ(changes[2].after[40], Value(Text{"new"}));
    EXPECT_EQ(changes[3].after[40], Value(int64_t{39}));
  }
}

// The log has the key alone of a row that a REPLACE removed from a table as wide as this: its parts
// stand in the key's order.
TEST(LogReaderTest, KeysThatStandAloneAreReadAsSuch) {
  std::string many;
  for (int i = 0; i < 40; ++i) many += fmt::format("m{},", i);
  for (const OldRows old_rows : {OldRows::kWhole, OldRows::kKeys}) {
    CapturedDatabase db("CREATE TABLE t(" + many +
                        "k TEXT, u INT, PRIMARY KEY(u,k)) WITHOUT ROWID;"
                        "CREATE UNIQUE INDEX t_m ON t(m0) WHERE m1 IS NULL;"
                        "INSERT INTO t(m0,k,u) VALUES(1,'a',1),(2,'b',2),(3,'c',3)");
    db.capture(old_rows);
    ASSERT_FALSE(recheck_has_row(db.tables()[0]));
    db.must("REPLACE INTO t(m0,k,u) VALUES(1,'new',9)");
    EXPECT_TRUE(db.follows());
    db.must("REPLACE INTO t(m0,k,u) VALUES(2,'new',7); UPDATE OR REPLACE t SET m0=3 WHERE u=9");
    EXPECT_TRUE(db.follows(1));
  }
}

// Of a long row the statement's memory is given back before the next one: it goes on from there.
TEST(LogReaderTest, LongRowsAreReadOneAfterTheOther) {
  CapturedDatabase db("CREATE TABLE t(id INTEGER PRIMARY KEY, b)");
  db.capture();
  db.must(
      "INSERT INTO t VALUES(1,zeroblob(20000000)),(2,'x'),(3,zeroblob(20000000)),"
      "(4,zeroblob(20000000)); UPDATE t SET b='y' WHERE id<>2");
  EXPECT_TRUE(db.follows(1));
  db.must("UPDATE t SET b=zeroblob(20000000) WHERE id>2; INSERT INTO t VALUES(5,5)");
  EXPECT_TRUE(db.follows());
}

TEST(LogReaderModelTest, WholeBatchesGiveTheTables) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    follow_random_writes(seed, kWhole, seed % 2 == 0);
    if (::testing::Test::HasFatalFailure()) return;
  }
}

TEST(LogReaderModelTest, BatchesInManyPartsGiveTheTables) {
  for (uint64_t seed = 1001; seed <= 1200; ++seed) {
    follow_random_writes(seed, seed % 3 == 0 ? 1 : 700, seed % 2 == 0);
    if (::testing::Test::HasFatalFailure()) return;
  }
}

// Whoever has to wait behind a part lets go of the snapshot, and reads on in a later one.
TEST(LogReaderModelTest, PartsOfSeveralSnapshotsGiveTheTables) {
  int snapshots = 0;
  for (uint64_t seed = 2001; seed <= 2200; ++seed) {
    CapturedDatabase db(kWriteSchema);
    db.must("PRAGMA foreign_keys=ON; PRAGMA trusted_schema=OFF");
    RandomWrites writes(seed);
    for (int i = 0; i < 20; ++i) (void)db.source().exec(writes.statement());
    db.capture(seed % 4 < 2 ? OldRows::kWhole : OldRows::kKeys);
    for (int round = 0; round < 6; ++round) {
      for (int i = 0; i < 15; ++i) (void)db.source().exec(writes.statement());
      int left = 10;
      ASSERT_TRUE(db.follows(seed % 3 == 0 ? 1 : 700,
                             [&] {
                               ++snapshots;
                               if (left-- > 0) (void)db.source().exec(writes.statement());
                             }))
          << "seed " << seed;
    }
  }
  EXPECT_GT(snapshots, 1000);
}

TEST(LogReaderTest, NothingWrittenIsAnEmptyClosingBatch) {
  CapturedDatabase db("CREATE TABLE t(id INTEGER PRIMARY KEY)");
  db.capture();
  const auto parts = db.read_log();
  ASSERT_TRUE(parts);
  ASSERT_EQ(parts.value().size(), 1U);
  EXPECT_TRUE(parts.value()[0].closes_watermark);
  EXPECT_TRUE(parts.value()[0].changes.empty());
}

TEST(LogReaderTest, OnlyTheLastPartClosesTheWatermark) {
  CapturedDatabase db("CREATE TABLE t(id INTEGER PRIMARY KEY, v)");
  db.capture();
  db.must("INSERT INTO t VALUES (1,'a'),(2,'b'),(3,'c')");
  const auto parts = db.read_log(1);
  ASSERT_TRUE(parts);
  ASSERT_EQ(parts.value().size(), 3U);
  EXPECT_FALSE(parts.value()[0].closes_watermark);
  EXPECT_FALSE(parts.value()[1].closes_watermark);
  EXPECT_TRUE(parts.value()[2].closes_watermark);
  EXPECT_LT(parts.value()[0].through, parts.value()[1].through);
}

// Promise: a snapshot does not see what is committed after it began.
constexpr const char* kThousandRows =
    "CREATE TABLE t(id INTEGER PRIMARY KEY, u UNIQUE, v);"
    "INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)"
    " SELECT i, i, 'v' FROM n";

// An INSERT OR IGNORE of what is there already: no row goes, yet each was noted. They are put back
// in parts of the size asked for, not from memory in one go, and none may be committed before.
TEST(LogReaderTest, RowsTakenOutArePutBackInParts) {
  constexpr size_t kPartBytes = 8000;
  constexpr size_t kChangesMax = 2 * kPartBytes / sizeof(Change);
  CapturedDatabase db(kThousandRows);
  db.capture();
  db.must("INSERT OR IGNORE INTO t SELECT * FROM t");
  const auto parts = db.read_log(kPartBytes);
  ASSERT_TRUE(parts) << describe(parts.error());
  size_t put_back = 0;
  for (const ChangeBatch& part : parts.value()) {
    EXPECT_LE(part.changes.size(), kChangesMax);
    EXPECT_EQ(part.settled, part.closes_watermark);
    put_back += static_cast<size_t>(
        std::count_if(part.changes.begin(), part.changes.end(),
                      [](const Change& change) { return change.op == ChangeOp::kInsert; }));
  }
  EXPECT_GE(put_back, 1000U);
  db.must("UPDATE t SET v = 1 WHERE id = 1; INSERT OR IGNORE INTO t SELECT * FROM t");
  db.seek(Lsn{0});
  EXPECT_TRUE(db.follows(kPartBytes));
}

// The update that follows each note says that the row is still there.
TEST(LogReaderTest, AnUpsertTakesNothingOut) {
  CapturedDatabase db(kThousandRows);
  db.capture();
  db.must("INSERT INTO t SELECT * FROM t WHERE 1 ON CONFLICT(id) DO UPDATE SET v = v || 'x'");
  const auto parts = db.read_log(8000);
  ASSERT_TRUE(parts) << describe(parts.error());
  ASSERT_GT(parts.value().size(), 10U);
  size_t vanished = 0;
  for (const ChangeBatch& part : parts.value()) {
    vanished += static_cast<size_t>(
        std::count_if(part.changes.begin(), part.changes.end(),
                      [](const Change& change) { return change.op == ChangeOp::kVanish; }));
  }
  EXPECT_LE(vanished, 4 * parts.value().size());  // only where a part ends between the two
}

// Our note comes first, then the trigger's change of the row, then REPLACE removes it unseen.
TEST(LogReaderTest, ARowThatATriggerChangesBeforeItIsReplacedVanishes) {
  CapturedDatabase db(
      "CREATE TABLE t(id INTEGER PRIMARY KEY, u TEXT UNIQUE, v);"
      "INSERT INTO t VALUES (1, 'a', 0);"
      "CREATE TRIGGER b BEFORE INSERT ON t BEGIN UPDATE t SET v = v + 1 WHERE u = new.u; END");
  db.capture();
  db.must("INSERT OR REPLACE INTO t VALUES (9, 'a', 5)");
  const auto parts = db.read_log(kWhole);
  ASSERT_TRUE(parts) << describe(parts.error());
  ASSERT_EQ(parts.value().size(), 1U);
  const std::vector<Change>& changes = parts.value().front().changes;
  ASSERT_EQ(changes.size(), 3U);
  EXPECT_EQ(changes[0].op, ChangeOp::kUpdate);
  EXPECT_EQ(changes[1].op, ChangeOp::kVanish);
  EXPECT_EQ(changes[1].before[0], Value(int64_t{1}));
  EXPECT_EQ(changes[2].op, ChangeOp::kInsert);
}

TEST(LogReaderTest, LaterCommitsBelongToTheNextWatermark) {
  const std::string path = ::testing::TempDir() + fmt::format("log_reader_{}.db", ::getpid());
  {
    CapturedDatabase db("PRAGMA journal_mode=WAL; CREATE TABLE t(id INTEGER PRIMARY KEY)", path);
    db.capture();
    auto writer = CapturedDatabase::open(path);
    ASSERT_TRUE(writer.exec("INSERT INTO t VALUES (1)"));
    const auto first = db.reader().begin_snapshot();
    ASSERT_TRUE(first);
    ASSERT_TRUE(writer.exec("INSERT INTO t VALUES (2); CREATE TABLE other(x)"));
    const auto batch = db.reader().read(Lsn{0}, kWhole);
    ASSERT_TRUE(batch) << describe(batch.error());
    EXPECT_EQ(batch.value().through, first.value().newest);
    ASSERT_EQ(batch.value().changes.size(), 1U);
    const auto second = db.reader().begin_snapshot();
    ASSERT_TRUE(second);
    EXPECT_EQ(second.value().newest, first.value().newest.next());
    EXPECT_GT(second.value().schema_version, first.value().schema_version);
  }
  for (const char* suffix : {"", "-wal", "-shm"}) ::unlink((path + suffix).c_str());
}

TEST(LogReaderTest, RetiredShapesAndOldPositionsAreSkipped) {
  CapturedDatabase db("CREATE TABLE t(id INTEGER PRIMARY KEY, v)");
  db.capture();
  db.must("INSERT INTO t VALUES (1, 'before')");
  db.capture();  // again: the first shape is retired, its changes are in the content already
  db.must("INSERT INTO t VALUES (2, 'after')");
  const auto changes = db.changes();
  ASSERT_EQ(changes.size(), 1U);
  EXPECT_EQ(changes[0].after[0], Value(int64_t{2}));
}

TEST(LogReaderTest, NamesATableWhoseKeyHoldsANull) {
  CapturedDatabase db("CREATE TABLE t(k TEXT PRIMARY KEY, v); CREATE TABLE f(k TEXT PRIMARY KEY)");
  db.capture();
  db.must("INSERT INTO t VALUES ('a', 1); INSERT INTO f VALUES ('a')");
  (void)db.changes();
  EXPECT_FALSE(db.reader().null_key_table().has_value());
  db.must("UPDATE t SET k=NULL");
  (void)db.changes();
  EXPECT_EQ(db.reader().null_key_table(), "t");
}

// What somebody else may do to the log, each of which is an error and never a crash.
class TamperedLogTest : public ::testing::TestWithParam<const char*> {};

TEST_P(TamperedLogTest, IsAnError) {
  std::string wide = "CREATE TABLE wide(id INTEGER PRIMARY KEY";
  for (int i = 0; i < 69; ++i) wide += fmt::format(",c{}", i);
  CapturedDatabase db("CREATE TABLE t(id INTEGER PRIMARY KEY, v);" + wide + ")");
  db.capture();
  // Positions: 1 t; 2, 3, 4 wide (32 + 32 + 6 values); 5 t.
  db.must(
      "INSERT INTO t VALUES (1,1); INSERT INTO wide(id) VALUES (1); INSERT INTO t VALUES (2,2)");
  ASSERT_EQ(newest_lsn(db.source()).value(), Lsn{5});
  db.must(GetParam());
  for (const size_t bytes_max : {size_t{1}, kWhole}) {
    const auto parts = db.read_log(bytes_max);
    ASSERT_FALSE(parts) << GetParam();
    EXPECT_EQ(parts.error().code, ErrorCode::kSource);
    EXPECT_EQ(parts.error().remedy, Remedy::kStop);
    EXPECT_TRUE(parts.error().lsn.has_value());
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, TamperedLogTest,
                         ::testing::Values("DELETE FROM _crossfade_log WHERE lsn=1",
                                           "DELETE FROM _crossfade_log WHERE lsn=2",
                                           "DELETE FROM _crossfade_log WHERE lsn=3",
                                           "DELETE FROM _crossfade_log WHERE lsn=4",
                                           "DELETE FROM _crossfade_log WHERE lsn IN (3,4)",
                                           "UPDATE _crossfade_log SET lsn=100 WHERE lsn=5",
                                           "UPDATE _crossfade_log SET op=0 WHERE lsn=1",
                                           "UPDATE _crossfade_log SET op=1 WHERE lsn=3",
                                           "UPDATE _crossfade_log SET op=0 WHERE lsn=5",
                                           "UPDATE _crossfade_log SET op=77 WHERE lsn=1",
                                           "UPDATE _crossfade_log SET op='x' WHERE lsn=1",
                                           "UPDATE _crossfade_log SET op=2 WHERE lsn=2",
                                           "UPDATE _crossfade_log SET tbl=1 WHERE lsn=2",
                                           "UPDATE _crossfade_log SET tbl=1 WHERE lsn=3",
                                           "INSERT INTO _crossfade_log(tbl,op) VALUES (1,0)"));

}  // namespace
}  // namespace crossfade::capture
