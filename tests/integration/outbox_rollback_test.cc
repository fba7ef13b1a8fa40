// Promise: where PostgreSQL's log cannot be decoded, by a server's setting or a role's rights, a
// cutover says that the way back goes by triggers, and it goes there and back.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <atomic>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>

#include "engine/postgres/embedded.h"
#include "tests/support/connect.h"
#include "tests/support/move_test.h"
#include "tests/support/oracle.h"
#include "tests/support/postgres_writers.h"
#include "tests/support/reaper.h"
#include "tests/support/wait.h"

namespace crossfade::testing {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::HasSubstr;

// A server with wal_level=replica, a role that moves and one of an application.
class OutboxRollbackTest : public MoveTest {
 protected:
  void SetUp() override {
    CROSSFADE_NEEDS_POSTGRES();
    ASSERT_EQ(::chmod(dir_.path().c_str(), 0711), 0);
    db_ = dir_.file("app.db");
    options_.folder = dir_.file("pg");
    options_.settings = {"wal_level=replica", "fsync=off", "shared_buffers=16MB"};
    reap_at_exit(options_.folder);
    ASSERT_NO_FATAL_FAILURE(start_server());
    admin_ = cluster_->url();
    url_ = admin_;
    target_exec(
        "CREATE ROLE mover LOGIN; CREATE ROLE app LOGIN; GRANT ALL ON DATABASE crossfade TO mover; "
        "GRANT ALL ON SCHEMA public TO mover; GRANT USAGE ON SCHEMA public TO app");
    url_ = as("mover");
    target_exec(
        "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON TABLES TO app; ALTER "
        "DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON SEQUENCES TO app");
  }
  void TearDown() override {
    if (HasFailure() && engine_) fprintf(stderr, "the engine said:\n%s\n", engine_->err().c_str());
    engine_.reset();
    url_.clear();
    if (cluster_) {
      EXPECT_TRUE(cluster_->destroy());
    }
  }
  void start_server() {
    auto cluster = postgres::EmbeddedCluster::start(options_);
    ASSERT_TRUE(cluster) << describe(cluster.error());
    cluster_ = std::make_unique<postgres::EmbeddedCluster>(std::move(cluster).value());
  }
  // Ends it at once, as a crash would: what it had not written to its log is gone.
  void crash_server() {
    pid_t postmaster = 0;
    std::ifstream(options_.folder + "/data/postmaster.pid") >> postmaster;
    ASSERT_GT(postmaster, 1);
    ASSERT_EQ(::kill(postmaster, SIGQUIT), 0);
    ASSERT_TRUE(wait_until(
        [&] {
          (void)::waitpid(postmaster, nullptr, WNOHANG);
          return ::kill(postmaster, 0) != 0;
        },
        seconds(20)));
  }
  [[nodiscard]] std::string as(const std::string& role) const {
    std::string out = admin_;
    const size_t user = out.find("://") + 3;
    return out.replace(user, out.find('@', user) - user, role);
  }
  void app_exec(const std::string& sql) const {
    auto connection = connect_or_die(as("app"));
    const auto done = connection.exec(sql);
    EXPECT_TRUE(done) << sql << ": " << (done ? "" : describe(done.error()));
  }
  void reversed() {
    make_shop();
    app("CREATE TABLE app_entry(id INTEGER PRIMARY KEY, writer INTEGER, n INTEGER)");
    follow();
    const Finished done = crossfade({"cutover", db_, "--json"});
    ASSERT_EQ(done.code, 0) << done.out << done.err << engine_->err();
    ASSERT_TRUE(await_phase("reversed")) << engine_->err();
  }

