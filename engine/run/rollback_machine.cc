#include "engine/run/rollback_machine.h"

#include "engine/core/assert.h"

namespace crossfade::run {

RollbackAction RollbackMachine::action() const {
  switch (state_) {
    case RollbackState::kGate:
      return RollbackAction::kCheckGate;
    case RollbackState::kLock:
      return RollbackAction::kTakeLocks;
    case RollbackState::kDrain:
      return RollbackAction::kDrain;
    case RollbackState::kSettle:
      return RollbackAction::kSettle;
    case RollbackState::kCompare:
      return RollbackAction::kCompare;
    case RollbackState::kPrepare:
      return RollbackAction::kPrepare;
    case RollbackState::kFlip:
      return RollbackAction::kFlip;
    case RollbackState::kResolve:
      return RollbackAction::kAskRoute;
    case RollbackState::kOpen:
      return RollbackAction::kOpenSource;
    case RollbackState::kPublish:
      return RollbackAction::kPublish;
    case RollbackState::kCleanUp:
      return RollbackAction::kCleanUp;
    case RollbackState::kStepBack:
      return RollbackAction::kStepBack;
    case RollbackState::kDone:
    case RollbackState::kSteppedBack:
      return RollbackAction::kFinish;
  }
  return RollbackAction::kFinish;
}

bool RollbackMachine::flipped() const {
  return state_ == RollbackState::kOpen || state_ == RollbackState::kPublish ||
         state_ == RollbackState::kCleanUp || state_ == RollbackState::kDone;
}

void RollbackMachine::on(RollbackEvent event) {
  switch (state_) {
    case RollbackState::kGate:
      return on_step(event, RollbackState::kLock);
    case RollbackState::kLock:
      // Nothing is held meanwhile; the driver pauses, and says kTimedOut when it has tried enough.
      if (event == RollbackEvent::kBusy) return;
      return on_step(event, RollbackState::kDrain);
    case RollbackState::kDrain:
      return on_step(event, RollbackState::kSettle);
    case RollbackState::kSettle:
      return on_step(event, RollbackState::kCompare);
    case RollbackState::kCompare:
      return on_step(event, RollbackState::kPrepare);
    case RollbackState::kPrepare:
      return on_step(event, dry_run_ ? RollbackState::kStepBack : RollbackState::kFlip);
    case RollbackState::kFlip:
      if (event == RollbackEvent::kInDoubt) {
        state_ = RollbackState::kResolve;
        return;
      }
      return on_step(event, RollbackState::kOpen);
    case RollbackState::kResolve:
      return on_resolve(event);
    case RollbackState::kOpen:
    case RollbackState::kPublish:
    case RollbackState::kCleanUp:
      return on_completing(event);
    case RollbackState::kStepBack:
      CROSSFADE_ASSERT(event == RollbackEvent::kOk || event == RollbackEvent::kFailed,
                       "event {} while stepping back", static_cast<int>(event));
      state_ = RollbackState::kSteppedBack;
      return;
    case RollbackState::kDone:
    case RollbackState::kSteppedBack:
      break;
  }
  CROSSFADE_ASSERT(false, "event {} after the end", static_cast<int>(event));
}

// Of the states up to the flip: they go on or step back.
void RollbackMachine::on_step(RollbackEvent event, RollbackState next) {
  CROSSFADE_ASSERT(event == RollbackEvent::kOk || event == RollbackEvent::kFailed ||
                       event == RollbackEvent::kTimedOut,
                   "event {} in state {}", static_cast<int>(event), static_cast<int>(state_));
  state_ = event == RollbackEvent::kOk ? next : RollbackState::kStepBack;
}

void RollbackMachine::on_resolve(RollbackEvent event) {
  // Asking failed: ask again. SQLite may be opened on the row's word only.
  if (event == RollbackEvent::kFailed || event == RollbackEvent::kTimedOut) return;
  CROSSFADE_ASSERT(event == RollbackEvent::kFlipped || event == RollbackEvent::kNotFlipped,
                   "event {} while resolving", static_cast<int>(event));
  state_ = event == RollbackEvent::kFlipped ? RollbackState::kOpen : RollbackState::kStepBack;
}

void RollbackMachine::on_completing(RollbackEvent event) {
  CROSSFADE_ASSERT(event == RollbackEvent::kOk || event == RollbackEvent::kFailed,
                   "event {} while completing", static_cast<int>(event));
  if (state_ == RollbackState::kOpen) {
    // Neither side takes writes until it succeeds: again.
    if (event == RollbackEvent::kOk) state_ = RollbackState::kPublish;
    return;
  }
  // The route file is a copy, and a slot that is left can be removed later: neither undoes a thing.
  state_ = state_ == RollbackState::kPublish ? RollbackState::kCleanUp : RollbackState::kDone;
}

}  // namespace crossfade::run
