// Promise: as many columns as PostgreSQL has go there and back, and many tables (CROSSFADE_TABLES
// says how many) are captured, cut over and rolled back while
// the application writes.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <set>
#include <string>

#include "tests/support/move_test.h"
#include "tests/support/wait.h"

namespace crossfade::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;

class SizeLimitsTest : public MoveTest {
 protected:
  static int64_t size(const char* name, int64_t by_default) {
    const char* const said = std::getenv(name);
    return said == nullptr ? by_default : std::atoll(said);
  }
};

TEST_F(SizeLimitsTest, AsManyColumnsAsPostgresqlHas) {
  std::string columns;
  for (int i = 1; i < 1600; ++i) columns += fmt::format(",c{} INT", i);
  app("PRAGMA journal_mode=WAL; CREATE TABLE wide(id INTEGER PRIMARY KEY" + columns + ")");
  app("INSERT INTO wide(id,c1,c1599) VALUES(1,1,1),(2,2,2),(3,3,3)");
  follow();
  app("INSERT INTO wide(id,c800) VALUES(4,4); UPDATE wide SET c1599=9 WHERE id=1;"
      "UPDATE wide SET id=5 WHERE id=2; DELETE FROM wide WHERE id=3");
  expect_becomes_equal();
  ASSERT_EQ(crossfade({"cutover", db_}).code, 0);
  target_exec(
      "INSERT INTO public.wide(id,c7) VALUES(6,6); UPDATE public.wide SET c1599=8 WHERE id=1;"
      "DELETE FROM public.wide WHERE id=4");
  ASSERT_EQ(crossfade({"rollback", db_}).code, 0);
  EXPECT_EQ(AppDb(db_).value("SELECT group_concat(id||':'||ifnull(c7,c1599),' ') FROM wide"),
            "1:8 5:2 6:6");
  expect_becomes_equal();
  EXPECT_EQ(stop_engine(), 0);
}

// And nobody waits for the square of their number: neither writers while capture is installed, nor
// a cutover's pause.
TEST_F(SizeLimitsTest, ManyTablesKeepNobodyWaiting) {
  const int64_t tables = size("CROSSFADE_TABLES", 500);
  std::string sql = "PRAGMA journal_mode=WAL; BEGIN;";
  for (int64_t i = 0; i < tables; ++i) {
    sql += fmt::format(
        "CREATE TABLE t{0}(id INTEGER PRIMARY KEY, a TEXT NOT NULL, b INT); CREATE INDEX t{0}_a ON "
        "t{0}(a); INSERT INTO t{0} VALUES(1,'x',1),(2,'y',NULL);",
        i);
  }
  app(sql + "COMMIT");
  AppWriters writers(db_, 1);
  engine_ = std::make_unique<Process>(crossfade_command({"run", db_, "--target", url_}));
  std::set<std::string> triggers;
  const auto follows = [&] {
    triggers.insert(AppDb(db_).value(
        "SELECT count(*) FROM sqlite_master WHERE type='trigger' AND name GLOB '_crossfade_*'"));
    return await_phase("following", milliseconds(0));
  };
  ASSERT_TRUE(wait_until(follows, seconds(60) * (1 + tables / 500))) << engine_->err();
  writers.stop();
  fmt::print("{} tables: a write took {} ms at most while capture was installed\n", tables,
             writers.longest_wait().count());
  EXPECT_EQ(writers.refused(), 0);
  EXPECT_LE(triggers.size(), 2U) << "some tables were captured before others";
  std::string updates = "BEGIN;";
  for (int64_t i = 0; i < tables; ++i) updates += fmt::format("UPDATE t{} SET a='z';", i);
  app(updates + "COMMIT");
  expect_becomes_equal(seconds(60));
  const auto cutover = crossfade({"cutover", db_, "--json"});
  ASSERT_EQ(cutover.code, 0) << cutover.err;
  fmt::print("cutover: {}\n", cutover.out);
  const std::string last = fmt::format("t{}", tables - 1);
  EXPECT_EQ(AppDb(db_).value("SELECT count(*) FROM sqlite_master WHERE name GLOB '*_fence_*'"),
            fmt::format("{}", 3 * (tables + 1)));  // app_entry is one
  EXPECT_THAT(AppDb(db_).run("UPDATE " + last + " SET b=7"), HasSubstr("moved_to_postgresql"));
  target_exec("UPDATE public." + last + " SET b=8");
  const auto rollback = crossfade({"rollback", db_, "--json"});
  ASSERT_EQ(rollback.code, 0) << rollback.err;
  fmt::print("rollback: {}\n", rollback.out);
  EXPECT_EQ(AppDb(db_).value("SELECT sum(b) FROM " + last), "16");
  app("UPDATE " + last + " SET b=9");
  expect_becomes_equal(seconds(60));
  EXPECT_EQ(stop_engine(), 0);
  EXPECT_EQ(crossfade({"finish", db_}).code, 0);
  EXPECT_EQ(AppDb(db_).value("SELECT count(*) FROM sqlite_master WHERE name GLOB '_crossfade*'"),
            "0");
}

}  // namespace
}  // namespace crossfade::testing
