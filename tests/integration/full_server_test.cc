// Promise: a full disk under PostgreSQL is said, costs the application nothing and loses nothing.
// Once there is room, the same command goes on to where both sides are equal.
#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <optional>

#include "engine/postgres/embedded.h"
#include "tests/support/connect.h"
#include "tests/support/move_test.h"
#include "tests/support/reaper.h"
#include "tests/support/small_disk.h"
#include "tests/support/wait.h"

namespace crossfade::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

namespace fs = std::filesystem;

// With a server of its own, of which one folder is on a disk of its own.
class FullServerTest : public MoveTest {
 protected:
  void SetUp() override {
    MoveTest::SetUp();
    if (url_.empty()) return;
    shared_url_ = url_;
    fs::permissions(dir_.path(), fs::perms(0711));
    options_.folder = dir_.file("server");
    options_.settings = {"fsync=off", "min_wal_size=32MB", "max_wal_size=32MB", "autovacuum=off"};
    reap_at_exit(options_.folder);
    start();
    url_ = server_->url();
  }
  void TearDown() override {
    if (engine_) (void)stop_engine();
    if (server_) (void)server_->destroy();
    if (!shared_url_.empty()) url_ = shared_url_;
    MoveTest::TearDown();
  }
  void start() {
    auto started = postgres::EmbeddedCluster::start(options_);
    ASSERT_TRUE(started) << describe(started.error());
    server_ = std::move(started).value();
  }
  // Puts `folder` of the server's data on a disk with so much room. False: skipped.
  bool put_on_small_disk(const std::string& folder, const std::string& room) {
    if (!disk_.mount(dir_.file("small"), room)) return false;
    const std::string from = options_.folder + "/data/" + folder;
    const std::string to = disk_.folder() + "/" + folder;
    EXPECT_TRUE(server_->stop());
    EXPECT_EQ(run_process({{"cp", "-a", from, to}, {}, {}, {}}).code, 0);
    fs::remove_all(from);
    fs::create_symlink(to, from);
    start();
    return !HasFatalFailure();
  }
  // Leaves `bytes` of the disk.
  void fill(uintmax_t bytes = 0) const {
    const int fd = ::open(ballast().c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    const std::string block(4096, 'x');
    while (fs::space(disk_.folder()).available > bytes &&
           ::write(fd, block.data(), block.size()) > 0) {
    }
    ::close(fd);
  }
  void make_room() const { fs::remove(ballast()); }
  [[nodiscard]] std::string ballast() const { return disk_.folder() + "/ballast"; }

  // A MB for each 100 rows; nothing that PostgreSQL could compress.
  static std::string notes(int from, int to) {
    return fmt::format(
        "WITH RECURSIVE c(i) AS (SELECT {} UNION ALL SELECT i+1 FROM c WHERE i<{}) INSERT INTO "
        "customer(name,note) SELECT 'n'||i, randomblob(10000) FROM c",
        from, to);
  }
  // The engine has ended because of the disk, or tries again.
  void expect_told() const {
    EXPECT_TRUE(wait_until(
        [&] {
          return !engine_->running() || engine_->err().find("trying again") != std::string::npos;
        },
        seconds(60)))
        << engine_->err();
    if (engine_->running()) return;
    EXPECT_EQ(engine_->wait(seconds(1)), 6) << engine_->err();
    EXPECT_THAT(engine_->err(), HasSubstr("the target's disk is full"));
  }
  void go_on() {
    if (engine_->running()) return;
    engine_.reset();
    follow();
  }

  std::string shared_url_;
  postgres::EmbeddedOptions options_;
  std::optional<postgres::EmbeddedCluster> server_;
  SmallDisk disk_;
};

TEST_F(FullServerTest, InTheCopy) {
  if (!put_on_small_disk("base", "size=96m")) GTEST_SKIP() << disk_.why();
  make_shop();
  app(notes(1, 2'000));
  fill(8'000'000);
  AppWriters writers(db_, 1);
  const Finished full = run_until_verified();
  EXPECT_EQ(full.code, 6) << full.err;
  EXPECT_THAT(full.err, HasSubstr("the target's disk is full"));
  EXPECT_EQ(writers.refused(), 0);
  make_room();
  const Finished done = run_until_verified();
  EXPECT_EQ(done.code, 0) << done.out << done.err;
  EXPECT_EQ(writers.refused(), 0);
  writers.stop();
  follow();
  expect_becomes_equal();
}

TEST_F(FullServerTest, WhileFollowing) {
  if (!put_on_small_disk("base", "size=96m")) GTEST_SKIP() << disk_.why();
  make_shop();
  follow();
  fill();
  AppWriters writers(db_, 1);
  app(notes(1, 1'000));
  expect_told();
  app(notes(2'000, 2'100));
  EXPECT_EQ(writers.refused(), 0);
  make_room();
  go_on();
  writers.stop();
  expect_becomes_equal();
}

// The server gives up as a whole, and does not come back by itself while there is no room.
TEST_F(FullServerTest, OfItsWriteAheadLog) {
  if (!put_on_small_disk("pg_wal", "size=80m")) GTEST_SKIP() << disk_.why();
  make_shop();
  follow();
  fill();
  AppWriters writers(db_, 1);
  app(notes(1, 3'000));
  expect_told();
  EXPECT_EQ(writers.refused(), 0);
  make_room();
  start();
  go_on();
  writers.stop();
  expect_becomes_equal(seconds(60));
}

// Tables are made in one transaction, and each takes a few of the server's locks.
TEST_F(FullServerTest, OfLocks) {
  for (const char* setting :
       {"max_locks_per_transaction = 10", "max_connections = 15", "max_wal_senders = 2",
        "max_worker_processes = 2", "autovacuum_max_workers = 1"}) {
    target_exec(fmt::format("ALTER SYSTEM SET {}", setting));
  }
  ASSERT_TRUE(server_->stop());
  start();
  std::string tables = "PRAGMA journal_mode=WAL; BEGIN;";
  for (int i = 0; i < 250; ++i) tables += fmt::format("CREATE TABLE t{}(a TEXT);", i);
  app(tables + "COMMIT");
  const Finished full = run_until_verified();
  EXPECT_EQ(full.code, 6) << full.err;
  EXPECT_THAT(full.err, HasSubstr("raise its max_locks_per_transaction"));
  app("INSERT INTO t249 VALUES('goes on')");
  target_exec("ALTER SYSTEM SET max_locks_per_transaction = 256");
  ASSERT_TRUE(server_->stop());
  start();
  EXPECT_EQ(run_until_verified().code, 0);
  EXPECT_EQ(target_value("SELECT a FROM public.t249"), "goes on");
}

// In the cutover, as it makes the way back: what is written from then on finds no room.
TEST_F(FullServerTest, InACutover) {
  if (!put_on_small_disk("base", "size=96m")) GTEST_SKIP() << disk_.why();
  make_shop();
  follow();
  // Not by waiting for the lock: the engine bounds that.
  target_exec(
      "CREATE FUNCTION wait_for_test() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN WHILE "
      "EXISTS(SELECT 1 FROM pg_locks WHERE locktype=''advisory'' AND objid=4711) LOOP PERFORM "
      "pg_sleep(0.02); END LOOP; END'; CREATE EVENT TRIGGER wait_for_test ON ddl_command_start "
      "EXECUTE FUNCTION wait_for_test(); ALTER EVENT TRIGGER wait_for_test ENABLE ALWAYS");
  auto gate = connect_or_die(url_);
  ASSERT_TRUE(gate.exec("SELECT pg_advisory_lock(4711)"));
  Process cutover(crossfade_command({"cutover", db_}));
  ASSERT_TRUE(wait_until(
      [&] {
        return target_value("SELECT count(*) FROM pg_stat_activity WHERE wait_event='PgSleep'") !=
               "0";
      },
      seconds(20)))
      << engine_->err();
  fill();
  AppWriters writers(db_, 1);
  app(notes(1, 1'000));
  ASSERT_TRUE(gate.exec("SELECT pg_advisory_unlock(4711)"));
  EXPECT_THAT(cutover.wait(seconds(60)).value_or(-1), AnyOf(6, 8)) << cutover.err();
  EXPECT_THAT(cutover.err() + engine_->err(), HasSubstr("disk is full"));
  EXPECT_THAT(crossfade({"route", db_}).out, StartsWith("sqlite"));
  EXPECT_EQ(writers.refused(), 0);
  app("INSERT INTO journal VALUES(3,'goes on')");
  // The engine may end for the same reason. If it does not, it goes on.
  (void)wait_until([&] { return !engine_->running(); }, seconds(10));
  make_room();
  target_exec("DROP EVENT TRIGGER wait_for_test");
  go_on();
  writers.stop();
  expect_becomes_equal();
  const Finished again = crossfade({"cutover", db_, "--no-rollback"});
  EXPECT_EQ(again.code, 0) << again.err;
}

}  // namespace
}  // namespace crossfade::testing
