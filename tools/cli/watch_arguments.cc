#include "tools/cli/watch_arguments.h"

#include <fmt/format.h>

#include <charconv>
#include <utility>

namespace crossfade::cli {
namespace {

using std::chrono::milliseconds;

Error watch_usage(std::string flag, std::string native, std::string hint) {
  Error error;
  error.code = ErrorCode::kUsage;
  error.op = "arguments";
  error.object = std::move(flag);
  error.native = std::move(native);
  error.hint = std::move(hint);
  return error;
}

Status take_duration(const std::string& flag, const std::string& text, milliseconds min,
                     milliseconds max, milliseconds* value) {
  if (text.empty()) return ok();
  const auto parsed = parse_duration(text);
  if (!parsed || *parsed < min || *parsed > max) {
    return fail(watch_usage(flag,
                            fmt::format("'{}' is no time between {} ms and {} s", text, min.count(),
                                        max.count() / 1000),
                            "give a number with its unit: 500ms, 90s, 10m or 2h"));
  }
  *value = *parsed;
  return ok();
}

}  // namespace

std::optional<milliseconds> parse_duration(const std::string& text) {
  int64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [unit, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || number <= 0) return std::nullopt;
  const std::string name(unit, end);
  const int64_t factor = name == "ms"  ? 1
                         : name == "s" ? 1'000
                         : name == "m" ? 60'000
                         : name == "h" ? 3'600'000
                                       : 0;
  if (factor == 0 || number > INT64_MAX / factor) return std::nullopt;
  return milliseconds(number * factor);
}

Result<std::optional<run::WatchOptions>> to_watch_options(const WatchArguments& arguments) {
  if (arguments.window.empty()) return std::optional<run::WatchOptions>();
  run::WatchOptions out;
  CROSSFADE_TRY(take_duration("--watch", arguments.window, limits::kWatchEveryMin,
                              limits::kWatchWindowMax, &out.window));
  CROSSFADE_TRY(take_duration("--watch-every", arguments.every, limits::kWatchEveryMin, out.window,
                              &out.every));
  CROSSFADE_TRY(take_duration("--watch-target-lost", arguments.target_lost_after,
                              limits::kWatchEveryMin, out.window, &out.target_lost_after));
  if (arguments.command.size() > limits::kWatchCommandBytesMax) {
    return fail(watch_usage("--rollback-if",
                            fmt::format("the command has {} bytes, over the limit of {}",
                                        arguments.command.size(), limits::kWatchCommandBytesMax),
                            "put it into a script"));
  }
  out.command = arguments.command;
  out.failures_max = arguments.failures;
  return std::optional<run::WatchOptions>(std::move(out));
}

}  // namespace crossfade::cli
