// Promise: a target that is away, or too slow, does not take the application's disk. Past a bound
// the change log is given up, no write of the application fails by it, and the tables are copied
// anew.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>

#include "engine/postgres/embedded.h"
#include "tests/support/connect.h"
#include "tests/support/move_test.h"
#include "tests/support/small_disk.h"
#include "tests/support/wait.h"

namespace crossfade::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// With a server of its own, to be stopped and started.
class LogBoundTest : public MoveTest {
 protected:
  void SetUp() override {
    MoveTest::SetUp();
    if (url_.empty()) return;
    shared_url_ = url_;
    start();
    url_ = server_->url();
  }
  void TearDown() override {
    if (engine_) (void)stop_engine();
    if (server_) (void)server_->destroy();
    url_ = shared_url_;
    MoveTest::TearDown();
  }
  void start() {
    auto started = postgres::EmbeddedCluster::start({dir_.file("server"), "crossfade", {}});
    ASSERT_TRUE(started) << describe(started.error());
    server_ = std::move(started).value();
  }
  void stop() {
    const auto stopped = server_->stop();
    ASSERT_TRUE(stopped) << describe(stopped.error());
  }
  void make_wide_shop() {
    make_shop(500);
    app("ALTER TABLE purchase ADD COLUMN note TEXT");
  }
  // Half a MiB of the log.
  static std::string write(AppDb& application) {
    return application.run("UPDATE purchase SET note=hex(randomblob(500))");
  }
  [[nodiscard]] bool captures() const {
    return AppDb(db_).value(
               "SELECT count(*) FROM sqlite_master WHERE type='trigger' AND name GLOB "
               "'_crossfade*'") != "0";
  }
  [[nodiscard]] std::string logged() const {
    return AppDb(db_).value("SELECT count(*) FROM _crossfade_log");
  }
  // Each write must succeed. `rest`: between two, of a MiB each and as much in the WAL.
  void write_until_given_up(milliseconds rest = milliseconds(20)) const {
    AppDb application(db_);
    ASSERT_TRUE(wait_until(
        [&] {
          EXPECT_EQ(write(application), "");
          return !captures();
        },
        seconds(60), rest));
    // Not too often: whoever reads keeps SQLite from using its WAL again, of a disk that is small.
    EXPECT_TRUE(wait_until([&] { return logged() == "1"; }, seconds(60), milliseconds(500)))
        << logged();
  }
  void expect_on_record() const {
    const Finished shown = crossfade({"audit", "show", db_});
    EXPECT_NE(shown.out.find("capture_given_up"), std::string::npos) << shown.out << shown.err;
    EXPECT_EQ(shown.out.find("target_went_back"), std::string::npos) << shown.out;
  }

  std::string shared_url_;
  std::optional<postgres::EmbeddedCluster> server_;
};

TEST_F(LogBoundTest, OfATargetThatIsAway) {
  make_wide_shop();
  follow({"--max-log", "2"});
  stop();
  write_until_given_up();
  AppDb application(db_);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(write(application), "");
  EXPECT_EQ(logged(), "1");
  EXPECT_TRUE(engine_->running()) << engine_->err();
  start();
  expect_becomes_equal(seconds(60));
  expect_on_record();
  app("UPDATE purchase SET note='followed' WHERE id%3=0");
  expect_becomes_equal();
}

TEST_F(LogBoundTest, OfAnEngineThatFindsNoTarget) {
  make_wide_shop();
  ASSERT_EQ(run_until_verified().code, 0);
  stop();
  AppDb application(db_);
  for (int i = 0; i < 6; ++i) EXPECT_EQ(write(application), "");
  EXPECT_EQ(crossfade({"run", db_, "--target", url_}).code, 6);
  EXPECT_TRUE(captures()) << "there was no bound";
  const Finished refused = crossfade({"run", db_, "--target", url_, "--max-log", "2"});
  EXPECT_EQ(refused.code, 6) << refused.err;
  EXPECT_NE(refused.err.find("capture was given up"), std::string::npos) << refused.err;
  EXPECT_FALSE(captures());
  EXPECT_TRUE(wait_until(
      [&] {
        EXPECT_EQ(crossfade({"run", db_, "--target", url_}).code, 6);
        return logged() == "1";
      },
      seconds(20)))
      << logged();
  expect_on_record();
  start();
  EXPECT_EQ(run_until_verified().code, 0);
  expect_becomes_equal();
}

TEST_F(LogBoundTest, OfATargetThatIsTooSlow) {
  make_wide_shop();
  follow({"--max-log", "2"});
  target_exec(
      "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS "
      "'BEGIN PERFORM pg_sleep(0.005); RETURN NEW; END';"
      "CREATE TRIGGER slow BEFORE INSERT OR UPDATE ON public.purchase FOR EACH ROW EXECUTE "
      "FUNCTION "
      "slow(); ALTER TABLE public.purchase ENABLE ALWAYS TRIGGER slow");
  write_until_given_up();
  expect_on_record();
  expect_becomes_equal(seconds(90));  // the trigger went with the table
}

// What is written during a copy is the log's to keep: the copy does not go on without it.
TEST_F(LogBoundTest, OfACopyEndsIt) {
  make_wide_shop();
  // The copy of 500 rows takes five seconds.
  target_exec(
      "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS "
      "'BEGIN PERFORM pg_sleep(0.01); RETURN NEW; END';"
      "CREATE FUNCTION slow_down() RETURNS event_trigger LANGUAGE plpgsql AS "
      "'BEGIN IF EXISTS(SELECT 1 FROM pg_event_trigger_ddl_commands() WHERE object_identity="
      "''public.purchase'') THEN CREATE TRIGGER slow BEFORE INSERT ON public.purchase FOR EACH ROW "
      "EXECUTE FUNCTION slow(); ALTER TABLE public.purchase ENABLE ALWAYS TRIGGER slow; END IF; "
      "END'; CREATE EVENT TRIGGER slow_down ON ddl_command_end WHEN TAG IN ('CREATE TABLE') "
      "EXECUTE "
      "FUNCTION slow_down(); ALTER EVENT TRIGGER slow_down ENABLE ALWAYS");
  engine_ = std::make_unique<Process>(
      crossfade_command({"run", db_, "--target", url_, "--max-log", "2"}));
  AppDb application(db_);
  ASSERT_TRUE(wait_until(
      [&] {
        EXPECT_EQ(write(application), "");
        return !engine_->running();
      },
      seconds(60), milliseconds(20)));
  EXPECT_EQ(engine_->wait(seconds(1)), 3) << engine_->err();
  EXPECT_NE(engine_->err().find("--keep-free"), std::string::npos) << engine_->err();
  engine_.reset();
  EXPECT_FALSE(captures());
  target_exec("DROP EVENT TRIGGER slow_down");
  EXPECT_EQ(run_until_verified().code, 0);
  expect_becomes_equal();
}

class LogRoomTest : public LogBoundTest {
 protected:
  void SetUp() override {
    LogBoundTest::SetUp();
    if (IsSkipped()) return;
    if (!disk_.mount(dir_.file("small"), "size=192m")) GTEST_SKIP() << disk_.why();
    db_ = disk_.folder() + "/app.db";
  }

  SmallDisk disk_;
};

TEST_F(LogRoomTest, IsLeftToTheApplication) {
  make_wide_shop();
  follow({"--keep-free", "96"});
  stop();
  write_until_given_up(milliseconds(200));  // what comes until it is noticed must find room
  AppDb application(db_);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(write(application), "");
  expect_on_record();
  start();
  expect_becomes_equal(seconds(60));
}

}  // namespace
}  // namespace crossfade::testing
