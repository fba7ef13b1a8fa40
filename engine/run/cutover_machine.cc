#include "engine/run/cutover_machine.h"

#include "engine/core/assert.h"

namespace crossfade::run {

CutoverAction CutoverMachine::action() const {
  switch (state_) {
    case CutoverState::kGate:
      return CutoverAction::kCheckGate;
    case CutoverState::kLock:
      return CutoverAction::kTakeLock;
    case CutoverState::kDrain:
      return CutoverAction::kDrain;
    case CutoverState::kCompare:
      return CutoverAction::kCompare;
    case CutoverState::kPrepare:
      return CutoverAction::kPrepare;
    case CutoverState::kFence:
      return CutoverAction::kRaiseFence;
    case CutoverState::kFlip:
      return CutoverAction::kFlip;
    case CutoverState::kResolve:
      return CutoverAction::kAskRoute;
    case CutoverState::kPublish:
      return CutoverAction::kPublish;
    case CutoverState::kStepBack:
      return CutoverAction::kStepBack;
    case CutoverState::kDone:
    case CutoverState::kSteppedBack:
      return CutoverAction::kFinish;
  }
  return CutoverAction::kFinish;
}

void CutoverMachine::on(CutoverEvent event) {
  const auto forward = [&](CutoverState next) {
    switch (event) {
      case CutoverEvent::kOk:
        state_ = next;
        return;
      case CutoverEvent::kFailed:
      case CutoverEvent::kTimedOut:
        state_ = CutoverState::kStepBack;
        return;
      case CutoverEvent::kInDoubt:
      case CutoverEvent::kFlipped:
      case CutoverEvent::kNotFlipped:
        break;
    }
    CROSSFADE_ASSERT(false, "event {} in state {}", static_cast<int>(event),
                     static_cast<int>(state_));
  };
  switch (state_) {
    case CutoverState::kGate:
      return forward(CutoverState::kLock);
    case CutoverState::kLock:
      return forward(CutoverState::kDrain);
    case CutoverState::kDrain:
      return forward(CutoverState::kCompare);
    case CutoverState::kCompare:
      return forward(dry_run_ ? CutoverState::kStepBack : CutoverState::kPrepare);
    case CutoverState::kPrepare:
      return forward(CutoverState::kFence);
    case CutoverState::kFence:
      fence_may_be_up_ = true;  // a commit that failed may still have happened
      return forward(CutoverState::kFlip);
    case CutoverState::kFlip:
      if (event == CutoverEvent::kInDoubt) {
        state_ = CutoverState::kResolve;
        return;
      }
      return forward(CutoverState::kPublish);
    case CutoverState::kResolve:
      // Asking failed: ask again. Nothing else is safe while the source is fenced.
      if (event == CutoverEvent::kFailed || event == CutoverEvent::kTimedOut) return;
      CROSSFADE_ASSERT(event == CutoverEvent::kFlipped || event == CutoverEvent::kNotFlipped,
                       "event {} while resolving", static_cast<int>(event));
      state_ = event == CutoverEvent::kFlipped ? CutoverState::kPublish : CutoverState::kStepBack;
      return;
    case CutoverState::kPublish:
      CROSSFADE_ASSERT(event == CutoverEvent::kOk || event == CutoverEvent::kFailed,
                       "event {} while publishing", static_cast<int>(event));
      // The route file is a copy: failing to write it undoes nothing.
      state_ = CutoverState::kDone;
      return;
    case CutoverState::kStepBack:
      CROSSFADE_ASSERT(event == CutoverEvent::kOk || event == CutoverEvent::kFailed,
                       "event {} while stepping back", static_cast<int>(event));
      state_ = CutoverState::kSteppedBack;
      return;
    case CutoverState::kDone:
    case CutoverState::kSteppedBack:
      break;
  }
  CROSSFADE_ASSERT(false, "event {} after the end", static_cast<int>(event));
}

}  // namespace crossfade::run
