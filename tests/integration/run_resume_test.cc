// Promise: whatever ends the engine, or the server under it, the next run goes on from there, and
// nothing is lost or doubled.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <fstream>
#include <random>

#include "engine/postgres/embedded.h"
#include "tests/support/move_test.h"
#include "tests/support/oracle.h"
#include "tests/support/reaper.h"
#include "tests/support/wait.h"

namespace crossfade::testing {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::seconds;

class RunResumeTest : public MoveTest {
 protected:
  [[nodiscard]] std::unique_ptr<Process> start_run(std::vector<std::string> more) const {
    std::vector<std::string> arguments = {"run", db_, "--target", url_};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return std::make_unique<Process>(crossfade_command(std::move(arguments)));
  }
  // Each writer's rows are there once each, 1 to what it was told, and at most one more.
  void expect_all_acknowledged(AppWriters& writers) const {
    const auto result = writers.result();
    for (size_t i = 0; i < result.size(); ++i) {
      EXPECT_EQ(result[i].refusal, "");
      EXPECT_EQ(
          target_value(fmt::format("SELECT count(*)||' '||count(DISTINCT n)||' '||max(n) FROM "
                                   "public.app_entry WHERE writer={}",
                                   i)),
          fmt::format("{0} {0} {0}", result[i].acknowledged));
    }
  }
};

TEST_F(RunResumeTest, KilledDuringACopyItGoesOnMidTable) {
  make_shop(200'000);
  std::random_device seeds;
  const unsigned seed = seeds();
  SCOPED_TRACE(fmt::format("seed {}", seed));
  std::mt19937 random(seed);
  int64_t copied_before = 0;
  int killed_mid_copy = 0;
  for (int round = 0; round < 5; ++round) {
    auto engine = start_run({"--until", "verified"});
    (void)engine->wait(milliseconds(150 + random() % 350));
    if (!engine->running()) break;
    engine->signal(SIGKILL);
    ASSERT_EQ(engine->wait(seconds(5)), 128 + SIGKILL);
    const auto now = status();
    ASSERT_TRUE(now.is_object());
    const int64_t copied = now.value("rows_copied", int64_t{0});
    EXPECT_GE(copied, copied_before) << "what was copied is not copied again";
    if (copied > 0 && copied < now.value("rows_total", int64_t{0})) ++killed_mid_copy;
    copied_before = copied;
    app(fmt::format("UPDATE purchase SET cents=-{} WHERE id%1000=7", round + 1));
  }
  RecordProperty("killed_mid_copy", killed_mid_copy);
  const Finished done = run_until_verified();
  ASSERT_EQ(done.code, 0) << done.out << done.err;
  EXPECT_EQ(target_value("SELECT count(*) FROM public.purchase"), "200000");
  EXPECT_EQ(compare_databases(db_, url_), "");
}

TEST_F(RunResumeTest, SigtermEndsItInUnderASecond) {
  make_shop();
  for (const int signal_number : {SIGTERM, SIGINT}) {
    follow();
    const auto began = Deadline::Clock::now();
    engine_->signal(signal_number);
    EXPECT_EQ(engine_->wait(seconds(5)), 0) << engine_->err();
    EXPECT_LT(Deadline::Clock::now() - began, seconds(1));
  }
}

TEST_F(RunResumeTest, StoppedBeforeTheGoalIsExitNine) {
  make_shop(200'000);
  engine_ = start_run({"--until", "verified"});
  ASSERT_TRUE(wait_until([&] { return status().value("phase", "") == "copying"; }, seconds(20),
                         milliseconds(10)));
  const auto began = Deadline::Clock::now();
  engine_->signal(SIGTERM);
  EXPECT_EQ(engine_->wait(seconds(5)), 9) << engine_->err();
  EXPECT_LT(Deadline::Clock::now() - began, seconds(1));
  EXPECT_THAT(engine_->err(), ::testing::HasSubstr("run the same command again"));
}

TEST_F(RunResumeTest, KilledWhileFollowingUnderWrites) {
  make_shop();
  AppWriters writers(db_, 3);
  for (int round = 0; round < 4; ++round) {
    follow();
    const int64_t before = writers.acknowledged();
    ASSERT_TRUE(wait_until([&] { return writers.acknowledged() > before + 150; }, seconds(20)));
    engine_->signal(SIGKILL);
    ASSERT_EQ(engine_->wait(seconds(5)), 128 + SIGKILL);
  }
  follow();
  writers.stop();
  expect_becomes_equal();
  expect_all_acknowledged(writers);
  EXPECT_EQ(stop_engine(), 0);
}

TEST_F(RunResumeTest, ItsBackendsKilledItReconnects) {
  make_shop();
  AppWriters writers(db_, 2);
  follow();
  for (int round = 0; round < 5; ++round) {
    const int64_t before = writers.acknowledged();
    ASSERT_TRUE(wait_until([&] { return writers.acknowledged() > before + 50; }, seconds(20)));
    target_exec(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname="
        "current_database() AND pid<>pg_backend_pid() AND application_name LIKE "
        "'crossfade%'");
  }
  writers.stop();
  expect_becomes_equal();
  expect_all_acknowledged(writers);
  EXPECT_EQ(stop_engine(), 0);
}

// Its own server, to be shot.
class ServerRestartTest : public RunResumeTest {
 protected:
  void SetUp() override {
    RunResumeTest::SetUp();
    if (::testing::Test::IsSkipped()) return;
    fs::permissions(dir_.path(), fs::perms(0711));
    options_.folder = dir_.file("pg");
    options_.settings = {"fsync=off"};
    reap_at_exit(options_.folder);
    start_server();
    TestCluster::drop_database(url_);
    url_.clear();
    url_ = cluster_->url();
  }
  void TearDown() override {
    engine_.reset();
    url_.clear();
    if (cluster_ && !cluster_->destroy()) ADD_FAILURE() << options_.folder << " stays";
    RunResumeTest::TearDown();
  }
  void start_server() {
    auto started = postgres::EmbeddedCluster::start(options_);
    ASSERT_TRUE(started) << describe(started.error());
    cluster_.emplace(std::move(started).value());
  }
  // As `pg_ctl stop -m immediate`: no checkpoint, connections cut.
  void stop_server_at_once() const {
    pid_t pid = 0;
    std::ifstream(options_.folder + "/data/postmaster.pid") >> pid;
    ASSERT_GT(pid, 1);
    ASSERT_EQ(::kill(pid, SIGQUIT), 0);
    ASSERT_TRUE(wait_until([&] { return ::kill(pid, 0) != 0; }, seconds(10)));
  }

  postgres::EmbeddedOptions options_;
  std::optional<postgres::EmbeddedCluster> cluster_;
};

TEST_F(ServerRestartTest, TheServerGoesDownAndComesBack) {
  make_shop();
  AppWriters writers(db_, 2);
  follow();
  for (const milliseconds down : {milliseconds(0), milliseconds(1500)}) {
    const int64_t before = writers.acknowledged();
    ASSERT_TRUE(wait_until([&] { return writers.acknowledged() > before + 50; }, seconds(20)));
    stop_server_at_once();
    // Status of an engine that waits for its server is still answered.
    EXPECT_TRUE(status().value("running", false));
    std::this_thread::sleep_for(down);
    start_server();
  }
  writers.stop();
  expect_becomes_equal(seconds(30));
  expect_all_acknowledged(writers);
  EXPECT_EQ(stop_engine(), 0);
}

TEST_F(ServerRestartTest, SigtermEndsItWhileTheServerIsDown) {
  make_shop();
  follow();
  stop_server_at_once();
  app("INSERT INTO journal VALUES(4,'meanwhile')");
  ASSERT_TRUE(wait_until([&] { return engine_->err().find("trying again") != std::string::npos; },
                         seconds(10)));
  const auto began = Deadline::Clock::now();
  EXPECT_EQ(stop_engine(), 0) << engine_->err();
  EXPECT_LT(Deadline::Clock::now() - began, seconds(1));
  start_server();
  EXPECT_EQ(run_until_verified().code, 0);
  EXPECT_EQ(compare_databases(db_, url_), "");
}

}  // namespace
}  // namespace crossfade::testing
