#include "engine/run/watch_machine.h"

#include <algorithm>

#include "engine/core/assert.h"

namespace crossfade::run {

using std::chrono::milliseconds;

bool has_ended(WatchState state) {
  switch (state) {
    case WatchState::kArmed:
    case WatchState::kWatching:
    case WatchState::kTriggered:
    case WatchState::kRollingBack:
    case WatchState::kGivingUp:
      return false;
    case WatchState::kPassed:
    case WatchState::kRolledBack:
    case WatchState::kTargetLost:
    case WatchState::kFailed:
    case WatchState::kLapsed:
      return true;
  }
  return true;
}

WatchMachine::WatchMachine(const WatchRules& rules, WatchState state, WatchCause cause)
    : rules_(rules), state_(state), cause_(cause) {
  CROSSFADE_ASSERT(state == WatchState::kWatching || state == WatchState::kTriggered,
                   "a watch begins in state {}", static_cast<int>(state));
}

WatchAction WatchMachine::on(WatchEvent event, milliseconds now) {
  if (event == WatchEvent::kSqliteIsPrimary) {
    // Also when it was late; but a rollback of another day does not make a watch fail that passed.
    if (ended() && !attempt_out_) return WatchAction::kNothing;
    attempt_out_ = false;
    return end(WatchState::kRolledBack);
  }
  if (event == WatchEvent::kSteppedBack) attempt_out_ = false;
  if (ended()) return WatchAction::kNothing;
  note(event, now);
  switch (state_) {
    case WatchState::kWatching:
      return watching(event, now);
    case WatchState::kTriggered:
      return triggered(now);
    case WatchState::kRollingBack:
      return rolling_back(event, now);
    case WatchState::kGivingUp:
      return giving_up(event, now);
    case WatchState::kArmed:
    case WatchState::kPassed:
    case WatchState::kRolledBack:
    case WatchState::kTargetLost:
    case WatchState::kFailed:
    case WatchState::kLapsed:
      break;
  }
  return WatchAction::kNothing;
}

// What holds in every state.
void WatchMachine::note(WatchEvent event, milliseconds now) {
  switch (event) {
    case WatchEvent::kCommandPassed:
      command_failures_ = 0;
      break;
    case WatchEvent::kCommandFailed:
      ++command_failures_;
      break;
    case WatchEvent::kTargetAnswers:
      target_failures_ = 0;
      target_answers_ = true;
      silent_since_.reset();
      break;
    case WatchEvent::kTargetRefuses:
      ++target_failures_;
      target_answers_ = false;
      silent_since_.reset();
      break;
    case WatchEvent::kTargetSilent:
      ++target_failures_;
      target_answers_ = false;
      if (!silent_since_) silent_since_ = now;
      break;
    case WatchEvent::kSteppedBack: {
      const int doublings = std::min(attempts_, 16);
      retry_at_ = now + std::min(rules_.retry_cap, rules_.retry_base * (int64_t{1} << doublings));
      ++attempts_;
      break;
    }
    case WatchEvent::kTime:
    case WatchEvent::kDifference:
    case WatchEvent::kSqliteIsPrimary:
    case WatchEvent::kGivenUp:
    case WatchEvent::kNotGivenUp:
      break;
  }
}

WatchAction WatchMachine::watching(WatchEvent event, milliseconds now) {
  if (event == WatchEvent::kDifference) return trigger(WatchCause::kDifference, now);
  if (command_failures_ >= rules_.failures_max) return trigger(WatchCause::kCommand, now);
  if (target_failures_ >= rules_.failures_max) return trigger(WatchCause::kTarget, now);
  return now >= rules_.until ? end(WatchState::kPassed) : WatchAction::kNothing;
}

WatchAction WatchMachine::trigger(WatchCause cause, milliseconds now) {
  state_ = WatchState::kTriggered;
  cause_ = cause;
  retry_at_ = now;
  return triggered(now);
}

WatchAction WatchMachine::triggered(milliseconds now) {
  // Triggered by the last check of all it is tried once even so.
  const bool in_time = now < rules_.until || attempts_ == 0;
  if (target_answers_ && now >= retry_at_ && in_time) {
    state_ = WatchState::kRollingBack;
    attempt_out_ = true;
    return WatchAction::kRollBack;
  }
  if (is_lost(now)) {
    state_ = WatchState::kGivingUp;
    return WatchAction::kGiveUp;
  }
  return now >= rules_.until ? end(WatchState::kFailed) : WatchAction::kNothing;
}

WatchAction WatchMachine::rolling_back(WatchEvent event, milliseconds now) {
  if (event == WatchEvent::kSteppedBack) {
    state_ = WatchState::kTriggered;
    return triggered(now);
  }
  if (is_lost(now)) {
    state_ = WatchState::kGivingUp;
    return WatchAction::kGiveUp;
  }
  // One that goes on is let go on; one that waits for the target does not outlast the window.
  return now >= rules_.until && !target_answers_ ? end(WatchState::kFailed) : WatchAction::kNothing;
}

WatchAction WatchMachine::giving_up(WatchEvent event, milliseconds now) {
  if (event == WatchEvent::kGivenUp) return end(WatchState::kTargetLost);
  if (event != WatchEvent::kNotGivenUp) return WatchAction::kNothing;
  // Somebody answered after all, or SQLite could not be opened: only another such time counts.
  silent_since_.reset();
  state_ = attempt_out_ ? WatchState::kRollingBack : WatchState::kTriggered;
  return attempt_out_ ? rolling_back(event, now) : triggered(now);
}

WatchAction WatchMachine::end(WatchState state) {
  state_ = state;
  return WatchAction::kFinish;
}

bool WatchMachine::is_lost(milliseconds now) const {
  return rules_.target_lost_after.count() > 0 && silent_since_ &&
         now - *silent_since_ >= rules_.target_lost_after;
}

}  // namespace crossfade::run
