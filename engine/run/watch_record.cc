#include "engine/run/watch_record.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <utility>

namespace crossfade::run {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;

constexpr std::array<std::pair<WatchState, const char*>, 10> kStateNames = {{
    {WatchState::kArmed, "armed"},
    {WatchState::kWatching, "watching"},
    {WatchState::kTriggered, "triggered"},
    {WatchState::kRollingBack, "rolling_back"},
    {WatchState::kGivingUp, "giving_up"},
    {WatchState::kPassed, "passed"},
    {WatchState::kRolledBack, "rolled_back"},
    {WatchState::kTargetLost, "target_lost"},
    {WatchState::kFailed, "failed"},
    {WatchState::kLapsed, "lapsed"},
}};
constexpr std::array<std::pair<WatchCause, const char*>, 4> kCauseNames = {{
    {WatchCause::kNone, "none"},
    {WatchCause::kCommand, "command"},
    {WatchCause::kTarget, "target"},
    {WatchCause::kDifference, "difference"},
}};

template <typename T, size_t N>
const char* name_of(T value, const std::array<std::pair<T, const char*>, N>& names) {
  for (const auto& [each, name] : names) {
    if (each == value) return name;
  }
  return "";
}

template <typename T, size_t N>
std::optional<T> named(const std::string& text,
                       const std::array<std::pair<T, const char*>, N>& names) {
  for (const auto& [each, name] : names) {
    if (text == name) return each;
  }
  return std::nullopt;
}

json moment(int64_t unix_ms) {
  if (unix_ms == 0) return {};
  return fmt::format("{:%FT%TZ}", fmt::gmtime(static_cast<std::time_t>(unix_ms / 1000)));
}

Error damaged_watch(const StateFolder& state) {
  Error error;
  error.code = ErrorCode::kStateFolder;
  error.op = "watch.read";
  error.object = state.watch();
  error.native = "the file is not what crossfade wrote";
  error.hint = "remove it; the watch after the last cutover is then over";
  return error;
}

bool integer(const json& object, const char* name, int64_t from, int64_t to, int64_t* value) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_number_integer()) return false;
  if (found->is_number_unsigned() && found->get<uint64_t>() > INT64_MAX) return false;
  *value = found->get<int64_t>();
  return *value >= from && *value <= to;
}

std::optional<WatchRecord> record_from(const json& file) {
  if (!file.is_object() || !file.contains("options")) return std::nullopt;
  auto options = watch_from_request(file["options"]);
  const auto text = [&](const char* name) {
    const auto found = file.find(name);
    return found != file.end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  const auto state = named(text("state"), kStateNames);
  const auto cause = named(text("cause"), kCauseNames);
  WatchRecord out;
  int64_t max_pause = 0;
  int64_t attempts = 0;
  if (!options || !state || !cause || !integer(file, "epoch", 0, INT64_MAX, &out.epoch.value) ||
      !integer(file, "max_pause_ms", 1, INT64_MAX, &max_pause) ||
      !integer(file, "until_ms", 0, INT64_MAX, &out.until_ms) ||
      !integer(file, "ended_ms", 0, INT64_MAX, &out.ended_ms) ||
      !integer(file, "attempts", 0, INT32_MAX, &attempts)) {
    return std::nullopt;
  }
  out.options = std::move(*options);
  out.max_pause = milliseconds(max_pause);
  out.state = *state;
  out.cause = *cause;
  out.reason = text("reason");
  out.attempts = static_cast<int>(attempts);
  out.last_step = text("last_step");
  out.lost = text("lost");
  return out;
}

}  // namespace

const char* to_string(WatchState state) {
  return name_of(state, kStateNames);
}

int64_t wall_clock_ms() {
  return std::chrono::duration_cast<milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

json to_json(const WatchRecord& r) {
  json out = {
      {"epoch", r.epoch.value},
      {"state", to_string(r.state)},
      {"until", moment(r.until_ms)},
      {"ended", moment(r.ended_ms)},
      {"last_check", moment(r.last_check_ms)},
      {"checks", r.checks},
      {"failures", std::max(r.command_failures, r.target_failures)},
      {"command_failures", r.command_failures},
      {"target_failures", r.target_failures},
      {"verified_rounds", r.rounds},
      {"trigger", r.cause == WatchCause::kNone ? json() : json(name_of(r.cause, kCauseNames))},
      {"reason", r.reason},
      {"attempts", r.attempts},
      {"stepped_back", r.last_step}};
  if (!r.lost.empty()) out["lost"] = json::parse(r.lost, nullptr, /*allow_exceptions=*/false);
  return out;
}

std::string to_text(const WatchRecord& r) {
  std::string out = to_string(r.state);
  if (!has_ended(r.state) && r.until_ms != 0) {
    out += fmt::format(" until {}", moment(r.until_ms).get<std::string>());
  }
  if (!r.reason.empty()) out += "; " + r.reason;
  if (r.attempts > 0) {
    out += fmt::format("; {} attempts to roll back stepped back, the last because: {}", r.attempts,
                       r.last_step);
  }
  if (r.target_failures > 0) out += "; the target does not answer";
  if (r.command_failures > 0) out += "; the command fails";
  return out;
}

Status save_watch(const StateFolder& state, const WatchRecord& r) {
  const json file = {{"options", to_request(r.options)},
                     {"epoch", r.epoch.value},
                     {"max_pause_ms", r.max_pause.count()},
                     {"state", to_string(r.state)},
                     {"cause", name_of(r.cause, kCauseNames)},
                     {"reason", r.reason},
                     {"until_ms", r.until_ms},
                     {"ended_ms", r.ended_ms},
                     {"attempts", r.attempts},
                     {"last_step", r.last_step},
                     {"lost", r.lost}};
  return state.remember_watch(file.dump(2, ' ', false, json::error_handler_t::replace) + "\n");
}

Result<std::optional<WatchRecord>> load_watch(const StateFolder& state) {
  CROSSFADE_TRY(const std::string text, state.remembered_watch());
  if (text.empty()) return std::optional<WatchRecord>();
  auto record = record_from(json::parse(text, nullptr, /*allow_exceptions=*/false));
  if (!record) return fail(damaged_watch(state));
  return record;
}

json to_request(const WatchOptions& options) {
  return {{"window_ms", options.window.count()},
          {"command", options.command},
          {"every_ms", options.every.count()},
          {"failures", options.failures_max},
          {"target_lost_after_ms", options.target_lost_after.count()}};
}

std::optional<WatchOptions> watch_from_request(const json& request) {
  if (!request.is_object()) return std::nullopt;
  int64_t window = 0;
  int64_t every = 0;
  int64_t failures = 0;
  int64_t lost = 0;
  const auto command = request.find("command");
  if (!integer(request, "window_ms", 1, limits::kWatchWindowMax.count(), &window) ||
      !integer(request, "every_ms", limits::kWatchEveryMin.count(), limits::kWatchWindowMax.count(),
               &every) ||
      !integer(request, "failures", 1, INT32_MAX, &failures) ||
      !integer(request, "target_lost_after_ms", 0, window, &lost) || command == request.end() ||
      !command->is_string() ||
      command->get_ref<const std::string&>().size() > limits::kWatchCommandBytesMax) {
    return std::nullopt;
  }
  WatchOptions out;
  out.window = milliseconds(window);
  out.command = command->get<std::string>();
  out.every = milliseconds(every);
  out.failures_max = static_cast<int>(failures);
  out.target_lost_after = milliseconds(lost);
  return out;
}

}  // namespace crossfade::run
