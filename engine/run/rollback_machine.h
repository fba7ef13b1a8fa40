// The rollback protocol as a state machine without I/O: the whole of it on one screen.
//
// One transaction on PostgreSQL from kLock to kFlip (docs/decisions/0006): its locks hold every
// writer, its COMMIT raises the fence there and changes the route row, both or neither. Until that
// COMMIT is sent SQLite is fenced as ever and nothing was changed, so stepping back is rolling that
// transaction back; if the engine dies the server does it. From the flip on PostgreSQL is closed,
// and SQLite is opened however often it takes.
#pragma once

#include <cstdint>

namespace crossfade::run {

enum class RollbackState : uint8_t {
  kGate,      // is the reverse path healthy and close, is nothing in the way, are both sides equal?
  kLock,      // asking for the locks on the target's tables, briefly and perhaps several times
  kDrain,     // a probe that was written behind the locks is on its way
  kSettle,    // rows that were set aside, as they are now
  kCompare,   // the keys changed since the verification, at the final position
  kPrepare,   // sequences; fence triggers and route row, not committed
  kFlip,      // the point of no return, committed on the target
  kResolve,   // the flip's answer was lost: what does the route row say?
  kOpen,      // SQLite's fence comes down
  kPublish,   // the route file
  kCleanUp,   // slot and publication are not needed any more
  kStepBack,  // roll the target's transaction back: writers there go on
  kDone,
  kSteppedBack,
};

enum class RollbackEvent : uint8_t {
  kOk,
  kFailed,      // the step did not succeed; before the flip: it is known that nothing moved
  kTimedOut,    // the time for it is used up
  kBusy,        // of a lock: somebody has a conflicting one, and ours were let go of
  kInDoubt,     // of a flip: the connection went before the answer
  kFlipped,     // of a resolve: the route row says SQLite is the primary
  kNotFlipped,  // of a resolve: it says PostgreSQL is
};

enum class RollbackAction : uint8_t {
  kCheckGate,
  kTakeLocks,
  kDrain,
  kSettle,
  kCompare,
  kPrepare,
  kFlip,
  kAskRoute,
  kOpenSource,
  kPublish,
  kCleanUp,
  kStepBack,
  kFinish,
};

class RollbackMachine {
 public:
  // A dry run goes through kPrepare, whose work is not committed then, and steps back.
  explicit RollbackMachine(bool dry_run) : dry_run_(dry_run) {}

  [[nodiscard]] RollbackState state() const { return state_; }
  [[nodiscard]] RollbackAction action() const;
  // Events that cannot happen in a state assert.
  void on(RollbackEvent event);
  // It is known that SQLite is the primary: whoever ends now leaves the rest to the next start.
  [[nodiscard]] bool flipped() const;
  [[nodiscard]] bool ended() const {
    return state_ == RollbackState::kDone || state_ == RollbackState::kSteppedBack;
  }

 private:
  void on_step(RollbackEvent event, RollbackState next);
  void on_resolve(RollbackEvent event);
  void on_completing(RollbackEvent event);

  const bool dry_run_;
  RollbackState state_ = RollbackState::kGate;
};

}  // namespace crossfade::run
