// The oracle must see every difference, or the tests that trust it prove nothing.
#include "tests/support/oracle.h"

#include <gtest/gtest.h>

#include "engine/sqlite/connection.h"
#include "tests/support/cluster.h"
#include "tests/support/connect.h"
#include "tests/support/real_dbs.h"
#include "tests/support/temp_dir.h"
#include "tests/support/wait.h"
#include "tests/support/writers.h"

namespace crossfade::testing {
namespace {

class OracleTest : public ::testing::Test {
 protected:
  void SetUp() override {
    CROSSFADE_NEEDS_POSTGRES();
    url_ = TestCluster::create_database();
  }
  void TearDown() override {
    if (!url_.empty()) TestCluster::drop_database(url_);
  }

  void source(const std::string& sql) {
    auto db = sqlite::Connection::open({dir_.file("a.db"), sqlite::Access::kCreate});
    ASSERT_TRUE(db) << describe(db.error());
    auto done = db.value().exec(sql);
    ASSERT_TRUE(done) << describe(done.error());
  }
  void target(const std::string& sql) {
    auto connection = connect_or_die(url_);
    auto done = connection.exec("SET search_path = public; " + sql);
    ASSERT_TRUE(done) << describe(done.error());
  }
  [[nodiscard]] std::string compare(const OracleOptions& options = {}) const {
    return compare_databases(dir_.file("a.db"), url_, options);
  }

