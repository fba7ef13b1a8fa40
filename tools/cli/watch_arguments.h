// The flags of `cutover --watch`, and what they come to.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "engine/core/limits.h"
#include "engine/core/result.h"
#include "engine/run/watch_record.h"

namespace crossfade::cli {

struct WatchArguments {
  std::string window;
  std::string command;
  std::string every;
  int failures = limits::kWatchFailuresDefault;
  std::string target_lost_after;
};

// "500ms", "90s", "10m", "2h". Nothing: it is no such text, or not above 0.
[[nodiscard]] std::optional<std::chrono::milliseconds> parse_duration(const std::string& text);

// Nothing without --watch. kUsage names the flag that cannot be.
Result<std::optional<run::WatchOptions>> to_watch_options(const WatchArguments& arguments);

}  // namespace crossfade::cli