  postgres::EmbeddedOptions options_;
  std::unique_ptr<postgres::EmbeddedCluster> cluster_;
  std::string admin_;
};

// Inserts (writer, 1), (writer, 2) ... one by one, and goes on after whatever happens to the server
// with what the server has.
class StubbornWriter {
 public:
  StubbornWriter(std::string url, int number, const char* synchronous_commit)
      : url_(std::move(url)), number_(number), synchronous_commit_(synchronous_commit) {
    thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
  }
  void stop() {
    thread_.request_stop();
    if (thread_.joinable()) thread_.join();
  }
  [[nodiscard]] int64_t acknowledged() const { return acknowledged_; }

 private:
  void run(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      auto connection = connect(url_);
      if (connection) write(connection.value(), stop);
    }
  }
  void write(postgres::Connection& connection, const std::stop_token& stop) {
    // In doubt: the last INSERT before the connection went.
    const auto at = connection.exec(
        fmt::format("SET synchronous_commit={}; SELECT coalesce(max(n),0) FROM public.app_entry "
                    "WHERE writer={}",
                    synchronous_commit_, number_));
    if (!at) return;
    int64_t n = at.value().integer(0, 0);
    while (!stop.stop_requested()) {
      if (!connection.exec(
              fmt::format("INSERT INTO public.app_entry(writer,n) VALUES({},{})", number_, ++n))) {
        return;
      }
      acknowledged_ = n;
    }
  }

  const std::string url_;
  const int number_;
  const char* const synchronous_commit_;
  std::atomic<int64_t> acknowledged_{0};
  std::jthread thread_;
};

// It answers a connection for replication as one that is too busy just now.
TEST_F(OutboxRollbackTest, AServerWithNoPlaceForAStreamIsNotWaitedFor) {
  url_ = admin_;
  target_exec("ALTER ROLE mover REPLICATION");
  target_exec("ALTER SYSTEM SET max_wal_senders = 0");
  ASSERT_NO_FATAL_FAILURE(crash_server());
  ASSERT_NO_FATAL_FAILURE(start_server());
  url_ = as("mover");
  ASSERT_NO_FATAL_FAILURE(reversed());
  EXPECT_EQ(status().at("reverse").at("kind"), "outbox");
}

TEST_F(OutboxRollbackTest, DualWritesAskForASlot) {
  app("CREATE TABLE account(id INTEGER PRIMARY KEY, owner TEXT)");
  const Finished dual = crossfade({"run", db_, "--target", url_, "--mode", "dual"});
  EXPECT_EQ(dual.code, 3) << dual.err;
  EXPECT_THAT(dual.err, HasSubstr("wal_level"));
  EXPECT_EQ(target_value("SELECT to_regclass('crossfade.outbox') IS NULL"), "t");
}

TEST_F(OutboxRollbackTest, ItIsSaidBeforehand) {
  make_shop();
  const Finished looked = crossfade({"inspect", db_, "--target", url_, "--json"});
  EXPECT_THAT(looked.out, AllOf(HasSubstr("no_way_back"), HasSubstr("outbox"),
                                HasSubstr("wal_level is replica")));
  ASSERT_EQ(run_until_verified().code, 0);
  const Finished refused = crossfade({"cutover", db_, "--way-back", "slot"});
  EXPECT_EQ(refused.code, 3) << refused.err;
  EXPECT_THAT(refused.err, AllOf(HasSubstr("wal_level"), HasSubstr("--way-back outbox")));
  EXPECT_EQ(target_value("SELECT to_regclass('crossfade.outbox') IS NULL"), "t");
  const Finished rehearsed = crossfade({"cutover", db_, "--dry-run"});
  EXPECT_EQ(rehearsed.code, 0) << rehearsed.err;
  EXPECT_THAT(rehearsed.err, HasSubstr("crossfade.outbox"));
  EXPECT_EQ(target_value("SELECT to_regclass('crossfade.outbox') IS NULL"), "t");
}

