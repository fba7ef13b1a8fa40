// Promise: what two threads learn of a long table, half of the columns each, is what one learns.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <string>
#include <thread>

#include "engine/core/stop.h"
#include "engine/schema/catalog.h"
#include "engine/schema/plan.h"
#include "engine/schema/scan.h"
#include "engine/sqlite/connection.h"
#include "engine/sqlite/transaction.h"
#include "tests/support/temp_dir.h"
#include "tests/support/wait.h"

namespace crossfade::schema {
namespace {

class ScanHalvesTest : public ::testing::Test {
 protected:
  ScanHalvesTest() : source_(open(dir_.file("app.db"))) {}

  static sqlite::Connection open(const std::string& path) {
    auto opened = sqlite::Connection::open({path, sqlite::Access::kCreate});
    EXPECT_TRUE(opened) << describe(opened.error());
    return std::move(opened).value();
  }

  void exec(const std::string& sql) {
    const Status done = source_.exec(sql);
    ASSERT_TRUE(done) << describe(done.error()) << "\n" << sql;
  }

  // Enough rows for two threads.
  static std::string numbers() {
    return fmt::format("WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM c WHERE i<{}) ",
                       kScanLongRows + 20'000);
  }

  // One thread alone reads inside a transaction.
  std::string said(bool alone) {
    std::optional<sqlite::Transaction> transaction;
    if (alone) {
      auto begun = sqlite::Transaction::begin(source_, sqlite::Begin::kDeferred);
      EXPECT_TRUE(begun);
      transaction.emplace(std::move(begun).value());
    }
    auto catalog = read_catalog(source_);
    EXPECT_TRUE(catalog);
    std::string out;
    for (const Table& table : catalog.value().tables) {
      auto evidence = scan_table(source_, table, nullptr);
      EXPECT_TRUE(evidence) << describe(evidence.error());
      out += said(table, evidence.value());
    }
    auto plan = make_plan(source_, catalog.value(), {.target_schema = "s"});
    EXPECT_TRUE(plan) << describe(plan.error());
    for (const Finding& f : plan.value().findings) {
      out += fmt::format("{} {} {}: {} {}\n", f.code, f.table, f.column, f.rows,
                         fmt::join(f.samples, "; "));
    }
    for (const TablePlan& t : plan.value().tables) {
      for (const Column& c : t.table.columns) {
        out +=
            fmt::format("{}.{} {} {}\n", t.table.name, c.name, to_string(c.type), c.type.pattern);
      }
    }
    return out;
  }

  static std::string said(const Table& table, const TableEvidence& evidence) {
    std::string out = fmt::format(
        "{}: {} rows, {} {}, {} {} {}\n", table.name, evidence.rows, evidence.null_keys.rows,
        fmt::join(evidence.null_keys.samples, "; "), evidence.long_keys.rows,
        fmt::join(evidence.long_keys.samples, "; "), evidence.key_bytes_max);
    for (const ColumnEvidence& c : evidence.columns) {
      out += fmt::format("  {} {} {} {} {}, {} {}, {} {}, {}, {} {} {}, {} {}", c.storage.null,
                         c.storage.integer, c.storage.real, c.storage.text, c.storage.blob,
                         c.integer_min, c.integer_max, c.number_min, c.number_max, c.infinities,
                         c.beyond_boolean.rows, c.text_nul.rows, c.text_invalid.rows,
                         c.text_bytes_max, c.blob_bytes_max);
      for (const auto& samples : c.samples) out += fmt::format(" [{}]", fmt::join(samples, "; "));
      out += "\n";
    }
    return out;
  }

  testing::TempDir dir_;
  sqlite::Connection source_;
};

TEST_F(ScanHalvesTest, AreWhatOneScanLearns) {
  exec(
      "CREATE TABLE event(id INTEGER PRIMARY KEY, kind TEXT NOT NULL, at TEXT, seen, size REAL,"
      " flag BOOLEAN, body BLOB, uuid TEXT);"
      "CREATE TABLE part(maker TEXT, code TEXT, price, PRIMARY KEY(maker, code)) ;"
      "CREATE TABLE loose(a, b, c, d, e);"
      "CREATE TABLE strict_one(k TEXT PRIMARY KEY, a, b, c) WITHOUT ROWID;");
  exec(numbers() +
       "INSERT INTO event SELECT i, CASE i%3 WHEN 0 THEN 'in' ELSE 'out' END,"
       " datetime(1700000000+i,'unixepoch'), CASE i%7 WHEN 0 THEN 'x' ELSE i END, i/3.0,"
       " i%2 + (i=60001), randomblob(i%5),"
       " lower(hex(randomblob(4))||'-'||hex(randomblob(2))||'-'||hex(randomblob(2))||'-'||"
       "hex(randomblob(2))||'-'||hex(randomblob(6))) FROM c;");
  exec(
      "UPDATE event SET at='2024-02-31 00:00:00' WHERE id=69999;"
      "UPDATE event SET kind=CAST(x'41ff' AS TEXT) WHERE id=65000");
  exec("INSERT INTO part SELECT CASE WHEN id%9000 THEN 'm'||id END, 'c'||id, id*0.25 FROM event");
  exec("INSERT INTO loose SELECT id, kind, body, NULL, size FROM event");
  exec("INSERT INTO strict_one SELECT uuid, kind, size, flag FROM event");
  exec("ALTER TABLE part ADD COLUMN note DEFAULT 'none'; ALTER TABLE part ADD COLUMN n INTEGER");
  ASSERT_TRUE(source_.beside()) << "without it there is one thread only";
  const std::string alone = said(true);
  EXPECT_NE(alone.find("rowid"), std::string::npos) << alone;
  EXPECT_NE(alone.find("70000 rows"), std::string::npos) << alone;
  EXPECT_EQ(said(false), alone);
}

TEST_F(ScanHalvesTest, EndWhenTheyAreTold) {
  exec("CREATE TABLE t(id INTEGER PRIMARY KEY, a, b, c, d)");
  exec(numbers() + "INSERT INTO t SELECT i, i, i, i, i FROM c");
  // Slow by each row: a whole scan takes many seconds, however late the other thread is.
  exec("ALTER TABLE t ADD COLUMN slow AS (length(hex(zeroblob(200000 + id % 2))))");
  const auto catalog = read_catalog(source_);
  ASSERT_TRUE(catalog);
  StopSource stop;
  // Nobody is alone with a file, without a WAL, that is being read.
  std::thread other([&] {
    auto watching = sqlite::Connection::open(
        {source_.path(), sqlite::Access::kReadWrite, std::chrono::milliseconds(0)});
    EXPECT_TRUE(watching);
    EXPECT_TRUE(testing::wait_until(
        [&] {
          if (!watching.value().exec("BEGIN EXCLUSIVE")) return true;
          EXPECT_TRUE(watching.value().exec("ROLLBACK"));
          return false;
        },
        std::chrono::seconds(20)));
    stop.request();
  });
  const auto evidence = scan_table(source_, catalog.value().tables.at(0), &stop);
  other.join();
  ASSERT_FALSE(evidence);
  EXPECT_EQ(evidence.error().code, ErrorCode::kInterrupted);
}

// What one of the two cannot read is what the whole scan says, whichever it is.
TEST_F(ScanHalvesTest, NameWhatEitherCannotRead) {
  for (const char* columns : {"e AS (d), a, b, c, d", "a, b, c, d, e AS (d)"}) {
    exec("DROP TABLE IF EXISTS t");
    exec(fmt::format("CREATE TABLE t(id INTEGER PRIMARY KEY, {})", columns));
    exec(numbers() +
         "INSERT INTO t(id,a,b,c,d) SELECT i, i, i, i, CASE i WHEN 2000 THEN "
         "-9223372036854775807-1 ELSE i END FROM c");
    // SQLite itself would not have let it in.
    exec(
        "PRAGMA writable_schema=ON;"
        "UPDATE sqlite_master SET sql=replace(sql,'(d)','(abs(d))') WHERE name='t';"
        "PRAGMA writable_schema=RESET");
    const auto catalog = read_catalog(source_);
    ASSERT_TRUE(catalog);
    const auto evidence = scan_table(source_, catalog.value().tables.at(0), nullptr);
    ASSERT_FALSE(evidence) << columns;
    EXPECT_NE(describe(evidence.error()).find("integer overflow"), std::string::npos)
        << describe(evidence.error());
  }
}

}  // namespace
}  // namespace crossfade::schema
