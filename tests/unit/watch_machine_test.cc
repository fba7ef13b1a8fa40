#include "engine/run/watch_machine.h"

#include <gtest/gtest.h>

#include <optional>
#include <set>
#include <vector>

namespace crossfade::run {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr WatchEvent kWatchEvents[] = {
    WatchEvent::kTime,          WatchEvent::kCommandPassed, WatchEvent::kCommandFailed,
    WatchEvent::kTargetAnswers, WatchEvent::kTargetRefuses, WatchEvent::kTargetSilent,
    WatchEvent::kDifference,    WatchEvent::kSteppedBack,   WatchEvent::kSqliteIsPrimary,
    WatchEvent::kGivenUp,       WatchEvent::kNotGivenUp};

WatchRules watch_rules(seconds lost_after = seconds(0)) {
  return {2, seconds(100), lost_after, seconds(1), seconds(8)};
}

struct WatchStep {
  WatchEvent event;
  int at;  // seconds
};

WatchAction feed_watch(WatchMachine* machine, const std::vector<WatchStep>& steps) {
  WatchAction last = WatchAction::kNothing;
  for (const WatchStep& step : steps) last = machine->on(step.event, seconds(step.at));
  return last;
}

WatchMachine watch_after(const std::vector<WatchStep>& steps,
                         const WatchRules& with = watch_rules()) {
  WatchMachine machine(with, WatchState::kWatching, WatchCause::kNone);
  feed_watch(&machine, steps);
  return machine;
}

TEST(WatchMachineTest, AQuietWindowPasses) {
  WatchMachine machine = watch_after(
      {{WatchEvent::kTargetAnswers, 5}, {WatchEvent::kCommandPassed, 10}, {WatchEvent::kTime, 99}});
  EXPECT_EQ(machine.state(), WatchState::kWatching);
  EXPECT_EQ(machine.on(WatchEvent::kTime, seconds(100)), WatchAction::kFinish);
  EXPECT_EQ(machine.state(), WatchState::kPassed);
  EXPECT_TRUE(machine.ended());
}

TEST(WatchMachineTest, FailuresTriggerWhenTheyAreInARow) {
  WatchMachine machine = watch_after({{WatchEvent::kTargetAnswers, 1},
                                      {WatchEvent::kCommandFailed, 5},
                                      {WatchEvent::kCommandPassed, 10},
                                      {WatchEvent::kCommandFailed, 15}});
  EXPECT_EQ(machine.state(), WatchState::kWatching);
  EXPECT_EQ(machine.command_failures(), 1);
  EXPECT_EQ(machine.on(WatchEvent::kCommandFailed, seconds(20)), WatchAction::kRollBack);
  EXPECT_EQ(machine.state(), WatchState::kRollingBack);
  EXPECT_EQ(machine.cause(), WatchCause::kCommand);
}

// Those of one kind: one failure of each is not two.
TEST(WatchMachineTest, FailuresOfTwoKindsAreNotAddedUp) {
  const WatchMachine machine = watch_after({{WatchEvent::kTargetAnswers, 1},
                                            {WatchEvent::kCommandFailed, 5},
                                            {WatchEvent::kTargetSilent, 5}});
  EXPECT_EQ(machine.state(), WatchState::kWatching);
}

TEST(WatchMachineTest, OneDifferenceIsEnough) {
  WatchMachine machine = watch_after({{WatchEvent::kTargetAnswers, 1}});
  EXPECT_EQ(machine.on(WatchEvent::kDifference, seconds(7)), WatchAction::kRollBack);
  EXPECT_EQ(machine.cause(), WatchCause::kDifference);
}

TEST(WatchMachineTest, ASilentTargetIsRolledBackOnceItAnswers) {
  for (const WatchEvent away : {WatchEvent::kTargetSilent, WatchEvent::kTargetRefuses}) {
    WatchMachine machine = watch_after({{WatchEvent::kTargetAnswers, 1}, {away, 5}});
    EXPECT_EQ(machine.on(away, seconds(10)), WatchAction::kNothing)
        << "nothing can be done without loss";
    EXPECT_EQ(machine.state(), WatchState::kTriggered);
    EXPECT_EQ(machine.cause(), WatchCause::kTarget);
    EXPECT_EQ(feed_watch(&machine, {{WatchEvent::kTime, 20}, {away, 50}, {WatchEvent::kTime, 99}}),
              WatchAction::kNothing);
    WatchMachine too_late = machine;
    EXPECT_EQ(machine.on(WatchEvent::kTargetAnswers, seconds(99)), WatchAction::kRollBack);
    EXPECT_EQ(too_late.on(WatchEvent::kTime, seconds(100)), WatchAction::kFinish);
    EXPECT_EQ(too_late.state(), WatchState::kFailed);
    EXPECT_EQ(too_late.on(WatchEvent::kTargetAnswers, seconds(101)), WatchAction::kNothing);
  }
}

TEST(WatchMachineTest, ARollbackIsAskedForOnceUntilItIsAnswered) {
  WatchMachine machine =
      watch_after({{WatchEvent::kTargetAnswers, 1}, {WatchEvent::kDifference, 5}});
  for (const WatchEvent event : {WatchEvent::kTime, WatchEvent::kTargetAnswers,
                                 WatchEvent::kDifference, WatchEvent::kCommandFailed}) {
    EXPECT_EQ(machine.on(event, seconds(6)), WatchAction::kNothing);
  }
  EXPECT_EQ(machine.on(WatchEvent::kSqliteIsPrimary, seconds(7)), WatchAction::kFinish);
  EXPECT_EQ(machine.state(), WatchState::kRolledBack);
}

TEST(WatchMachineTest, WhatStepsBackIsTriedAgainWithLongerPauses) {
  WatchMachine machine =
      watch_after({{WatchEvent::kTargetAnswers, 1}, {WatchEvent::kDifference, 5}});
  int at = 5;
  for (const int pause : {1, 2, 4, 8, 8}) {
    EXPECT_EQ(machine.on(WatchEvent::kSteppedBack, seconds(at)), WatchAction::kNothing);
    EXPECT_EQ(machine.on(WatchEvent::kTime, seconds(at + pause) - milliseconds(1)),
              WatchAction::kNothing);
    EXPECT_EQ(machine.on(WatchEvent::kTime, seconds(at + pause)), WatchAction::kRollBack);
    at += pause;
  }
  EXPECT_EQ(machine.attempts(), 5);
  EXPECT_EQ(machine.on(WatchEvent::kTime, seconds(200)), WatchAction::kNothing)
      << "one that goes on is let go on";
  EXPECT_EQ(machine.on(WatchEvent::kSteppedBack, seconds(201)), WatchAction::kFinish);
  EXPECT_EQ(machine.state(), WatchState::kFailed);
}

TEST(WatchMachineTest, TriggeredByTheLastCheckItIsTriedOnce) {
  WatchMachine machine = watch_after({{WatchEvent::kTargetAnswers, 98},
                                      {WatchEvent::kCommandFailed, 95},
                                      {WatchEvent::kCommandFailed, 101}});
  EXPECT_EQ(machine.state(), WatchState::kRollingBack);
  EXPECT_EQ(machine.on(WatchEvent::kSteppedBack, seconds(102)), WatchAction::kFinish);
}

TEST(WatchMachineTest, OneThatWaitsForTheTargetDoesNotOutlastTheWindow) {
  WatchMachine machine = watch_after({{WatchEvent::kTargetAnswers, 1},
                                      {WatchEvent::kDifference, 5},
                                      {WatchEvent::kTargetSilent, 10}});
  EXPECT_EQ(machine.state(), WatchState::kRollingBack);
  EXPECT_EQ(machine.on(WatchEvent::kTime, seconds(100)), WatchAction::kFinish);
  EXPECT_EQ(machine.state(), WatchState::kFailed);
  WatchMachine flipped = machine;
  EXPECT_EQ(flipped.on(WatchEvent::kSqliteIsPrimary, seconds(110)), WatchAction::kFinish)
      << "it had flipped before";
  EXPECT_EQ(flipped.state(), WatchState::kRolledBack);
  EXPECT_EQ(
      feed_watch(&machine, {{WatchEvent::kSteppedBack, 110}, {WatchEvent::kSqliteIsPrimary, 9000}}),
      WatchAction::kNothing);
  EXPECT_EQ(machine.state(), WatchState::kFailed) << "a rollback of another day";
}

TEST(WatchMachineTest, ARollbackByHandEndsIt) {
  for (const std::vector<WatchStep>& before :
       {std::vector<WatchStep>{},
        {{WatchEvent::kTargetSilent, 5}, {WatchEvent::kTargetSilent, 6}}}) {
    WatchMachine machine = watch_after(before);
    EXPECT_EQ(machine.on(WatchEvent::kSqliteIsPrimary, seconds(7)), WatchAction::kFinish);
    EXPECT_EQ(machine.state(), WatchState::kRolledBack);
  }
  WatchMachine passed = watch_after({{WatchEvent::kTime, 100}});
  EXPECT_EQ(passed.on(WatchEvent::kSqliteIsPrimary, seconds(500)), WatchAction::kNothing);
  EXPECT_EQ(passed.state(), WatchState::kPassed);
}

TEST(WatchMachineTest, TheTargetIsNeverGivenUpUnasked) {
  WatchMachine machine =
      watch_after({{WatchEvent::kTargetSilent, 1}, {WatchEvent::kTargetSilent, 2}});
  EXPECT_EQ(machine.on(WatchEvent::kTime, seconds(99)), WatchAction::kNothing);
  EXPECT_EQ(machine.state(), WatchState::kTriggered);
}

TEST(WatchMachineTest, TheTargetIsGivenUpAfterSilenceOfTheStatedTime) {
  WatchMachine machine = watch_after(
      {{WatchEvent::kTargetSilent, 10}, {WatchEvent::kTargetSilent, 15}}, watch_rules(seconds(30)));
  EXPECT_EQ(machine.on(WatchEvent::kTargetSilent, seconds(39)), WatchAction::kNothing);
  EXPECT_EQ(machine.on(WatchEvent::kTime, seconds(40)), WatchAction::kGiveUp);
  EXPECT_EQ(machine.on(WatchEvent::kTime, seconds(41)), WatchAction::kNothing) << "once";
  EXPECT_EQ(machine.on(WatchEvent::kGivenUp, seconds(42)), WatchAction::kFinish);
  EXPECT_EQ(machine.state(), WatchState::kTargetLost);
}

TEST(WatchMachineTest, AnyAnswerBeginsTheSilenceAnew) {
  for (const WatchEvent answer :
       {WatchEvent::kTargetAnswers, WatchEvent::kTargetRefuses, WatchEvent::kNotGivenUp}) {
    WatchMachine machine =
        watch_after({{WatchEvent::kTargetSilent, 10}, {WatchEvent::kTargetSilent, 15}},
                    watch_rules(seconds(30)));
    if (answer == WatchEvent::kNotGivenUp) {
      EXPECT_EQ(machine.on(WatchEvent::kTime, seconds(40)), WatchAction::kGiveUp);
    }
    machine.on(answer, seconds(41));
    machine.on(WatchEvent::kTargetSilent, seconds(45));
    EXPECT_EQ(machine.on(WatchEvent::kTargetSilent, seconds(74)), WatchAction::kNothing);
    EXPECT_EQ(machine.on(WatchEvent::kTargetSilent, seconds(75)), WatchAction::kGiveUp);
  }
}

// A rollback was asked for, and then the target went: the engine is not at it.
TEST(WatchMachineTest, TheTargetMayBeGivenUpWhileARollbackWaitsForIt) {
  WatchMachine machine = watch_after({{WatchEvent::kTargetAnswers, 1},
                                      {WatchEvent::kDifference, 5},
                                      {WatchEvent::kTargetSilent, 10}},
                                     watch_rules(seconds(30)));
  EXPECT_EQ(machine.on(WatchEvent::kTime, seconds(40)), WatchAction::kGiveUp);
  WatchMachine rolled_back = machine;
  EXPECT_EQ(rolled_back.on(WatchEvent::kSqliteIsPrimary, seconds(41)), WatchAction::kFinish);
  EXPECT_EQ(machine.on(WatchEvent::kSteppedBack, seconds(41)), WatchAction::kNothing);
  EXPECT_EQ(machine.on(WatchEvent::kGivenUp, seconds(42)), WatchAction::kFinish);
  EXPECT_EQ(machine.state(), WatchState::kTargetLost);
}

TEST(WatchMachineTest, WhatWasTriggeredBeforeARestartIsTriggeredStill) {
  WatchMachine machine(watch_rules(), WatchState::kTriggered, WatchCause::kCommand);
  EXPECT_EQ(machine.on(WatchEvent::kTime, seconds(1)), WatchAction::kNothing)
      << "first it is to answer";
  EXPECT_EQ(machine.on(WatchEvent::kTargetAnswers, seconds(2)), WatchAction::kRollBack);
  EXPECT_EQ(machine.cause(), WatchCause::kCommand);
}

// Every event in every state that can be reached: no assertion, no way out of an end, a rollback
// only to a target that answered, and none beside one that is under way.
void explore_watch(const WatchMachine& machine, bool rolling, int depth, int at,
                   std::set<WatchState>* seen) {
  seen->insert(machine.state());
  if (depth == 0) return;
  for (const WatchEvent event : kWatchEvents) {
    for (const int step : {1, 60}) {
      WatchMachine next = machine;
      const WatchAction action = next.on(event, seconds(at + step));
      const bool answered =
          event == WatchEvent::kSteppedBack || event == WatchEvent::kSqliteIsPrimary;
      if (action == WatchAction::kRollBack) {
        EXPECT_EQ(next.state(), WatchState::kRollingBack);
        EXPECT_TRUE(next.target_answers());
        EXPECT_FALSE(rolling && !answered);
      } else if (next.state() == WatchState::kRollingBack) {
        EXPECT_TRUE(rolling);
      }
      EXPECT_FALSE(next.state() == WatchState::kTargetLost && event != WatchEvent::kGivenUp &&
                   !machine.ended());
      if (machine.ended() && next.state() != machine.state()) {
        EXPECT_TRUE(machine.state() == WatchState::kFailed &&
                    next.state() == WatchState::kRolledBack);
      }
      const bool now_rolling = action == WatchAction::kRollBack || (rolling && !answered);
      explore_watch(next, now_rolling, depth - 1, at + step, seen);
    }
  }
}

TEST(WatchMachineTest, EveryEventInEveryState) {
  std::set<WatchState> seen;
  explore_watch(WatchMachine({1, seconds(100), seconds(50), seconds(1), seconds(8)},
                             WatchState::kWatching, WatchCause::kNone),
                false, 4, 0, &seen);
  explore_watch(WatchMachine({1, seconds(100), seconds(50), seconds(1), seconds(8)},
                             WatchState::kTriggered, WatchCause::kTarget),
                false, 4, 0, &seen);
  EXPECT_EQ(seen, (std::set<WatchState>{WatchState::kWatching, WatchState::kTriggered,
                                        WatchState::kRollingBack, WatchState::kGivingUp,
                                        WatchState::kPassed, WatchState::kRolledBack,
                                        WatchState::kTargetLost, WatchState::kFailed}));
}

}  // namespace
}  // namespace crossfade::run