TEST_F(OutboxRollbackTest, ThereAndBackUnderAnApplicationsRole) {
  reversed();
  EXPECT_EQ(status()["reverse"].value("kind", ""), "outbox");
  for (int round = 0; round < 2; ++round) {
    app_exec(
        fmt::format("INSERT INTO public.customer(name) VALUES('new {0}'); UPDATE "
                    "public.purchase SET cents=cents+{0} WHERE id<50; DELETE FROM "
                    "public.purchase WHERE id=100+{0}; TRUNCATE public.journal",
                    round));
    expect_becomes_equal();
    const Finished back = crossfade({"rollback", db_, "--json"});
    ASSERT_EQ(back.code, 0) << back.err << engine_->err();
    EXPECT_EQ(compare_databases(db_, admin_), "");
    EXPECT_EQ(target_value("SELECT to_regclass('crossfade.outbox') IS NULL"), "t");
    ASSERT_TRUE(await_phase("following")) << engine_->err();
    app(fmt::format("INSERT INTO journal VALUES({},'on SQLite')", round));
    expect_becomes_equal();
    const Finished again = crossfade({"cutover", db_});
    ASSERT_EQ(again.code, 0) << again.err << engine_->err();
    ASSERT_TRUE(await_phase("reversed")) << engine_->err();
  }
  EXPECT_EQ(stop_engine(), 0);
  engine_.reset();
  const Finished done = crossfade({"finish", db_});
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(target_value("SELECT count(*) FROM pg_trigger WHERE tgname LIKE '!_crossfade%' ESCAPE "
                         "'!'"),
            "0");
}

// And not the other way: SQLite has nothing that the server, which is the primary, has lost.
TEST_F(OutboxRollbackTest, AServerThatCrashesHasWhatSqliteHas) {
  reversed();
  {
    auto admin = connect_or_die(admin_);  // who does not wait for the disk has nobody write for him
    ASSERT_TRUE(admin.exec("ALTER SYSTEM SET wal_writer_delay = '10s'"));
    ASSERT_TRUE(admin.exec("SELECT pg_reload_conf()"));
  }
  for (int round = 1; round <= 2; ++round) {
    SCOPED_TRACE(round);
    app_exec(fmt::format("SET synchronous_commit=off; INSERT INTO public.app_entry VALUES({},9,1)",
                         round));
    const std::string is_there = fmt::format("SELECT count(*) FROM app_entry WHERE id={}", round);
    ASSERT_TRUE(wait_until([&] { return AppDb(db_).value(is_there) == "1"; }, seconds(20),
                           milliseconds(2)));
    ASSERT_NO_FATAL_FAILURE(crash_server());
    ASSERT_NO_FATAL_FAILURE(start_server());
    EXPECT_EQ(target_value(fmt::format("SELECT count(*) FROM public.app_entry WHERE id={}", round)),
              "1");
    // Numbers of transactions are given out again after a crash.
    app_exec("UPDATE public.journal SET what=what||'.'");
    expect_becomes_equal(seconds(40));
  }
  const Finished back = crossfade({"rollback", db_, "--json"}, seconds(90));
  ASSERT_EQ(back.code, 0) << back.err << engine_->err();
  EXPECT_EQ(compare_databases(db_, admin_), "");
}

TEST_F(OutboxRollbackTest, AServerThatCrashesUnderLoadLosesAndDoublesNothing) {
  reversed();
  StubbornWriter careful(as("app"), 0, "on");
  StubbornWriter hasty(as("app"), 1, "off");
  for (int round = 0; round < 3; ++round) {
    const int64_t before = careful.acknowledged();
    ASSERT_TRUE(wait_until([&] { return careful.acknowledged() > before + 100; }, seconds(60)));
    ASSERT_NO_FATAL_FAILURE(crash_server());
    ASSERT_NO_FATAL_FAILURE(start_server());
  }
  const int64_t before = careful.acknowledged();
  ASSERT_TRUE(wait_until([&] { return careful.acknowledged() > before + 100; }, seconds(60)));
  careful.stop();
  hasty.stop();
  expect_becomes_equal(seconds(60));
  const Finished back = crossfade({"rollback", db_, "--json"}, seconds(90));
  ASSERT_EQ(back.code, 0) << back.err << engine_->err();
  for (int writer = 0; writer < 2; ++writer) {
    EXPECT_EQ(AppDb(db_).value(fmt::format("SELECT count(*)=max(n) AND count(DISTINCT n)=max(n) "
                                           "FROM app_entry WHERE writer={}",
                                           writer)),
              "1")
        << writer;
  }
  EXPECT_GE(std::stoll(AppDb(db_).value("SELECT max(n) FROM app_entry WHERE writer=0")),
            careful.acknowledged());
  EXPECT_EQ(compare_databases(db_, admin_), "");
}

