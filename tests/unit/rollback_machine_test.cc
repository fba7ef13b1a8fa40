#include "engine/run/rollback_machine.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

namespace crossfade::run {
namespace {

using S = RollbackState;
using E = RollbackEvent;
using A = RollbackAction;

// The events a driver may feed in each state; the rest assert.
std::vector<E> may_happen(S state) {
  switch (state) {
    case S::kGate:
    case S::kDrain:
    case S::kSettle:
    case S::kCompare:
    case S::kPrepare:
      return {E::kOk, E::kFailed, E::kTimedOut};
    case S::kLock:
      return {E::kOk, E::kFailed, E::kTimedOut, E::kBusy};
    case S::kFlip:
      return {E::kOk, E::kFailed, E::kTimedOut, E::kInDoubt};
    case S::kResolve:
      return {E::kFailed, E::kTimedOut, E::kFlipped, E::kNotFlipped};
    case S::kOpen:
    case S::kPublish:
    case S::kCleanUp:
    case S::kStepBack:
      return {E::kOk, E::kFailed};
    case S::kDone:
    case S::kSteppedBack:
      return {};
  }
  return {};
}

RollbackMachine fed(const std::vector<E>& events, bool dry_run = false) {
  RollbackMachine machine(dry_run);
  for (const E event : events) machine.on(event);
  return machine;
}

std::vector<E> with(std::vector<E> events, E event) {
  events.push_back(event);
  return events;
}

// What a path says about the two sides: SQLite is opened only once the flip is known to have
// happened, and what steps back has not flipped.
void follow(const std::vector<E>& path, bool dry_run, std::set<S>* seen, int* ended) {
  const RollbackMachine machine = fed(path, dry_run);
  seen->insert(machine.state());
  if (machine.flipped()) {
    ASSERT_GT(path.size(), 6U);
    EXPECT_TRUE(path[6] == E::kOk || (path[6] == E::kInDoubt && path.at(7) == E::kFlipped));
    EXPECT_FALSE(dry_run);
  }
  if (machine.ended()) {
    ++*ended;
    EXPECT_EQ(machine.action(), A::kFinish);
    EXPECT_EQ(machine.flipped(), machine.state() == S::kDone);
    return;
  }
  ASSERT_LE(path.size(), 12U) << "a path without end";
  for (const E event : may_happen(machine.state())) {
    // What stays where it is does the same again: once is enough to see that.
    const RollbackMachine then = fed(with(path, event), dry_run);
    if (then.state() == machine.state()) {
      EXPECT_EQ(then.action(), machine.action());
      EXPECT_TRUE(machine.state() == S::kLock || machine.state() == S::kResolve ||
                  machine.state() == S::kOpen);
      continue;
    }
    follow(with(path, event), dry_run, seen, ended);
  }
}

const std::vector<E> kUpToFlip(6, E::kOk);

TEST(RollbackMachineTest, EveryPathEndsDoneOrSteppedBack) {
  std::set<S> seen;
  int ended = 0;
  follow({}, false, &seen, &ended);
  EXPECT_EQ(seen.size(), 14U);
  EXPECT_GT(ended, 20);
}

TEST(RollbackMachineTest, ADryRunNeverFlips) {
  std::set<S> seen;
  int ended = 0;
  follow({}, true, &seen, &ended);
  for (const S state : {S::kFlip, S::kResolve, S::kOpen, S::kPublish, S::kCleanUp, S::kDone}) {
    EXPECT_FALSE(seen.contains(state)) << static_cast<int>(state);
  }
  EXPECT_TRUE(seen.contains(S::kPrepare)) << "what it rehearses";
}

TEST(RollbackMachineTest, TheWholeWayInOrder) {
  RollbackMachine machine(false);
  for (const A action : {A::kCheckGate, A::kTakeLocks, A::kDrain, A::kSettle, A::kCompare,
                         A::kPrepare, A::kFlip, A::kOpenSource, A::kPublish, A::kCleanUp}) {
    EXPECT_EQ(machine.action(), action);
    EXPECT_EQ(machine.flipped(),
              action == A::kOpenSource || action == A::kPublish || action == A::kCleanUp);
    machine.on(E::kOk);
  }
  EXPECT_EQ(machine.state(), S::kDone);
}

TEST(RollbackMachineTest, BusyLocksAreAskedForAgainUntilTheTimeIsOver) {
  RollbackMachine machine = fed({E::kOk});
  for (int i = 0; i < 5; ++i) {
    machine.on(E::kBusy);
    EXPECT_EQ(machine.action(), A::kTakeLocks);
  }
  RollbackMachine got = machine;
  got.on(E::kOk);
  EXPECT_EQ(got.state(), S::kDrain);
  machine.on(E::kTimedOut);
  EXPECT_EQ(machine.state(), S::kStepBack);
}

TEST(RollbackMachineTest, EverythingBeforeTheFlipStepsBack) {
  for (size_t steps = 0; steps <= kUpToFlip.size(); ++steps) {
    for (const E event : {E::kFailed, E::kTimedOut}) {
      std::vector<E> path(kUpToFlip.begin(), kUpToFlip.begin() + static_cast<int>(steps));
      const RollbackMachine machine = fed(with(path, event));
      EXPECT_EQ(machine.state(), S::kStepBack) << steps;
      EXPECT_FALSE(machine.flipped());
    }
  }
  EXPECT_EQ(fed({E::kFailed, E::kFailed}).state(), S::kSteppedBack) << "the server rolls back too";
}

TEST(RollbackMachineTest, ALostFlipIsAskedAboutUntilItIsKnown) {
  RollbackMachine machine = fed(with(kUpToFlip, E::kInDoubt));
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(machine.action(), A::kAskRoute);
    EXPECT_FALSE(machine.flipped());
    machine.on(i % 2 == 0 ? E::kFailed : E::kTimedOut);
  }
  RollbackMachine flipped = machine;
  flipped.on(E::kFlipped);
  EXPECT_EQ(flipped.state(), S::kOpen);
  machine.on(E::kNotFlipped);
  EXPECT_EQ(machine.state(), S::kStepBack);
}

// Neither side takes writes until SQLite is open: nothing else comes first.
TEST(RollbackMachineTest, SqliteIsOpenedHoweverOftenItTakes) {
  RollbackMachine machine = fed(with(kUpToFlip, E::kOk));
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(machine.action(), A::kOpenSource);
    machine.on(E::kFailed);
    EXPECT_TRUE(machine.flipped());
  }
  machine.on(E::kOk);
  EXPECT_EQ(machine.state(), S::kPublish);
}

TEST(RollbackMachineTest, WhatFailsAfterSqliteIsOpenUndoesNothing) {
  RollbackMachine machine = fed(with(with(kUpToFlip, E::kOk), E::kOk));
  machine.on(E::kFailed);
  EXPECT_EQ(machine.state(), S::kCleanUp);
  machine.on(E::kFailed);
  EXPECT_EQ(machine.state(), S::kDone);
}

TEST(RollbackMachineDeathTest, EventsThatCannotHappenAssert) {
  ::testing::GTEST_FLAG(death_test_style) = "threadsafe";
  EXPECT_DEATH(fed({E::kBusy}), "event 3 in state 0");
  EXPECT_DEATH(fed({E::kOk, E::kInDoubt}), "event 4 in state 1");
  EXPECT_DEATH(fed({E::kOk, E::kOk, E::kBusy}), "event 3 in state 2");
  EXPECT_DEATH(fed(with(with(kUpToFlip, E::kInDoubt), E::kOk)), "while resolving");
  EXPECT_DEATH(fed(with(with(kUpToFlip, E::kOk), E::kTimedOut)), "while completing");
  EXPECT_DEATH(fed({E::kFailed, E::kOk, E::kOk}), "after the end");
}

}  // namespace
}  // namespace crossfade::run
