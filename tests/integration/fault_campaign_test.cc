// Promise: the engine may die, fail or be held up at any instant of a whole life, again and again.
// The same command, given again, takes it up; no acknowledged write is lost or doubled, no read of
// the primary is stale, both sides never take writes at once, and every state of the copy is one
// that the primary had.
//
// The quick selection is fault_tests; tools/test --faults SECONDS draws others for as long as it is
// told to.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <memory>
#include <random>
#include <regex>

#include "engine/core/deadline.h"
#include "tests/integration/fault_campaign.h"
#include "tests/support/cluster.h"
#include "tests/support/history_checker.h"
#include "tests/support/move_test.h"
#include "tests/support/process.h"

namespace crossfade::testing {
namespace {

namespace fs = std::filesystem;

std::string spec_of(const PointInPhase& where, const char* action = "die") {
  return fmt::format("{}@{}:{}", where.first, where.second, action);
}

// Dies at all of these, once each.
FaultSource dying_at(std::set<PointInPhase> wanted) {
  return [wanted = std::move(wanted)](const std::string&, const FaultTrace& so_far) {
    std::set<PointInPhase> left = wanted;
    for (const PointInPhase& where : so_far.deaths) left.erase(where);
    std::string spec;
    for (const PointInPhase& where : left) spec += spec_of(where) + ";";
    return spec;
  };
}

// Fails at all of these, once each; and dies where only something that failed comes by.
FaultSource failing_at(const std::set<PointInPhase>& wanted, std::set<PointInPhase> dying) {
  return [wanted, die = dying_at(std::move(dying))](const std::string& verb,
                                                    const FaultTrace& so_far) {
    std::string spec = die(verb, so_far);
    int some = 4;
    for (const PointInPhase& where : wanted) {
      if (so_far.failed_at.contains(where)) continue;
      spec += spec_of(where, "error") + ";";
      if (--some == 0 && verb != "run") break;
    }
    return spec;
  };
}

// Dealt out, so that each life gets some of every phase.
std::vector<std::set<PointInPhase>> deal(const std::set<PointInPhase>& all, size_t per_life) {
  std::vector<std::set<PointInPhase>> out((all.size() + per_life - 1) / per_life);
  size_t i = 0;
  for (const PointInPhase& where : all) out[i++ % out.size()].insert(where);
  return out;
}

std::set<PointInPhase> without(std::set<PointInPhase> all, const std::set<PointInPhase>& taken) {
  for (const PointInPhase& each : taken) all.erase(each);
  return all;
}

std::string named(const std::set<PointInPhase>& all) {
  std::string out;
  for (const auto& [point, phase] : all) out += fmt::format("{} in {}\n", point, phase);
  return out;
}

std::set<PointInPhase> died() {
  const auto& deaths = campaign_totals().trace.deaths;
  return {deaths.begin(), deaths.end()};
}

// Some points are come by, or are in a phase, only when threads happen to meet there: what did not
// come again is told, and must be little.
void expect_nearly_all(const std::set<PointInPhase>& all, const std::set<PointInPhase>& fired) {
  const auto left = without(all, fired);
  fmt::print("campaign: not come by in that phase again: {}\n", left.size());
  fmt::print("{}", named(left));
  EXPECT_LE(left.size() * 20, all.size()) << named(left);
  std::set<std::string> points;
  for (const auto& [point, phase] : left) points.insert(point);
  for (const auto& [point, phase] : fired) points.erase(point);
  constexpr size_t kByChanceMax = 3;
  EXPECT_LE(points.size(), kByChanceMax) << named(left);
}

class FaultCampaignTest : public ::testing::Test {
 protected:
  void SetUp() override { CROSSFADE_NEEDS_POSTGRES(); }
};

// What slow clients of a sanitized engine left out, faster ones may bring about.
std::chrono::milliseconds pace_of(int round) {
  constexpr std::chrono::milliseconds kFastest{12};
  return std::max(kFastest, kBankPace / (1 << round));
}

// Of all of these, in lives of one kind; four times what they did not come by.
void die_at_all(const std::set<PointInPhase>& all, bool outbox, uint64_t seed) {
  for (int round = 0; round < 4 && !::testing::Test::HasFailure(); ++round) {
    std::vector<FaultLifeOptions> lives;
    for (const auto& some : deal(without(all, died()), 12)) {
      FaultLifeOptions life;
      life.seed = ++seed;
      life.faults = dying_at(some);
      life.engine_beside = seed % 2 == 0;
      life.outbox = outbox;
      life.pace = pace_of(round);
      lives.push_back(std::move(life));
    }
    run_lives(lives);
  }
}

TEST_F(FaultCampaignTest, DiesAtEveryPointOfEveryPhase) {
  const std::set<PointInPhase> slot = undisturbed_trace().passed;
  const std::set<PointInPhase> outbox = without(undisturbed_trace(true).passed, slot);
  die_at_all(slot, false, 100);
  die_at_all(outbox, true, 150);
  if (HasFailure()) return;
  std::set<PointInPhase> all = slot;
  all.insert(outbox.begin(), outbox.end());
  expect_nearly_all(all, died());
}

TEST_F(FaultCampaignTest, FailsAtEveryPointThatCanFail) {
  const std::set<PointInPhase> all = undisturbed_trace().can_fail;
  uint64_t seed = 200;
  for (int round = 0; round < 4; ++round) {
    const auto left = without(all, campaign_totals().trace.failed_at);
    const auto rare =
        without(without(campaign_totals().trace.passed, undisturbed_trace().passed), died());
    std::vector<FaultLifeOptions> lives;
    for (const auto& some : deal(left, 8)) {
      FaultLifeOptions life;
      life.seed = ++seed;
      life.faults = failing_at(some, rare);
      life.engine_beside = seed % 2 == 0;
      life.pace = pace_of(round);
      lives.push_back(std::move(life));
    }
    run_lives(lives);
    if (HasFailure()) return;
  }
  expect_nearly_all(all, campaign_totals().trace.failed_at);
}

// The first command dies at one point of the protocol, and the one that puts it right at another.
struct PairDraw {
  std::vector<PointInPhase> cutover;
  std::vector<PointInPhase> rollback;
  std::mt19937_64 random;
  std::string verb;
  int stage = 0;
  size_t deaths_before = 0;
  PointInPhase first;
  PointInPhase second;
  std::set<std::pair<PointInPhase, PointInPhase>> done;