// The engine dies and comes back while applications write.
TEST_F(OutboxRollbackTest, WhoIsKilledUnderLoadLosesNothing) {
  reversed();
  const auto disturb = [&](int round) {
    if (round % 2 == 0) {
      engine_->signal(SIGKILL);
      (void)engine_->wait(seconds(5));
      engine_ = std::make_unique<Process>(crossfade_command({"run", db_}));
    }
    ASSERT_TRUE(await_phase("reversed")) << engine_->err();
  };
  PostgresWriters writers(as("app"), 2, milliseconds(2));
  for (int round = 0; round < 4; ++round) {
    const int64_t before = writers.acknowledged();
    ASSERT_TRUE(wait_until([&] { return writers.acknowledged() > before + 100; }, seconds(30)));
    ASSERT_NO_FATAL_FAILURE(disturb(round));
  }
  const Finished back = crossfade({"rollback", db_, "--json"}, seconds(90));
  ASSERT_EQ(back.code, 0) << back.err << engine_->err();
  ASSERT_TRUE(wait_until([&] { return writers.refused() == 2; }, seconds(10)));
  writers.stop();
  const auto result = writers.result();
  for (size_t i = 0; i < result.size(); ++i) {
    EXPECT_EQ(AppDb(db_).value(fmt::format("SELECT count(*)||' '||max(n) FROM app_entry WHERE "
                                           "writer={}",
                                           i)),
              fmt::format("{0} {0}", result[i].acknowledged));
  }
  EXPECT_EQ(compare_databases(db_, admin_), "");
}

TEST_F(OutboxRollbackTest, ATargetThatIsLostLeavesWhatHadReachedSqlite) {
  reversed();
  app_exec("INSERT INTO public.setting VALUES('reached','1')");
  expect_becomes_equal();
  EXPECT_EQ(stop_engine(), 0);
  engine_.reset();
  app_exec("INSERT INTO public.setting VALUES('lost','1')");
  ASSERT_TRUE(cluster_->stop());
  const Finished done = crossfade({"rollback", db_, "--target-lost", "--json"});
  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_THAT(json::parse(done.out).value("committed_at", ""), HasSubstr("T"));
  EXPECT_EQ(AppDb(db_).value("SELECT group_concat(name) FROM setting WHERE value='1'"), "reached");
}

// Somebody reads a table all the while: triggers stay on it that do nothing.
TEST_F(OutboxRollbackTest, AReaderDoesNotKeepWritersFromSqlite) {
  reversed();
  auto reader = connect_or_die(as("app"));
  ASSERT_TRUE(reader.exec("BEGIN; SELECT count(*) FROM public.journal"));
  const Finished back = crossfade({"rollback", db_, "--json"});
  ASSERT_EQ(back.code, 0) << back.err << engine_->err();
  app("INSERT INTO journal VALUES(9,'goes on')");
  ASSERT_TRUE(await_phase("following")) << engine_->err();
  expect_becomes_equal();
  ASSERT_TRUE(reader.exec("COMMIT"));
  const Finished again = crossfade({"cutover", db_});
  EXPECT_EQ(again.code, 0) << again.err << engine_->err();
}

}  // namespace
}  // namespace crossfade::testing
