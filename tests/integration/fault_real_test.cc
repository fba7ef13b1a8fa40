// Promise: what the system does to an engine is no worse than what its own points do: kills,
// pauses, ended backends, a server that crashes, a lock on the file that is held for seconds.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <memory>
#include <random>

#include "tests/integration/fault_campaign.h"
#include "tests/support/clock.h"
#include "tests/support/connect.h"
#include "tests/support/move_test.h"
#include "tests/support/oracle.h"
#include "tests/support/wait.h"

namespace crossfade::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

void hold(milliseconds time) {
  (void)wait_until([] { return false; }, time, time);
}

void end_backends(const std::string& url) {
  auto connection = connect(url);
  if (!connection) return;
  (void)connection.value().exec(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname=current_database() AND "
      "application_name='crossfade' AND pid<>pg_backend_pid()");
}

// About one thing in a dozen calls.
auto tormenting(uint64_t seed) {
  auto draw = std::make_shared<std::mt19937_64>(seed);
  return [draw](pid_t engine, const std::string& path, const std::string& url) {
    switch ((*draw)() % 48) {
      case 0:
        ::kill(engine, SIGKILL);
        note_real_fault("killed");
        break;
      case 1:
        ::kill(engine, SIGSTOP);
        hold(milliseconds((*draw)() % 700));
        ::kill(engine, SIGCONT);
        note_real_fault("paused");
        break;
      case 2:
        end_backends(url);
        note_real_fault("backend_ended");
        break;
      case 3: {
        AppDb db(path, seconds(1));
        if (!db.run("BEGIN IMMEDIATE").empty()) break;
        hold(milliseconds((*draw)() % 2'500));
        EXPECT_EQ(db.run("ROLLBACK"), "");
        note_real_fault("file_locked");
        break;
      }
      default:
        break;
    }
  };
}

class FaultRealTest : public MoveTest {};

TEST_F(FaultRealTest, LivesThroughKillsPausesEndedBackendsAndLocks) {
  std::vector<FaultLifeOptions> lives;
  const uint64_t first = campaign_setting("CROSSFADE_FAULT_SEED", 1);
  for (uint64_t i = 0; i < campaign_setting("CROSSFADE_FAULT_REAL_LIVES", 8); ++i) {
    FaultLifeOptions life;
    life.seed = 5'000 + first + i;
    life.torment = tormenting(life.seed);
    life.engine_beside = i % 2 == 0;
    lives.push_back(std::move(life));
  }
  run_lives(lives);
}

TEST_F(FaultRealTest, LivesThroughCrashesOfTheServer) {
  FaultLifeOptions life;
  life.seed = 6'000 + campaign_setting("CROSSFADE_FAULT_SEED", 1);
  life.turns = 2;
  auto draw = std::make_shared<std::mt19937_64>(life.seed);
  life.torment = [draw, crashes = 0](pid_t, const std::string&, const std::string&) mutable {
    if ((*draw)() % 25 != 0 || crashes == 8) return;
    ++crashes;
    TestCluster::crash();
    note_real_fault("server_crashed");
  };
  run_lives({life});
}

std::string utc_by(const SteppedClock& clock) {
  return run_process({{"/bin/date", "-u", "+%Y"}, clock.env(), {}, ""}).out;
}

// Hours back, or years: as an administrator may set it, or the machine after its battery was empty.
TEST_F(FaultRealTest, LivesThroughAClockThatStepsBackAndForward) {
  constexpr seconds kSteps[] = {seconds(-1),           seconds(1),          seconds(-3'600),
                                seconds(86'400),       seconds(-1'000'000), seconds(1'000'000'000),
                                seconds(-900'000'000), seconds(0)};
  std::vector<SteppedClock> clocks(campaign_setting("CROSSFADE_FAULT_CLOCK_LIVES", 3));
  std::vector<FaultLifeOptions> lives;
  for (size_t i = 0; i < clocks.size(); ++i) {
    FaultLifeOptions life;
    life.seed = 8'000 + campaign_setting("CROSSFADE_FAULT_SEED", 1) + i;
    life.engine_beside = i % 2 == 0;
    life.outbox = i % 3 == 2;
    life.env = clocks[i].env();
    life.torment = [&clock = clocks[i], &kSteps, draw = std::mt19937_64(life.seed)](
                       pid_t, const std::string&, const std::string&) mutable {
      if (draw() % 4 != 0) return;
      clock.set(kSteps[draw() % std::size(kSteps)]);
      note_real_fault("clock_stepped");
    };
    lives.push_back(std::move(life));
  }
  run_lives(lives);
}

// Also what is written down with the time of day is in the order in which it was done.
TEST_F(FaultRealTest, TheTrailAndTheBackupsHoldWhenTheClockWentBack) {
  SteppedClock clock;
  const std::string now = utc_by(clock);
  clock.set(seconds(1'000'000'000));
  ASSERT_NE(utc_by(clock), now) << "the clock of what is tested does not step";
  const auto command = [&](std::vector<std::string> arguments) {
    auto options = crossfade_command(std::move(arguments));
    options.env = clock.env();
    return run_process(options);
  };
  app("CREATE TABLE t(id INTEGER PRIMARY KEY); INSERT INTO t VALUES(1)");
  const std::vector<std::string> run = {"run", db_, "--target", url_, "--until", "verified"};
  ASSERT_EQ(command(run).code, 0);
  clock.set(seconds(-1'000'000'000));
  app("INSERT INTO t VALUES(2)");
  const Finished again = command(run);
  EXPECT_EQ(again.code, 0) << again.err;
  const Finished backup = command({"backup", "create", db_});
  EXPECT_EQ(backup.code, 0) << backup.err;
  const Finished trail = command({"audit", "verify", db_});
  EXPECT_EQ(trail.code, 0) << trail.out << trail.err;
  const Finished status = command({"status", db_, "--json"});
  EXPECT_GE(nlohmann::json::parse(status.out).value("lag_ms", -1), 0) << status.out;
  expect_becomes_equal();
}

// Where the server's own setting is synchronous_commit = off, as it is in these tests. What was
// applied is deleted from the change log, so a crash of the server must not take it back.
TEST_F(FaultRealTest, WhatIsDeletedFromTheLogIsOnTheServersDisk) {
  target_exec("ALTER SYSTEM SET wal_writer_delay = '10s'");
  target_exec("SELECT pg_reload_conf()");
  app("PRAGMA journal_mode=WAL; CREATE TABLE t(id INTEGER PRIMARY KEY)");
  follow();
  for (int i = 0; i < 3; ++i) {
    for (int k = 1; k <= 5; ++k) app(fmt::format("INSERT INTO t VALUES({})", i * 10 + k));
    ASSERT_TRUE(wait_until(
        [&] {
          return target_value("SELECT count(*) FROM public.t") == std::to_string(5 * (i + 1)) &&
                 AppDb(db_).value("SELECT count(*) FROM _crossfade_log") == "1";
        },
        seconds(20)));
    TestCluster::crash();
  }
  expect_becomes_equal();
  target_exec("ALTER SYSTEM RESET wal_writer_delay");
  target_exec("SELECT pg_reload_conf()");
  EXPECT_EQ(stop_engine(), 0);
}

}  // namespace
}  // namespace crossfade::testing
