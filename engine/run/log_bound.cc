#include "engine/run/log_bound.h"

#include <fmt/format.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "apply/reverse_state.h"
#include "engine/core/deadline.h"
#include "engine/core/limits.h"
#include "engine/observe/fault.h"
#include "engine/observe/log.h"
#include "engine/sqlite/sqlite_error_map.h"
#include "engine/sqlite/transaction.h"

namespace crossfade::run {
namespace {

constexpr int64_t kWorthIt = 4;  // a log of this part of free_bytes_min, or more, makes room

int64_t mebibytes(int64_t bytes) {
  return bytes / static_cast<int64_t>(limits::kMiB);
}

// What an ordinary user may still write there; as much as one likes where that cannot be told.
int64_t free_beside(const std::string& path) {
  struct statvfs there {};
  if (::statvfs(path.c_str(), &there) != 0) return INT64_MAX;
  return static_cast<int64_t>(there.f_bavail) * static_cast<int64_t>(there.f_frsize);
}

// No table needs what lies below.
Lsn oldest_base(const std::vector<capture::Captured>& captured) {
  Lsn oldest{INT64_MAX};
  for (const capture::Captured& each : captured) oldest = std::min(oldest, each.base_lsn);
  return oldest;
}

}  // namespace

LogVerdict judge_log(const LogLimits& limits, int64_t log_bytes, int64_t free_bytes) {
  if (limits.log_bytes_max > 0 && log_bytes > limits.log_bytes_max) return LogVerdict::kTooLong;
  if (free_bytes >= limits.free_bytes_min) return LogVerdict::kFine;
  return log_bytes >= limits.free_bytes_min / kWorthIt ? LogVerdict::kNoRoom : LogVerdict::kScarce;
}

LogBound::LogBound(const SourceFile& source, LogLimits limits, AuditLog& audit)
    : file_(source), limits_(limits), audit_(audit), thread_([this] { run(); }) {}

LogBound::~LogBound() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void LogBound::run() {
  std::unique_lock lock(mutex_);
  while (!wake_.wait_for(lock, limits::kLogLookInterval, [this] { return stopping_; })) {
    lock.unlock();
    look();
    lock.lock();
  }
}

void LogBound::look() {
  const std::lock_guard lock(looking_);
  const auto done = look_at_log();
  if (done || sqlite::is_busy(done.error())) return;
  if (!warned_) log::warn("the change log's bound cannot be kept: " + describe(done.error()));
  warned_ = true;
}

Status LogBound::look_at_log() {
  if (!source_) {
    CROSSFADE_TRY(auto connection, file_.connect(limits::kPruneBusyTimeout));
    source_.emplace(std::move(connection));
  }
  // One lock for all of it: where readers and writers exclude each other, each costs a writer time.
  CROSSFADE_TRY(auto reading, sqlite::Transaction::begin(*source_, sqlite::Begin::kDeferred));
  CROSSFADE_TRY(const auto identity, capture::read_identity(*source_));
  if (!identity) return ok();
  CROSSFADE_TRY(const bool may, sqlite_alone_is_written_to());
  if (!may) return ok();
  CROSSFADE_TRY(const auto captured, capture::read_captured(*source_));
  CROSSFADE_TRY(const Lsn newest, capture::newest_lsn(*source_));
  const Lsn base = captured.empty() ? newest : oldest_base(captured);
  CROSSFADE_TRY(const int64_t log_bytes, log_size_.bytes(*source_, base, limits_.kept));
  reading.rollback();
  CROSSFADE_TRY(take_out(base));
  const int64_t free_bytes = free_beside(source_->path());
  const LogVerdict verdict = judge_log(limits_, log_bytes, free_bytes);
  if (verdict == LogVerdict::kTooLong || verdict == LogVerdict::kNoRoom) {
    return give_up(verdict, log_bytes, free_bytes);
  }
  if (verdict == LogVerdict::kScarce && !warned_) {
    log::warn(
        fmt::format("{} MiB are free where {} is: the application's writes fail when there are "
                    "none. The change log has {} MiB of it only. Make room there",
                    mebibytes(free_bytes), source_->path(), mebibytes(log_bytes)));
  }
  warned_ = verdict == LogVerdict::kScarce;
  return ok();
}

Result<bool> LogBound::sqlite_alone_is_written_to() {
  CROSSFADE_TRY(const bool fenced, capture::fence_is_up(*source_));
  CROSSFADE_TRY(const auto way_back, apply::read_reverse_state(*source_));
  return !fenced && !way_back;
}

Status LogBound::give_up(LogVerdict why, int64_t log_bytes, int64_t free_bytes) {
  CROSSFADE_TRY(const bool given_up,
                capture::give_up(*source_, [this] { return sqlite_alone_is_written_to(); }));
  if (!given_up) return ok();
  ++times_given_up_;
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
  CROSSFADE_TRY(const Lsn newest, capture::newest_lsn(*source_));
  return take_out(newest);
}

// A piece at a time, and writers in between: the file does not shrink, but its pages are free for
// what the application writes.
Status LogBound::take_out(Lsn below) {
  const Deadline deadline = Deadline::after(limits::kLogTakeOutMax);
  while (!deadline.expired()) {
    CROSSFADE_TRY(const auto pruned, capture::prune(*source_, below));
    if (!pruned.more) break;
  }
  return ok();
}

}  // namespace crossfade::run