  std::string next(const std::string& of, const FaultTrace& so_far) {
    if (of != "cutover" && of != "rollback") {
      verb = of;
      return "";
    }
    const bool died_twice = stage == 2 && so_far.deaths.size() == deaths_before + 2;
    if (died_twice) done.insert({so_far.deaths[deaths_before], so_far.deaths.back()});
    if (of == verb && stage == 2) {
      stage = 3;
      return "";
    }
    if (of == verb && stage == 3) return "";
    const auto& points = of == "cutover" ? cutover : rollback;
    if (of != verb) {
      verb = of;
      stage = 1;
      deaths_before = so_far.deaths.size();
      first = points[random() % points.size()];
      second = points[random() % points.size()];
      return spec_of(first);
    }
    stage = 2;
    // Whoever puts it right is only starting, for the most part.
    return spec_of(second) + ";" + spec_of({second.first, "starting"}) + ";" +
           spec_of({second.first, "reversed"});
  }
};

std::vector<PointInPhase> in_phase(const std::set<PointInPhase>& all, const std::string& phase) {
  std::vector<PointInPhase> out;
  for (const PointInPhase& where : all) {
    if (where.second == phase) out.push_back(where);
  }
  return out;
}

TEST_F(FaultCampaignTest, DiesTwiceInCutoverAndRollback) {
  std::vector<std::shared_ptr<PairDraw>> draws;
  std::vector<FaultLifeOptions> lives;
  const auto& all = undisturbed_trace().passed;
  for (uint64_t i = 0; i < campaign_setting("CROSSFADE_FAULT_PAIR_LIVES", 6); ++i) {
    auto draw = std::make_shared<PairDraw>();
    draw->cutover = in_phase(all, "cutting_over");
    draw->rollback = in_phase(all, "rolling_back");
    ASSERT_FALSE(draw->cutover.empty());
    ASSERT_FALSE(draw->rollback.empty());
    FaultLifeOptions life;
    life.seed = campaign_setting("CROSSFADE_FAULT_SEED", 1) + 300 + i;
    draw->random.seed(life.seed);
    life.engine_beside = false;
    life.turns = 5;
    life.writes_per_turn = 2;
    life.faults = [draw](const std::string& verb, const FaultTrace& so_far) {
      return draw->next(verb, so_far);
    };
    draws.push_back(std::move(draw));
    lives.push_back(std::move(life));
  }
  run_lives(lives);
  for (const auto& draw : draws) {
    campaign_totals().pairs.insert(draw->done.begin(), draw->done.end());
  }
  EXPECT_GT(campaign_totals().pairs.size(), lives.size() * 2);
}

// Every call moves half of what it was given, or a few bytes of what there is to receive.
TEST_F(FaultCampaignTest, LivesThroughBytesThatComeInPieces) {
  std::set<std::string> points;
  for (const bool outbox : {false, true}) {
    for (const auto& [point, phase] : undisturbed_trace(outbox).moves_bytes) points.insert(point);
  }
  for (const char* there : {"source.read", "source.write", "state.read", "state.write", "wal.read",
                            "wal.write", "control.send", "target.receive", "target.send"}) {
    EXPECT_TRUE(points.contains(there)) << there;
  }
  std::string spec;
  for (const std::string& point : points) spec += point + ":0:short;";
  std::vector<FaultLifeOptions> lives(4);
  for (size_t i = 0; i < lives.size(); ++i) {
    lives[i].seed = 400 + i;
    lives[i].faults = [spec](const std::string&, const FaultTrace&) { return spec; };
    lives[i].engine_beside = i % 2 == 0;
    lives[i].outbox = i >= 2;
  }
  run_lives(lives);
}

// Any number of passes of any point, of one, or of one in a phase; several in a process.
FaultSource drawn_by(uint64_t seed) {
  auto draw = std::make_shared<std::mt19937_64>(seed);
  const std::vector<PointInPhase> all(undisturbed_trace().passed.begin(),
                                      undisturbed_trace().passed.end());
  const std::vector<PointInPhase> moving(undisturbed_trace().moves_bytes.begin(),
                                         undisturbed_trace().moves_bytes.end());
  return [draw, all, moving](const std::string&, const FaultTrace&) {
    std::string spec;
    const uint64_t some = 1 + (*draw)() % 4;
    for (uint64_t i = 0; i < some; ++i) {
      const uint64_t scale = uint64_t{1} << (*draw)() % 11;
      const uint64_t at = 1 + (*draw)() % scale;
      const PointInPhase& where = all[(*draw)() % all.size()];
      switch ((*draw)() % 6) {
        case 0:
          spec += fmt::format("*:{}:die;", at);
          break;
        case 1:
          spec += fmt::format("*:{}:error;", at);
          break;
        case 2:
          spec += fmt::format("*:{}:delay={};", at, 1 + (*draw)() % 400);
          break;
        case 3:
          spec += fmt::format("{}@{}:{}:die;", where.first, where.second, 1 + at % 4);
          break;
        case 4: {
          constexpr const char* kActions[] = {"die", "error", "short", "delay=100"};
          spec += fmt::format("{}:{}:{};", moving[(*draw)() % moving.size()].first, at,
                              kActions[(*draw)() % std::size(kActions)]);
          break;
        }
        default:
          spec += fmt::format("{}:{}:{};", where.first, 1 + at % 8,
                              (*draw)() % 2 == 0 ? "error" : "delay=100");
      }
    }
    return spec;
  };
}

TEST_F(FaultCampaignTest, LivesThroughWhatASeedDraws) {
  const uint64_t first = campaign_setting("CROSSFADE_FAULT_SEED", 1);
  const uint64_t seeds = campaign_setting("CROSSFADE_FAULT_SEEDS", 16);
  const Deadline end =
      Deadline::after(std::chrono::seconds(campaign_setting("CROSSFADE_FAULT_SECONDS", 120)));
  const auto life_of = [first](size_t i) {
    const uint64_t seed = first + i;
    FaultLifeOptions life;
    life.seed = 1'000 + seed;
    life.faults = drawn_by(seed);
    life.engine_beside = seed % 3 != 0;
    life.outbox = seed % 4 == 0;
    return life;
  };
  (void)undisturbed_trace();
  run_drawn_lives(seeds, life_of, [&] { return !end.expired(); });
}

// What the campaign passes is all there is, but for what has a test of its own
// (fault_points_test.cc).
TEST_F(FaultCampaignTest, PassesEveryPointThereIs) {
  std::set<std::string> passed;
  (void)undisturbed_trace();
  (void)undisturbed_trace(true);
  for (const auto& [point, phase] : campaign_totals().trace.passed) passed.insert(point);
  const std::set<std::string> only_when_something_failed = {
      "flip.resolve",       "cutover.step_back",   "rollback.step_back",
      "source.open.marked", "source.open.lowered", "log.given_up"};
  const std::regex call("fault(?:_point|_fails)?\\(\"([^\"]+)\"\\)");
  for (const char* folder : {"apply", "capture", "engine", "verify"}) {
    const auto root = fs::path(project_file(folder));
    for (const auto& entry : fs::recursive_directory_iterator(root)) {
      if (entry.path().extension() != ".cc") continue;
      const std::string text = read_bytes(entry.path().string());
      for (std::sregex_iterator at(text.begin(), text.end(), call), end; at != end; ++at) {
        const std::string point = (*at)[1];
        if (point.starts_with("dual.") || point.starts_with("undo.")) continue;
        EXPECT_TRUE(passed.contains(point) || only_when_something_failed.contains(point)) << point;
      }
    }
  }
}

// CROSSFADE_HISTORY: a file that a failing life left.
TEST(HistoryFileTest, HoldsWhatHistoriesMust) {
  const char* file = std::getenv("CROSSFADE_HISTORY");
  if (file == nullptr) return;
  EXPECT_EQ(describe(check_history(read_history(file))), "");
}

}  // namespace
}  // namespace crossfade::testing
