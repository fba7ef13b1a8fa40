#include "tools/cli/watch_wait.h"

#include <fmt/format.h>

#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>
#include <utility>

#include "engine/core/deadline.h"
#include "engine/core/limits.h"
#include "engine/run/route_file.h"
#include "engine/run/state_folder.h"
#include "engine/run/watch_record.h"

namespace crossfade::cli {
namespace {

// How long an engine may be away: whatever starts it again takes its time.
constexpr std::chrono::seconds kEngineAwayMax{30};

Error nobody_watches(const std::string& database, std::string native, std::string hint) {
  Error error;
  error.code = ErrorCode::kInterrupted;
  error.op = "watch";
  error.object = database;
  error.native = std::move(native);
  error.hint = std::move(hint);
  return error;
}

int exit_code_of(const run::WatchRecord& record) {
  switch (record.state) {
    case run::WatchState::kPassed:
      return 0;
    case run::WatchState::kRolledBack:
    case run::WatchState::kTargetLost:
      return exit_code(ErrorCode::kSteppedBack);
    case run::WatchState::kFailed:
      return exit_code(record.cause == run::WatchCause::kDifference ? ErrorCode::kDifferent
                                                                    : ErrorCode::kBlocked);
    case run::WatchState::kArmed:
    case run::WatchState::kWatching:
    case run::WatchState::kTriggered:
    case run::WatchState::kRollingBack:
    case run::WatchState::kGivingUp:
    case run::WatchState::kLapsed:
      break;
  }
  return exit_code(ErrorCode::kInterrupted);
}

std::string told(const run::WatchRecord& record) {
  switch (record.state) {
    case run::WatchState::kPassed:
      return "the watch passed: PostgreSQL stays the primary\n";
    case run::WatchState::kRolledBack:
      return fmt::format("rolled back: SQLite is the primary again{}\n",
                         record.reason.empty() ? "" : ", because " + record.reason);
    case run::WatchState::kTargetLost:
      return "PostgreSQL was given up: SQLite is the primary, from what had reached it; the "
             "details are in `crossfade status --json`, watch.lost\n";
    case run::WatchState::kArmed:
    case run::WatchState::kWatching:
    case run::WatchState::kTriggered:
    case run::WatchState::kRollingBack:
    case run::WatchState::kGivingUp:
    case run::WatchState::kFailed:
    case run::WatchState::kLapsed:
      break;
  }
  return "the watch ended: " + run::to_text(record) + "; PostgreSQL is the primary\n";
}

// Nothing: it has ended, or is not there any more.
std::optional<Error> still_watched(const run::StateFolder& state, bool here, Deadline* away) {
  if (!here && state.locked_by_another()) {
    *away = Deadline::after(kEngineAwayMax);
    return std::nullopt;
  }
  if (!here && !away->expired()) return std::nullopt;
  return nobody_watches(state.database(),
                        "the window is not over, and no engine watches any more; PostgreSQL is the "
                        "primary as far as is known",
                        "`crossfade run` goes on with the watch");
}

}  // namespace

Result<run::TaskResult> await_watch(const Common& common, run::TaskResult cutover, bool here) {
  CROSSFADE_TRY(const auto state, run::StateFolder::of(common.engine.database));
  if (!common.json && !here) {
    fmt::print("{}watching; this may be interrupted, the engine goes on\n", cutover.text);
    std::fflush(stdout);
    cutover.text.clear();
  }
  const Epoch epoch{cutover.document.value("epoch", int64_t{0})};
  Deadline away = Deadline::after(kEngineAwayMax);
  while (true) {
    CROSSFADE_TRY(const auto record, run::load_watch(state));
    if (!record || record->epoch != epoch) {
      return fail(nobody_watches(state.database(),
                                 "the watch was called off: the move was finished",
                                 "`crossfade route` says which side is the primary"));
    }
    if (run::has_ended(record->state)) {
      cutover.exit_code = exit_code_of(*record);
      cutover.document["watch"] = run::to_json(*record);
      CROSSFADE_TRY(const auto route, run::read_route_file(state.route()));
      cutover.document["primary"] = run::to_string(route.primary);
      cutover.document["epoch"] = route.epoch.value;
      cutover.text += told(*record);
      return cutover;
    }
    if (auto error = still_watched(state, here, &away)) return fail(std::move(*error));
    std::this_thread::sleep_for(limits::kPollInterval);
  }
}

}  // namespace crossfade::cli
