// Promise: an engine that was paused, and whose lease another one took meanwhile, does nothing when
// it goes on: wherever it was.
//
// The lock in the state folder keeps two engines of one machine apart; here it is taken away, as
// for a file that two machines or containers see with state folders of their own.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <filesystem>

#include "tests/integration/fault_campaign.h"
#include "tests/support/bank.h"
#include "tests/support/connect.h"
#include "tests/support/history_checker.h"
#include "tests/support/move_test.h"
#include "tests/support/oracle.h"
#include "tests/support/wait.h"

namespace crossfade::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

struct Overtaken {
  const char* name;
  bool reversed;  // after a cutover
  std::vector<std::string> verb;
  const char* point;
  std::vector<std::vector<std::string>> others;  // what the other engine does meanwhile
};

class OvertakenEngineTest : public MoveTest, public ::testing::WithParamInterface<Overtaken> {
 protected:
  [[nodiscard]] Process::Options with_db(std::vector<std::string> verb) const {
    verb.insert(verb.begin() + 1, db_);
    return crossfade_command(std::move(verb));
  }
  [[nodiscard]] std::string write_on_target() const {
    const auto done = connect_or_die(url_).exec("UPDATE public.pad SET what='there' WHERE id=1");
    return done ? "" : done.error().sqlstate;
  }
  // Stopped in the middle, its sessions ended, its lock given away.
  void pause(Process* engine) {
    ASSERT_TRUE(wait_until(
        [&] {
          return read_bytes(dir_.file("trace")).find("fired") != std::string::npos ||
                 !engine->running();
        },
        seconds(30)));
    ASSERT_TRUE(engine->running()) << engine->err();
    engine->signal(SIGSTOP);
    target_exec(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname=current_database() "
        "AND application_name='crossfade' AND pid<>pg_backend_pid()");
    std::filesystem::remove(db_ + ".crossfade/engine.lock");
    std::filesystem::remove(db_ + ".crossfade/control.sock");
    note_real_fault("overtaken");
  }
};

TEST_P(OvertakenEngineTest, DoesNothing) {
  const Overtaken& what = GetParam();
  make_bank(db_);
  ASSERT_EQ(run_until_verified().code, 0);
  if (what.reversed) {
    ASSERT_EQ(crossfade({"cutover", db_}).code, 0);
  }
  HistoryRecorder recorder;
  BankClients clients({db_, url_, db_ + ".crossfade/route", 7, 2}, &recorder);
  Process::Options options = with_db(what.verb);
  options.env["CROSSFADE_FAULT"] = fmt::format("{}:delay=1500", what.point);
  options.env["CROSSFADE_FAULT_TRACE"] = dir_.file("trace");
  Process paused(options);
  pause(&paused);
  if (HasFatalFailure()) return;
  for (const auto& verb : what.others) {
    const Finished done = run_process(with_db(verb));
    EXPECT_EQ(done.code, 0) << verb.front() << ": " << done.err;
  }
  const std::string route = target_value("SELECT \"primary\"||' '||epoch FROM crossfade.route");
  paused.signal(SIGCONT);
  const auto code = paused.wait(seconds(40));
  ASSERT_TRUE(code) << paused.err();
  EXPECT_NE(*code, 0) << "it has nothing to say: " << paused.err();
  EXPECT_NE(*code, 1) << paused.err();
  clients.stop();
  EXPECT_EQ(target_value("SELECT \"primary\"||' '||epoch FROM crossfade.route"), route);
  const bool postgres = route.starts_with("postgres");
  EXPECT_EQ(write_on_target().empty(), postgres) << paused.err();
  EXPECT_EQ(AppDb(db_).run("UPDATE pad SET what='here' WHERE id=2").empty(), !postgres)
      << paused.err();
  if (!postgres) {
    EXPECT_EQ(crossfade({"run", db_, "--until", "verified"}).code, 0);
    EXPECT_EQ(compare_databases(db_, url_), "");
  } else {
    EXPECT_EQ(crossfade({"verify", db_}).code, 0);
  }
  History history = recorder.take();
  history.balance = kBankBalance;
  const auto last = postgres ? read_postgres_bank(url_, false) : read_sqlite_bank(db_);
  ASSERT_TRUE(last);
  history.final_state = *last;
  history.last_epoch = std::stoll(route.substr(route.find(' ') + 1));
  EXPECT_EQ(describe(check_history(history)), "") << paused.err();
}

INSTANTIATE_TEST_SUITE_P(
    Where, OvertakenEngineTest,
    ::testing::Values(
        Overtaken{"Fenced", false, {"cutover"}, "cutover.fence.after_commit", {{"cutover"}}},
        Overtaken{"Flipping", false, {"cutover"}, "cutover.flip.before_commit", {{"cutover"}}},
        Overtaken{"Streaming", true, {"run"}, "target.stream.read", {{"rollback"}}},
        Overtaken{"RolledBack",
                  true,
                  {"rollback"},
                  "rollback.flip.after_commit",
                  {{"rollback"}, {"cutover"}}}),
    [](const ::testing::TestParamInfo<Overtaken>& one) { return std::string(one.param.name); });

}  // namespace
}  // namespace crossfade::testing