  TempDir dir_;
  std::string url_;
};

TEST_F(OracleTest, EveryTypeAndClassThatAgreesIsEqual) {
  source(
      "CREATE TABLE t(i, b, d, n, x, y, v);"
      "INSERT INTO t VALUES (1, 1, 0.1, 10, 'it''s é', x'00ff', 1),"
      " (-9223372036854775808, 0, 9e999, 3.10, '', x'', 1.0),"
      " (NULL, NULL, -0.0, -1e20, NULL, NULL, 'x'), (5, 0, 5e-324, 0.1, 'a', x'61', x'00ff'),"
      " (5, 0, 1.0, 9223372036854775807, 'a', x'61', cast(x'6100' AS TEXT)),"
      " (5, 0, 1.0, 0, 'a', x'61', -9e999), (5, 0, 1.0, 0, 'a', x'61', '{\"$blob\":\"00\"}')");
  target(
      "CREATE TABLE t(i bigint, b boolean, d float8, n numeric, x text, y bytea, v jsonb);"
      "INSERT INTO t VALUES (5, 'f', 5e-324, 0.1, 'a', 'a', '{\"$blob\":\"00ff\"}'),"
      " (1, 't', 0.1, 10.00, 'it''s é', '\\x00ff', '1'),"
      " (NULL, NULL, 0.0, -100000000000000000000, NULL, NULL, '\"x\"'),"
      " (-9223372036854775808, 'f', 'Infinity', 3.1, '', '', '1.0'),"
      " (5, 'f', 1, 9223372036854775807, 'a', 'a', '{\"$text\":\"6100\"}'),"
      " (5, 'f', 1, 0, 'a', 'a', '{\"$real\":\"-Infinity\"}'),"
      " (5, 'f', 1, 0, 'a', 'a', '\"{\\\"$blob\\\":\\\"00\\\"}\"')");
  EXPECT_EQ(compare(), "");
}

// Each pair is one row that must be seen as different.
TEST_F(OracleTest, EverySmallDifferenceIsSeen) {
  const std::vector<std::tuple<std::string, std::string, std::string>> cases = {
      {"1", "bigint", "2"},
      {"1.0", "bigint", "1"},
      {"'1'", "bigint", "1"},
      {"2", "boolean", "true"},
      {"0.1", "float8", "0.10000000000000002"},
      {"1", "float8", "1"},
      {"9007199254740993", "numeric", "9007199254740992"},
      {"0.1", "numeric", "0.11"},
      {"'a'", "text", "'A'"},
      {"'a'", "text", "'a '"},
      {"''", "text", "NULL"},
      {"NULL", "text", "''"},
      {"x'61'", "text", "'a'"},
      {"'a'", "bytea", "'a'"},
      {"x'00'", "bytea", "'\\x0000'"},
      {"1", "jsonb", "'1.0'"},
      {"1.0", "jsonb", "'1'"},
      {"'1'", "jsonb", "'1'"},
      {"x'00'", "jsonb", "'{\"$text\":\"00\"}'"},
      {"NULL", "jsonb", "'null'"},
      {"1", "oid", "1"}};
  for (const auto& [value, type, other] : cases) {
    source("DROP TABLE IF EXISTS t; CREATE TABLE t(a); INSERT INTO t VALUES (" + value + ")");
    target("DROP TABLE IF EXISTS t; CREATE TABLE t(a " + type + "); INSERT INTO t VALUES (" +
           other + ")");
    EXPECT_NE(compare(), "") << value << " against " << type << " " << other;
  }
}

TEST_F(OracleTest, RowsAreAMultiset) {
  source("CREATE TABLE t(a INTEGER); INSERT INTO t VALUES (1), (1), (2)");
  target("CREATE TABLE t(a bigint); INSERT INTO t VALUES (2), (1), (1)");
  EXPECT_EQ(compare(), "");
  target("DELETE FROM t; INSERT INTO t VALUES (1), (2), (2)");
  const std::string report = compare();
  EXPECT_NE(report.find("only in SQLite: a=I1"), std::string::npos) << report;
  EXPECT_NE(report.find("only in PostgreSQL: a=I2"), std::string::npos) << report;
}

TEST_F(OracleTest, TheCarriedRowidIsCompared) {
  source("CREATE TABLE t(rowid TEXT, a); INSERT INTO t(_rowid_, rowid, a) VALUES (7, 'r', 1)");
  target(
      "CREATE TABLE t(_crossfade_rowid bigint, rowid text, a bigint);"
      "INSERT INTO t VALUES (7, 'r', 1)");
  EXPECT_EQ(compare(), "");
  target("UPDATE t SET _crossfade_rowid = 8");
  EXPECT_NE(compare(), "");
}

TEST_F(OracleTest, TablesAndColumnsOfOneSideOnlyAreNamed) {
  source(
      "CREATE TABLE a(x); CREATE TABLE b(x, y); CREATE TABLE _crossfade_log(l);"
      "CREATE VIRTUAL TABLE f USING fts5(body); CREATE TABLE ign(x)");
  target("CREATE TABLE b(x bigint, z bigint); CREATE TABLE c(x bigint)");
  OracleOptions options;
  options.ignored_tables = {"ign"};
  std::string report = compare(options);
  EXPECT_NE(report.find("table a: not on the target"), std::string::npos) << report;
  EXPECT_NE(report.find("table b: column z on the target only"), std::string::npos) << report;
  EXPECT_NE(report.find("table c: on the target only"), std::string::npos) << report;
  EXPECT_EQ(report.find("log"), std::string::npos) << report;
  EXPECT_EQ(report.find("table f"), std::string::npos) << report;
  target("ALTER TABLE b DROP COLUMN z");
  EXPECT_NE(compare(options).find("table b: column y not on the target"), std::string::npos);
}

// The writers do what they say, on a file nobody else touches.
TEST(WritersTest, AcknowledgedWritesAreThereOnce) {
  CROSSFADE_NEEDS_REAL_DBS();
  const TempDir dir;
  for (const char* name : {"chinook", "thoughts"}) {
    WritersOptions options;
    options.db = copy_real_db(name, dir);
    options.seconds = 30;
    Writers writers(options);
    EXPECT_TRUE(
        wait_until([&] { return writers.acknowledged() >= 100; }, std::chrono::seconds(25)));
    EXPECT_EQ(writers.finish(/*now=*/true, std::chrono::seconds(10)), "");
    EXPECT_EQ(writers.moved(), 0U);
    EXPECT_EQ(writers.check_sqlite(options.db), "");
    auto db = sqlite::Connection::open({options.db, sqlite::Access::kReadWrite});
    ASSERT_TRUE(db);
    ASSERT_TRUE(db.value().exec("DELETE FROM crossfade_ack WHERE rowid % 10 = 0"));
    EXPECT_NE(writers.check_sqlite(options.db), "");
  }
}

// Promise: a writer that meets the fence ends well, having said so.
TEST(WritersTest, AFenceIsRecognised) {
  const TempDir dir;
  WritersOptions options;
  options.db = dir.file("a.db");
  options.seconds = 30;
  {
    auto db = sqlite::Connection::open({options.db, sqlite::Access::kCreate});
    ASSERT_TRUE(db);
    ASSERT_TRUE(db.value().exec("CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT)"));
  }
  Writers writers(options);
  EXPECT_TRUE(wait_until([&] { return writers.acknowledged() >= 50; }, std::chrono::seconds(25)));
  {
    auto db = sqlite::Connection::open({options.db, sqlite::Access::kReadWrite});
    ASSERT_TRUE(db);
    for (const char* table : {"t", "crossfade_ack"}) {
      for (const char* verb : {"INSERT", "UPDATE", "DELETE"}) {
        const std::string name = std::string("f_") + table + verb;
        ASSERT_TRUE(db.value().exec("CREATE TRIGGER " + name + " BEFORE " + verb + " ON " + table +
                                    " BEGIN SELECT crossfade_moved_to_postgresql(); END"));
      }
    }
  }
  EXPECT_EQ(writers.finish(/*now=*/false, std::chrono::seconds(10)), "");
  EXPECT_EQ(writers.moved(), 3U);
  EXPECT_EQ(writers.check_sqlite(options.db), "");
}

}  // namespace
}  // namespace crossfade::testing
