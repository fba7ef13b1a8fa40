// What is known of the watch after a cutover, kept in the state folder so that it goes on when the
// engine is started again, and so that everybody can ask how it ended.
//
// Written before the flip (kArmed), bound to the epoch that the flip makes. Whoever finds it armed
// asks the route row. The command is in the file, which only its owner may read, and nowhere else.
// Threads: any, for these functions.
#pragma once

#include <chrono>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "engine/core/limits.h"
#include "engine/core/result.h"
#include "engine/core/strong.h"
#include "engine/run/state_folder.h"
#include "engine/run/watch_machine.h"

namespace crossfade::run {

struct WatchOptions {
  std::chrono::milliseconds window{0};
  std::string command;  // for /bin/sh -c; empty: none
  std::chrono::milliseconds every = limits::kWatchEveryDefault;
  int failures_max = limits::kWatchFailuresDefault;
  std::chrono::milliseconds target_lost_after{0};  // 0: never
};

struct WatchRecord {
  Epoch epoch;  // that the cutover made
  WatchOptions options;
  std::chrono::milliseconds max_pause = limits::kMaxPauseDefault;  // of the rollback
  WatchState state = WatchState::kArmed;
  WatchCause cause = WatchCause::kNone;
  std::string reason;     // of `cause`, in words; empty: nothing has triggered it
  int64_t until_ms = 0;   // since 1970; 0: armed
  int64_t ended_ms = 0;   // since 1970; 0: not yet
  int attempts = 0;       // at a rollback, that stepped back
  std::string last_step;  // why the last of them did
  std::string lost;       // JSON: the report of the target's giving up; empty: it was not

  // What is not written down at every change, only where more changes.
  int64_t last_check_ms = 0;  // since 1970
  int64_t checks = 0;
  int command_failures = 0;  // in a row
  int target_failures = 0;   // in a row
  int64_t rounds = 0;        // comparisons that found both sides equal
};

[[nodiscard]] const char* to_string(WatchState state);
// Milliseconds since 1970.
[[nodiscard]] int64_t wall_clock_ms();

// As `status` shows it, without the command.
[[nodiscard]] nlohmann::json to_json(const WatchRecord& record);
// One line for a person.
[[nodiscard]] std::string to_text(const WatchRecord& record);

Status save_watch(const StateFolder& state, const WatchRecord& record);
// Nothing when there is none. A damaged file is an error that names it.
Result<std::optional<WatchRecord>> load_watch(const StateFolder& state);

// As a request has it. Nothing: it is none, or one of its values is not possible.
[[nodiscard]] nlohmann::json to_request(const WatchOptions& options);
[[nodiscard]] std::optional<WatchOptions> watch_from_request(const nlohmann::json& request);

}  // namespace crossfade::run
