// Promise: whatever becomes of the network to PostgreSQL, in whichever phase, nothing is lost,
// doubled or taken for done, one side at most takes writes, the application's writes to SQLite do
// not wait for it, and it is noticed in time and said.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <random>
#include <thread>

#include "engine/core/limits.h"
#include "tests/integration/fault_campaign.h"
#include "tests/support/cluster.h"
#include "tests/support/move_test.h"
#include "tests/support/net_move.h"
#include "tests/support/oracle.h"
#include "tests/support/wait.h"

namespace crossfade::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::HasSubstr;

// A statement's time, then as long as it takes not to get a new connection; while following it is
// asked once a second, and `status`, which looks for the target too, may wait for it. The rest is
// for a busy machine.
const milliseconds kNoticed =
    limits::kStatementTimeout + seconds(1) + 2 * limits::kConnectTimeout + seconds(10);
constexpr milliseconds kCutNoticed{5'000};
constexpr milliseconds kPause{2'000};  // NetMove::max_pause(), times patience() where it is used
constexpr milliseconds kSlack{1'500};
constexpr const char* kFlipThere = "SET \"primary\"='postgres'";
constexpr const char* kFlipBack = "SET \"primary\"='sqlite'";
constexpr const char* kCommit = "COMMIT";

using Scenario = std::function<void()>;

// What they wait for is time, most of all: so together.
void run_together(const std::vector<std::pair<const char*, Scenario>>& scenarios) {
  std::vector<std::thread> threads;
  for (const auto& [name, scenario] : scenarios) {
    threads.emplace_back([name = name, &scenario = scenario] {
      SCOPED_TRACE(name);
      scenario();
    });
  }
  for (std::thread& thread : threads) thread.join();
  NetMove::drop_databases();
}

void expect_primary(const NetMove& move, bool is_postgres) {
  EXPECT_EQ(move.ask("SELECT \"primary\" FROM crossfade.route"),
            is_postgres ? "postgres" : "sqlite");
  EXPECT_EQ(move.sqlite_takes_writes(), !is_postgres);
}

void expect_sprung(NetMove& move) {
  EXPECT_TRUE(wait_until([&] { return move.line().counts().sprung == 1; }, seconds(40)))
      << move.engine().err();
}

void expect_writers_never_waited(NetMove& move, milliseconds at_most = kSlack) {
  EXPECT_LE(move.writers().longest_wait().count(), (at_most * patience()).count());
}

// What is common to all faults of the way there: SQLite goes on, and so does the same engine.
void expect_goes_on(NetMove& move) {
  const int64_t before = move.writers().acknowledged();
  EXPECT_TRUE(wait_until([&] { return move.writers().acknowledged() > before + 10; }, seconds(5)));
  move.line().heal();
  EXPECT_TRUE(move.await_phase("following")) << move.engine().err();
  EXPECT_TRUE(move.engine().running()) << move.engine().err();
  move.expect_whole();
  expect_writers_never_waited(move);
  expect_primary(move, false);
}

milliseconds noticed_within(Trap::What what) {
  return (what == Trap::What::kCut ? kCutNoticed : kNoticed) * patience();
}

void lose_while_copying(Trap::What what) {
  NetMove move(20'000);
  move.line().set_trap({what, "COPY ", kMiddleRow});
  move.run();
  expect_sprung(move);
  EXPECT_LE(move.await_trouble(), noticed_within(what));
  expect_goes_on(move);
}

void lose_while_following(Trap::What what, const std::function<void(NetProxy&)>& lose) {
  NetMove move;
  move.run();
  EXPECT_TRUE(move.await_phase("following")) << move.engine().err();
  lose(move.line());
  EXPECT_LE(move.await_trouble(), noticed_within(what));
  expect_goes_on(move);
}

// A modem's: all of it takes longer, and nothing is given up.
void move_over_a_slow_line() {
  NetMove move;
  for (const Way way : {Way::kToServer, Way::kToClient}) {
    move.line().slow(way, {50'000, milliseconds(10)});
  }
  move.run();
  EXPECT_TRUE(move.await_phase("following")) << move.engine().err();
  move.give_until_done("cutover");
  expect_writers_never_waited(move, kPause + kSlack);
  expect_primary(move, true);
  move.expect_kept_in_step();
  EXPECT_EQ(move.engine().err().find("is not reachable"), std::string::npos) << move.engine().err();
}

// Of a COMMIT that the server has answered. That it was done is found out over another connection.
void lose_answer_while(const char* phase, const char* after) {
  NetMove move(2'000);
  const bool following = std::string(phase) == "following";
  if (following) {
    move.run();
    EXPECT_TRUE(move.await_phase("following")) << move.engine().err();
  }
  move.line().set_trap({Trap::What::kSwallowAnswer, after, kCommit});
  if (!following) move.run();
  expect_sprung(move);
  EXPECT_TRUE(wait_until([&] { return move.line().counts().answers_lost == 1; }, seconds(5)));
  expect_goes_on(move);
}

// Of a statement that may take hours: nothing but a look over another connection tells.
void lose_answer_of_a_long_statement(Trap::What what) {
  NetMove move(2'000);
  move.line().set_trap({what, "", "ANALYZE "});
  move.run();
  expect_sprung(move);
  EXPECT_TRUE(wait_until([&] { return move.status()["phase"] == "following"; },
                         limits::kLongStatementLook + limits::kAnswerPatience + seconds(30)))
      << move.engine().err();
  EXPECT_NE(move.engine().err().find("its answer did not come"), std::string::npos)
      << move.engine().err();
  expect_goes_on(move);
}

// Late in the pause: a call of which a timeout from its own beginning is no bound for the writers.
std::string late_in_the_pause() {
  return fmt::format("cutover.locked:delay={}", NetMove::max_pause().count() * 3 / 4);
}

// Before the point of no return: SQLite takes writes again when the pause is over, though the line
// is still dead.
void lose_in_cutover(const char* at, Trap::What what) {
  NetMove move;
  move.use_outbox();
  move.set_fault(late_in_the_pause());
  move.run();
  EXPECT_TRUE(move.await_phase("following")) << move.engine().err();
  move.line().set_trap({what, "", at});
  const auto cutover = move.begin("cutover");
  expect_sprung(move);
  EXPECT_TRUE(wait_until([&] { return move.sqlite_takes_writes(); }, kPause + kSlack));
  EXPECT_EQ(cutover->wait(seconds(30) * patience()), 8) << cutover->err() << move.engine().err();
  EXPECT_EQ(move.ask("SELECT \"primary\" FROM crossfade.route"), "sqlite");
  EXPECT_LE(move.await_trouble(), kNoticed * patience());
  move.line().heal();
  EXPECT_TRUE(move.await_phase("following")) << move.engine().err();
  expect_writers_never_waited(move, kPause + kSlack);
  expect_primary(move, false);
  move.expect_whole();
  move.give_until_done("cutover");
  expect_primary(move, true);
  EXPECT_TRUE(move.postgres_takes_writes());
}

// Not when the line is back either: whoever asked may have gone home by then.
void ask_while_the_line_is_dead() {
  NetMove move;
  move.use_outbox();
  move.run();
  EXPECT_TRUE(move.await_phase("following")) << move.engine().err();
  move.line().refuse();
  EXPECT_LE(move.await_trouble(), kCutNoticed * patience());
  const auto verify = move.begin("verify");
  const Finished cutover = move.give("cutover");
  EXPECT_EQ(cutover.code, 6) << cutover.out << cutover.err;
  EXPECT_THAT(cutover.err, AllOf(HasSubstr("the target is not reachable"),
                                 HasSubstr("run the same command again")));
  EXPECT_EQ(verify->wait(seconds(30)), 6) << verify->err();
  move.line().heal();
  EXPECT_TRUE(move.await_phase("following")) << move.engine().err();
  expect_primary(move, false);
  move.expect_whole();
  move.give_until_done("cutover");
  expect_primary(move, true);
}

enum class Flipped : uint8_t { kNo, kYes };

// The COMMIT is under way: neither side takes writes until it is known what became of it.
void lose_the_flip(const char* flip, Trap::What what, Flipped flipped, bool heal) {
  const bool back = flip == kFlipBack;
  NetMove move;
  if (!back) move.use_outbox();
  move.run();
  EXPECT_TRUE(move.await_phase("following")) << move.engine().err();
  if (back) {
    move.give_until_done("cutover");
    EXPECT_TRUE(move.await_phase("reversed")) << move.engine().err();
  }
  move.line().set_trap({what, flip, kCommit});
  const auto verb = move.begin(back ? "rollback" : "cutover");
  expect_sprung(move);
  EXPECT_FALSE(move.sqlite_takes_writes());
  if (heal) {
    if (what != Trap::What::kCut) {
      EXPECT_TRUE(wait_until([&] { return move.line().counts().unheard > 2; }, kNoticed));
      EXPECT_FALSE(move.sqlite_takes_writes());
    }
    move.line().heal();
  }
  EXPECT_EQ(verb->wait((kNoticed + seconds(30)) * patience()), flipped == Flipped::kYes ? 0 : 8)
      << verb->err() << move.engine().err();
  expect_primary(move, (flipped == Flipped::kYes) != back);
  if ((flipped == Flipped::kYes) != back) {
    EXPECT_TRUE(move.postgres_takes_writes());
    move.expect_kept_in_step();
  } else {
    EXPECT_TRUE(move.await_phase("following")) << move.engine().err();
    move.expect_whole();
  }
}

// The same while both sides are written to: nothing but the probe is said until the pause is over.
void lose_in_cutover_of_dual_writes() {
  NetMove move;
  move.use_dual_writes();
  move.set_fault(late_in_the_pause());
  move.run();
  EXPECT_TRUE(move.await_phase("dual")) << move.engine().err();
  const auto cutover = move.begin("cutover");
  EXPECT_TRUE(wait_until([&] { return move.fault_fired(); }, seconds(40)));
  move.line().set_trap({Trap::What::kSilence, "", "UPDATE crossfade.probe"});
  expect_sprung(move);
  EXPECT_TRUE(wait_until([&] { return move.sqlite_takes_writes(); }, kPause + kSlack));
  EXPECT_EQ(cutover->wait(seconds(30) * patience()), 8) << cutover->err() << move.engine().err();
  EXPECT_EQ(move.ask("SELECT \"primary\" FROM crossfade.route"), "sqlite");
  move.line().heal();
  EXPECT_TRUE(move.await_phase("dual")) << move.engine().err();
  expect_writers_never_waited(move, kPause + kSlack);
  move.expect_whole();
  move.give_until_done("cutover");
  expect_primary(move, true);
}

// PostgreSQL's writers wait for the transaction of a rollback; the server ends it.
void lose_in_rollback(const Trap& trap) {
  NetMove move;
  move.run();
  EXPECT_TRUE(move.await_phase("following")) << move.engine().err();
  move.give_until_done("cutover");
  EXPECT_TRUE(move.await_phase("reversed")) << move.engine().err();
  move.line().set_trap(trap);
  const auto rollback = move.begin("rollback");
  expect_sprung(move);
  EXPECT_TRUE(wait_until([&] { return move.postgres_takes_writes(); },
                         2 * kPause + limits::kPauseLeftOpenMax + kSlack));
  EXPECT_EQ(rollback->wait(seconds(30) * patience()), 8) << rollback->err() << move.engine().err();
  expect_primary(move, true);
  if (trap.what == Trap::What::kSilence) {
    EXPECT_LE(move.await_trouble(), kNoticed * patience());
  }
  move.line().heal();
  move.give_until_done("rollback");
  expect_primary(move, false);
  move.expect_whole();
}

void lose_while_reversed(const std::function<void(NetProxy&)>& lose, bool heal) {
  NetMove move;
  move.run();
  EXPECT_TRUE(move.await_phase("following")) << move.engine().err();
  move.give_until_done("cutover");
  EXPECT_TRUE(move.await_phase("reversed")) << move.engine().err();
  lose(move.line());
  EXPECT_NE(
      move.ask("INSERT INTO public.pad(what) VALUES('written while it is gone') RETURNING id"), "");
  if (heal) {
    EXPECT_LE(move.await_trouble(), kNoticed * patience());
    move.line().heal();
  }
  const bool came = wait_until(
      [&] {
        return AppDb(move.db()).value(
                   "SELECT count(*) FROM pad WHERE what LIKE 'written while%'") == "1";
      },
      kNoticed + seconds(15));
  EXPECT_TRUE(came) << move.engine().err();
  move.expect_kept_in_step();
  expect_primary(move, true);
}

class FaultNetworkTest : public ::testing::Test {
 protected:
  void SetUp() override { CROSSFADE_NEEDS_POSTGRES(); }
};

TEST_F(FaultNetworkTest, OnTheWayThereNothingIsLostAndNobodyWaits) {
  run_together({
      {"cut while copying", [] { lose_while_copying(Trap::What::kCut); }},
      {"half-open while copying", [] { lose_while_copying(Trap::What::kSilence); }},
      {"half-open while following",
       [] { lose_while_following(Trap::What::kSilence, [](NetProxy& l) { l.silence(); }); }},
      {"nothing comes back",
       [] {
         lose_while_following(Trap::What::kSilence, [](NetProxy& l) { l.silence(Way::kToClient); });
       }},
      {"nothing gets there",
       [] {
         lose_while_following(Trap::What::kSilence, [](NetProxy& l) { l.silence(Way::kToServer); });
       }},
      {"cut while following",
       [] { lose_while_following(Trap::What::kCut, [](NetProxy& l) { l.cut(); }); }},
      {"refused while following",
       [] { lose_while_following(Trap::What::kCut, [](NetProxy& l) { l.refuse(); }); }},
      {"slow", [] { move_over_a_slow_line(); }},
      {"COMMIT's answer while copying", [] { lose_answer_while("copying", "COPY "); }},
      {"COMMIT's answer while following", [] { lose_answer_while("following", ""); }},
      {"a long statement's answer",
       [] { lose_answer_of_a_long_statement(Trap::What::kSwallowAnswer); }},
      {"a long statement", [] { lose_answer_of_a_long_statement(Trap::What::kSilenceOne); }},
  });
}

TEST_F(FaultNetworkTest, ACutoverStepsBackInTimeOrIsFoundToBeDone) {
  run_together({
      {"half-open behind the lock", [] { lose_in_cutover("setval(", Trap::What::kSilence); }},
      {"cut behind the lock", [] { lose_in_cutover("setval(", Trap::What::kCut); }},
      {"half-open behind the fence", [] { lose_in_cutover(kFlipThere, Trap::What::kSilence); }},
      {"half-open behind the lock, of dual writes", lose_in_cutover_of_dual_writes},
      {"asked for while it is dead", ask_while_the_line_is_dead},
      {"cut behind the fence", [] { lose_in_cutover(kFlipThere, Trap::What::kCut); }},
      {"COMMIT's answer",
       [] { lose_the_flip(kFlipThere, Trap::What::kSwallowAnswer, Flipped::kYes, false); }},
      {"COMMIT itself, half-open",
       [] { lose_the_flip(kFlipThere, Trap::What::kSilence, Flipped::kNo, true); }},
      {"COMMIT itself, cut",
       [] { lose_the_flip(kFlipThere, Trap::What::kCut, Flipped::kNo, true); }},
  });
}

TEST_F(FaultNetworkTest, OnTheWayBackItIsNoOther) {
  run_together({
      {"the stream alone",
       [] { lose_while_reversed([](NetProxy& l) { l.silence_streams(); }, false); }},
      {"half-open", [] { lose_while_reversed([](NetProxy& l) { l.silence(); }, true); }},
      {"cut", [] { lose_while_reversed([](NetProxy& l) { l.cut(); }, true); }},
      {"half-open just behind the locks",
       [] {
         lose_in_rollback({Trap::What::kSilence, "LOCK TABLE", "statement_timeout = 0"});
       }},
      {"the locks' answer",
       [] {
         lose_in_rollback({Trap::What::kSwallowAnswer, "", "LOCK TABLE"});
       }},
      {"half-open behind the locks",
       [] {
         lose_in_rollback({Trap::What::kSilence, "LOCK TABLE", "refuse_write()"});
       }},
      {"COMMIT's answer",
       [] { lose_the_flip(kFlipBack, Trap::What::kSwallowAnswer, Flipped::kYes, false); }},
      {"COMMIT itself, half-open",
       [] { lose_the_flip(kFlipBack, Trap::What::kSilence, Flipped::kNo, true); }},
  });
}

// PostgreSQL takes what arrives for what was sent. The comparison does not.
void corrupt_a_value(bool while_copying, size_t offset) {
  NetMove move;
  const std::string text = while_copying ? kMiddleRow : "written while following";
  if (while_copying) move.line().corrupt(Way::kToServer, text, offset);
  move.run();
  EXPECT_TRUE(move.await_phase("following")) << move.engine().err();
  if (!while_copying) {
    move.line().corrupt(Way::kToServer, text, offset);
    EXPECT_EQ(AppDb(move.db()).run(fmt::format("UPDATE pad SET what='{}' WHERE id=251", text)), "");
  }
  EXPECT_TRUE(wait_until([&] { return move.line().counts().corrupted == 1; }, seconds(20)));
  EXPECT_TRUE(wait_until(
      [&] {
        const std::string there = move.ask("SELECT what FROM public.pad WHERE id=251");
        return there.size() == text.size() && there != text;
      },
      seconds(10)));
  const Finished verify = move.give("verify");
  EXPECT_EQ(verify.code, 4) << verify.out << verify.err;
  EXPECT_THAT(verify.out + verify.err, AllOf(HasSubstr("pad"), HasSubstr("251")));
  const Finished cutover = move.give("cutover");
  EXPECT_NE(cutover.code, 0) << cutover.out;
  EXPECT_THAT(cutover.err, HasSubstr("not known to be equal"));
  expect_primary(move, false);
  // Mended by the application's next write of it.
  EXPECT_EQ(AppDb(move.db()).run("UPDATE pad SET what='mended' WHERE id=251"), "");
  move.give_until_done("cutover");
  expect_primary(move, true);
}

// A whole first move, with one byte of what is said flipped wherever the seed has it. Where the
// program says that both sides are equal, they are.
struct Corrupted {
  std::atomic<int> bytes = 0;  // that came by where the seed has it
  std::atomic<int> hung = 0;   // runs that were ended
};

void corrupt_whatever(Way way, uint64_t seed, Corrupted* corrupted) {
  std::mt19937_64 draw(seed);
  NetMove move(100);
  move.line().corrupt_at(way, draw() % (way == Way::kToServer ? 60'000 : 20'000));
  Finished done;
  for (int tries = 0; tries < 3; ++tries) {
    done = run_process(
        crossfade_command({"run", move.db(), "--target", move.line().url(), "--until", "verified"}),
        seconds(90));
    // The rest of a statement whose length was flipped is waited for: a day, if it makes an index.
    if (done.code == -1) {
      ++corrupted->hung;
      continue;
    }
    // What is wrong on the target since, and was said, stays so; all else passes.
    const std::string shown =
        fmt::format("seed {}: exit {}\n{}{}", seed, done.code, done.out, done.err);
    EXPECT_THAT(done.code, AnyOf(0, 3, 4, 5, 6, 7)) << shown;
    const bool said = done.err.find("cause: ") != std::string::npos ||
                      done.out.find("DIFFERENT: ") != std::string::npos;
    EXPECT_TRUE(done.code == 0 || said) << shown;
    if (done.code == 0) break;
  }
  corrupted->bytes += static_cast<int>(move.line().counts().corrupted);
  if (done.code != 0) return;
  move.keep_running();
  move.expect_whole();
}

TEST_F(FaultNetworkTest, AValueThatWasChangedOnItsWayIsNamed) {
  run_together({
      {"while copying", [] { corrupt_a_value(true, 3); }},
      {"while following", [] { corrupt_a_value(false, 7); }},
  });
}

TEST_F(FaultNetworkTest, AByteThatWasFlippedAnywhereIsNoCrashAndNoWrongSuccess) {
  const uint64_t first = campaign_setting("CROSSFADE_FAULT_SEED", 1);
  const uint64_t seeds = campaign_setting("CROSSFADE_FAULT_NET_SEEDS", 6);
  const Deadline end =
      Deadline::after(seconds(campaign_setting("CROSSFADE_FAULT_SECONDS", 240)) / 4);
  std::atomic<uint64_t> next{0};
  Corrupted corrupted;
  std::vector<std::thread> threads;
  for (int i = 0; i < 6; ++i) {
    threads.emplace_back([&] {
      for (uint64_t at = next++; at < seeds && !end.expired(); at = next++) {
        corrupt_whatever(at % 2 == 0 ? Way::kToClient : Way::kToServer, first + at, &corrupted);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  NetMove::drop_databases();
  fmt::print("network: {} flipped bytes in {} moves, {} runs ended because they waited\n",
             corrupted.bytes.load(), std::min<uint64_t>(next, seeds), corrupted.hung.load());
  EXPECT_GT(corrupted.bytes, 0);
}

// About one thing in a dozen calls.
auto tormenting(NetProxy& line, uint64_t seed) {
  return
      [&line, draw = std::mt19937_64(seed)](pid_t, const std::string&, const std::string&) mutable {
        switch (draw() % 40) {
          case 0:
            line.cut();
            note_real_fault("line_cut");
            break;
          case 1:
            line.set_trap({Trap::What::kCut, "", kCommit});
            note_real_fault("commit_lost");
            break;
          case 2:
            line.slow(Way::kToServer, {100'000, milliseconds(5)});
            note_real_fault("line_slow");
            break;
          default:
            if (draw() % 4 == 0) line.heal();
            break;
        }
      };
}

// Whole lives, of which the clients do not go through the proxy, and the engine does.
TEST_F(FaultNetworkTest, WholeLivesGoOnThroughCutsAndLostAnswers) {
  std::vector<FaultLifeOptions> lives(campaign_setting("CROSSFADE_FAULT_NET_LIVES", 3));
  for (size_t i = 0; i < lives.size(); ++i) {
    lives[i].seed = 7'000 + campaign_setting("CROSSFADE_FAULT_SEED", 1) + i;
    lives[i].line = [](const std::string& url, FaultLifeOptions* life) {
      auto line = std::make_shared<NetProxy>(url);
      life->engine_url = line->url();
      life->torment = tormenting(*line, life->seed);
      return line;
    };
  }
  run_lives(lives);
}

}  // namespace
}  // namespace crossfade::testing
