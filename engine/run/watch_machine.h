// The watch after a cutover as a state machine without I/O: when is a rollback wanted, when is it
// tried, and how does the window end?
//
// It is told what the checks found and what became of what it asked for; times are since its own
// zero. A rollback that is wanted stays so until the window's end: what made it step back may
// pass. The target is given up only where that was asked for, and only after nobody at all has
// answered there for the whole of the stated time: an answer of any kind begins it anew.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

namespace crossfade::run {

enum class WatchState : uint8_t {
  kArmed,        // from before the flip: the route row says whether that came
  kWatching,     // all is well, or not yet bad enough
  kTriggered,    // a rollback is wanted; the target does not answer, or it is not time yet
  kRollingBack,  // one is under way
  kGivingUp,     // SQLite is to become the primary without the target
  kPassed,
  kRolledBack,
  kTargetLost,
  kFailed,  // a rollback was wanted and did not come about: PostgreSQL is the primary still
  kLapsed,  // no engine ran when the window ended
};

enum class WatchCause : uint8_t { kNone, kCommand, kTarget, kDifference };

enum class WatchEvent : uint8_t {
  kTime,
  kCommandPassed,
  kCommandFailed,
  kTargetAnswers,
  kTargetRefuses,    // somebody answers there, but does not let us in
  kTargetSilent,     // nobody does
  kDifference,       // the two sides are not equal
  kSteppedBack,      // of a rollback that the watch asked for
  kSqliteIsPrimary,  // by that one or by another
  kGivenUp,
  kNotGivenUp,
};

enum class WatchAction : uint8_t {
  kNothing,
  kRollBack,  // once for each time that it is returned
  kGiveUp,    // the same
  kFinish,    // the state is one of the last
};

struct WatchRules {
  int failures_max = 1;                            // of checks of one kind, in a row
  std::chrono::milliseconds until{0};              // the end of the window
  std::chrono::milliseconds target_lost_after{0};  // 0: it is never given up
  std::chrono::milliseconds retry_base{0};         // the first pause between attempts; doubled then
  std::chrono::milliseconds retry_cap{0};
};

[[nodiscard]] bool has_ended(WatchState state);

class WatchMachine {
 public:
  // In kWatching, or in kTriggered when it goes on with one that was.
  WatchMachine(const WatchRules& rules, WatchState state, WatchCause cause);

  WatchAction on(WatchEvent event, std::chrono::milliseconds now);

  [[nodiscard]] WatchState state() const { return state_; }
  [[nodiscard]] WatchCause cause() const { return cause_; }
  [[nodiscard]] bool ended() const { return has_ended(state_); }
  [[nodiscard]] int command_failures() const { return command_failures_; }  // in a row
  [[nodiscard]] int target_failures() const { return target_failures_; }    // in a row
  [[nodiscard]] int attempts() const { return attempts_; }                  // that stepped back
  [[nodiscard]] bool target_answers() const { return target_answers_; }

 private:
  void note(WatchEvent event, std::chrono::milliseconds now);
  WatchAction watching(WatchEvent event, std::chrono::milliseconds now);
  WatchAction trigger(WatchCause cause, std::chrono::milliseconds now);
  WatchAction triggered(std::chrono::milliseconds now);
  WatchAction rolling_back(WatchEvent event, std::chrono::milliseconds now);
  WatchAction giving_up(WatchEvent event, std::chrono::milliseconds now);
  WatchAction end(WatchState state);
  [[nodiscard]] bool is_lost(std::chrono::milliseconds now) const;

  const WatchRules rules_;
  WatchState state_;
  WatchCause cause_;
  int command_failures_ = 0;
  int target_failures_ = 0;
  int attempts_ = 0;
  bool target_answers_ = false;  // at the last look
  bool attempt_out_ = false;     // asked for, and not answered yet
  std::optional<std::chrono::milliseconds> silent_since_;
  std::chrono::milliseconds retry_at_{0};
};

}  // namespace crossfade::run
