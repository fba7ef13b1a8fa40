// The cutover protocol as a state machine without I/O: the whole of it on one screen.
//
// Fence before flip (docs/decisions/0002): the source is closed for good before the target opens,
// so at no instant do both accept writes. Until the fence is committed the source is held by its
// own write lock only, which the system lets go of if the engine dies. Between fence and flip
// neither side accepts writes; the route row on the target decides which way it goes.
#pragma once

#include <cstdint>

namespace crossfade::run {

enum class CutoverState : uint8_t {
  kGate,      // is everything caught up, verified, built?
  kLock,      // waiting for the source's write lock
  kDrain,     // the last changes are on their way
  kCompare,   // the keys changed since the verification, at the final position
  kPrepare,   // foreign keys and sequences
  kFence,     // the permanent fence, committed on the source
  kFlip,      // the point of no return, committed on the target
  kResolve,   // the flip's answer was lost: what does the route row say?
  kPublish,   // the route file
  kStepBack,  // undo the fence if it is up, let go of the lock
  kDone,
  kSteppedBack,
};

enum class CutoverEvent : uint8_t {
  kOk,
  kFailed,      // the step did not succeed, and it is known that nothing moved
  kInDoubt,     // of a flip: the connection went before the answer
  kFlipped,     // of a resolve: the route row says the target is primary
  kNotFlipped,  // of a resolve: it says the source is
  kTimedOut,    // the pause budget is used up
};

enum class CutoverAction : uint8_t {
  kCheckGate,
  kTakeLock,
  kDrain,
  kCompare,
  kPrepare,
  kRaiseFence,
  kFlip,
  kAskRoute,
  kPublish,
  kStepBack,
  kFinish,
};

class CutoverMachine {
 public:
  // A dry run goes through kPrepare's checks and steps back before anything is changed.
  explicit CutoverMachine(bool dry_run) : dry_run_(dry_run) {}

  [[nodiscard]] CutoverState state() const { return state_; }
  [[nodiscard]] CutoverAction action() const;
  // Events that cannot happen in a state assert.
  void on(CutoverEvent event);
  // The permanent fence is on the source (or may be).
  [[nodiscard]] bool fence_may_be_up() const { return fence_may_be_up_; }
  [[nodiscard]] bool ended() const {
    return state_ == CutoverState::kDone || state_ == CutoverState::kSteppedBack;
  }

 private:
  const bool dry_run_;
  CutoverState state_ = CutoverState::kGate;
  bool fence_may_be_up_ = false;
};

}  // namespace crossfade::run
