#include "engine/run/cutover_machine.h"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <vector>

namespace crossfade::run {
namespace {

using S = CutoverState;
using E = CutoverEvent;

const std::vector<E> kEvents{E::kOk,      E::kFailed,     E::kInDoubt,
                             E::kFlipped, E::kNotFlipped, E::kTimedOut};

// The events a driver may feed in each state; the rest assert.
std::vector<E> legal(S state) {
  switch (state) {
    case S::kGate:
    case S::kLock:
    case S::kDrain:
    case S::kCompare:
    case S::kPrepare:
    case S::kFence:
      return {E::kOk, E::kFailed, E::kTimedOut};
    case S::kFlip:
      return {E::kOk, E::kFailed, E::kTimedOut, E::kInDoubt};
    case S::kResolve:
      return {E::kFailed, E::kTimedOut, E::kFlipped, E::kNotFlipped};
    case S::kPublish:
    case S::kStepBack:
      return {E::kOk, E::kFailed};
    case S::kDone:
    case S::kSteppedBack:
      return {};
  }
  return {};
}

CutoverMachine after(const std::vector<E>& events, bool dry_run) {
  CutoverMachine machine(dry_run);
  for (const E event : events) machine.on(event);
  return machine;
}

// What a path says about the two sides: the flip may only ever follow the fence.
void check(const std::vector<E>& path, bool dry_run, std::set<S>* seen, int* ended) {
  const CutoverMachine machine = after(path, dry_run);
  seen->insert(machine.state());
  if (machine.ended()) {
    ++*ended;
    EXPECT_EQ(machine.action(), CutoverAction::kFinish);
    if (machine.state() == S::kDone) {
      EXPECT_TRUE(machine.fence_may_be_up());
      EXPECT_FALSE(dry_run);
    }
    return;
  }
  if (machine.state() == S::kFlip || machine.state() == S::kResolve ||
      machine.state() == S::kPublish) {
    EXPECT_TRUE(machine.fence_may_be_up());
  }
  ASSERT_LE(path.size(), 12U) << "a path without end";
  for (const E event : legal(machine.state())) {
    std::vector<E> next = path;
    next.push_back(event);
    // Asking again is the one step that stays where it is: once is enough to see that.
    if (after(next, dry_run).state() == machine.state()) {
      EXPECT_EQ(machine.state(), S::kResolve);
      EXPECT_EQ(after(next, dry_run).action(), CutoverAction::kAskRoute);
      continue;
    }
    check(next, dry_run, seen, ended);
  }
}

TEST(CutoverMachineTest, EveryPathEndsDoneOrSteppedBack) {
  std::set<S> seen;
  int ended = 0;
  check({}, false, &seen, &ended);
  EXPECT_EQ(seen.size(), 12U);
  EXPECT_GT(ended, 20);
}

TEST(CutoverMachineTest, ADryRunNeverFences) {
  std::set<S> seen;
  int ended = 0;
  check({}, true, &seen, &ended);
  for (const S state : {S::kPrepare, S::kFence, S::kFlip, S::kResolve, S::kPublish, S::kDone}) {
    EXPECT_FALSE(seen.contains(state)) << static_cast<int>(state);
  }
  const CutoverMachine machine = after({E::kOk, E::kOk, E::kOk, E::kOk, E::kOk}, true);
  EXPECT_EQ(machine.state(), S::kSteppedBack);
  EXPECT_FALSE(machine.fence_may_be_up());
}

TEST(CutoverMachineTest, TheWholeWayInOrder) {
  CutoverMachine machine(false);
  const std::vector<CutoverAction> actions{CutoverAction::kCheckGate, CutoverAction::kTakeLock,
                                           CutoverAction::kDrain,     CutoverAction::kCompare,
                                           CutoverAction::kPrepare,   CutoverAction::kRaiseFence,
                                           CutoverAction::kFlip,      CutoverAction::kPublish};
  for (const CutoverAction action : actions) {
    EXPECT_EQ(machine.action(), action);
    EXPECT_EQ(machine.fence_may_be_up(),
              action == CutoverAction::kFlip || action == CutoverAction::kPublish);
    machine.on(E::kOk);
  }
  EXPECT_EQ(machine.state(), S::kDone);
}

// A fence whose commit failed may be up all the same: the step back must look.
TEST(CutoverMachineTest, AFailedFenceIsLowered) {
  CutoverMachine machine = after({E::kOk, E::kOk, E::kOk, E::kOk, E::kOk, E::kFailed}, false);
  EXPECT_EQ(machine.state(), S::kStepBack);
  EXPECT_TRUE(machine.fence_may_be_up());
  EXPECT_FALSE(after({E::kOk, E::kOk, E::kOk, E::kOk, E::kFailed}, false).fence_may_be_up());
}

TEST(CutoverMachineTest, ALostFlipIsAskedAboutUntilItIsKnown) {
  const std::vector<E> in_doubt{E::kOk, E::kOk, E::kOk, E::kOk, E::kOk, E::kOk, E::kInDoubt};
  CutoverMachine machine = after(in_doubt, false);
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(machine.action(), CutoverAction::kAskRoute);
    machine.on(i % 2 == 0 ? E::kFailed : E::kTimedOut);
  }
  CutoverMachine flipped = machine;
  flipped.on(E::kFlipped);
  EXPECT_EQ(flipped.state(), S::kPublish);
  machine.on(E::kNotFlipped);
  EXPECT_EQ(machine.state(), S::kStepBack);
}

// The route file is a copy: failing to write it undoes nothing.
TEST(CutoverMachineTest, AFailedPublishIsDone) {
  CutoverMachine machine =
      after({E::kOk, E::kOk, E::kOk, E::kOk, E::kOk, E::kOk, E::kOk, E::kFailed}, false);
  EXPECT_EQ(machine.state(), S::kDone);
}

TEST(CutoverMachineDeathTest, EventsThatCannotHappenAssert) {
  ::testing::GTEST_FLAG(death_test_style) = "threadsafe";
  EXPECT_DEATH(CutoverMachine(false).on(E::kInDoubt), "event 2 in state 0");
  EXPECT_DEATH(after({E::kOk, E::kOk, E::kFlipped}, false), "event 3 in state 2");
  EXPECT_DEATH(after({E::kOk, E::kOk, E::kOk, E::kOk, E::kOk, E::kOk, E::kInDoubt, E::kOk}, false),
               "while resolving");
  EXPECT_DEATH(after({E::kFailed, E::kOk, E::kOk}, false), "after the end");
}

}  // namespace
}  // namespace crossfade::run
