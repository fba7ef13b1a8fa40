#include "engine/run/log_bound.h"

#include <fmt/format.h>
#include <sys/statvfs.h>

#include <nlohmann/json.hpp>

#include "capture/change_log.h"
#include "engine/core/limits.h"
#include "engine/observe/fault.h"
#include "engine/observe/log.h"
#include "engine/sqlite/connection.h"
#include "engine/sqlite/sqlite_error_map.h"

namespace crossfade::run {
namespace {

constexpr int64_t kWorthIt = 4;  // a log of this part of free_min, or more, makes room

int64_t mebibytes(int64_t bytes) {
  return bytes / static_cast<int64_t>(limits::kMiB);
}

// What an ordinary user may still write there; as much as one likes where that cannot be told.
int64_t free_beside(const std::string& path) {
  struct statvfs there {};
  if (::statvfs(path.c_str(), &there) != 0) return INT64_MAX;
  return static_cast<int64_t>(there.f_bavail) * static_cast<int64_t>(there.f_frsize);
}

}  // namespace

LogVerdict judge_log(const LogLimits& limits, int64_t log_bytes, int64_t free_bytes) {
  if (limits.log_max > 0 && log_bytes > limits.log_max) return LogVerdict::kTooLong;
  if (free_bytes >= limits.free_min) return LogVerdict::kFine;
  return log_bytes >= limits.free_min / kWorthIt ? LogVerdict::kNoRoom : LogVerdict::kScarce;
}

Result<bool> LogBound::look(sqlite::Connection& source) {
  if (!due()) return false;
  next_ = Deadline::Clock::now() + limits::kLogLookInterval;
  CROSSFADE_TRY(const auto identity, capture::read_identity(source));
  if (!identity) return false;
  CROSSFADE_TRY(const auto captured, capture::read_captured(source));
  if (captured.empty()) {
    CROSSFADE_TRY(take_out_rest(source));
    return false;
  }
  CROSSFADE_TRY(const int64_t log_bytes, capture::log_bytes(source));
  const int64_t free_bytes = free_beside(source.path());
  const LogVerdict verdict = judge_log(limits_, log_bytes, free_bytes);
  switch (verdict) {
    case LogVerdict::kFine:
      warned_ = false;
      return false;
    case LogVerdict::kScarce:
      if (!warned_) {
        log::warn(
            fmt::format("{} MiB are free where {} is: the application's writes fail when there are "
                        "none. The change log has {} MiB of it only. Make room there",
                        mebibytes(free_bytes), source.path(), mebibytes(log_bytes)));
      }
      warned_ = true;
      return false;
    case LogVerdict::kTooLong:
    case LogVerdict::kNoRoom:
      return give_up(source, verdict, log_bytes, free_bytes);
  }
  return false;
}

Result<bool> LogBound::give_up(sqlite::Connection& source, LogVerdict why, int64_t log_bytes,
                               int64_t free_bytes) {
  const auto given_up = capture::give_up(source);
  if (!given_up) {
    if (!sqlite::is_busy(given_up.error())) return fail(given_up.error());
    next_ = {};  // a writer was faster
    return false;
  }
  fault_point("log.given_up");
  const std::string reason =
      why == LogVerdict::kTooLong
          ? fmt::format("it has {} MiB, more than --max-log", mebibytes(log_bytes))
          : fmt::format("{} MiB are free where the file is, less than --keep-free",
                        mebibytes(free_bytes));
  log::warn(fmt::format(
      "capture was given up, for the application's sake: the change log grew faster than the "
      "target took it ({}). Nothing is lost, SQLite is the primary and takes writes as before the "
      "move; the tables are copied anew when the target is there",
      reason));
  audit_.record("capture_given_up",
                {{"reason", reason}, {"log_bytes", log_bytes}, {"free_bytes", free_bytes}});
  next_ = {};
  CROSSFADE_TRY(take_out_rest(source));
  return true;
}

// A piece at a time, and writers in between: the file does not shrink, but its pages are free for
// what the application writes.
Status LogBound::take_out_rest(sqlite::Connection& source) {
  CROSSFADE_TRY(const Lsn newest, capture::newest_lsn(source));
  const Deadline deadline = Deadline::after(limits::kLogTakeOutMax);
  while (!deadline.expired()) {
    CROSSFADE_TRY(const int64_t rows, capture::prune(source, newest, limits::kPruneRowsMax));
    if (rows < limits::kPruneRowsMax) return ok();
  }
  next_ = {};
  return ok();
}

}  // namespace crossfade::run
