// Keeps the change log from taking the source's disk.
//
// While the target is away, or slower than the application, the log grows in the application's own
// file, and a full disk would fail the application's writes. So there is an end to it: past a bound
// the capture is given up. Triggers and log go, the application writes on as if there were no move,
// and the tables are copied anew once the target is there again. No data is lost by it: SQLite has
// it all (docs/decisions/0012).
//
// A thread of its own looks, since the engine's may wait for the target for a minute.
// Threads: any. Owns its connection; borrows the file and the audit log.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "capture/change_log.h"
#include "engine/core/result.h"
#include "engine/core/strong.h"
#include "engine/run/audit.h"
#include "engine/run/source_file.h"
#include "engine/sqlite/connection.h"

namespace crossfade::run {

struct LogLimits {
  int64_t log_bytes_max = 0;   // of the log; 0: no bound of its own
  int64_t free_bytes_min = 0;  // of what the source's file system has left; 0: no bound
  int64_t kept = 0;            // positions that stay for `undo`, and are not counted
};

enum class LogVerdict : uint8_t {
  kFine,
  kScarce,   // there is too little room, but the log is not what takes it
  kTooLong,  // over log_bytes_max
  kNoRoom,   // below free_bytes_min, and giving the log up helps
};

// A log smaller than a quarter of free_bytes_min is not given up for room: it would not help.
LogVerdict judge_log(const LogLimits& limits, int64_t log_bytes, int64_t free_bytes);

class LogBound {
 public:
  LogBound(const SourceFile& source, LogLimits limits, AuditLog& audit);  // starts the thread
  ~LogBound();                                                            // ends it
  LogBound(const LogBound&) = delete;
  LogBound& operator=(const LogBound&) = delete;

  // What the thread does every kLogLookInterval: gives capture up past the bound, and takes out
  // what an earlier giving up has left. A lock that is not had is tried for again the next time.
  // Nothing where PostgreSQL is, or may be, written to: there a copy made anew would lose rows.
  void look();

  // How often it was given up by this object.
  [[nodiscard]] int64_t times_given_up() const { return times_given_up_.load(); }

 private:
  void run();
  Status look_at_log();
  Status give_up(LogVerdict why, int64_t log_bytes, int64_t free_bytes);
  Status take_out(Lsn below);
  Result<bool> sqlite_alone_is_written_to();

  const SourceFile& file_;
  const LogLimits limits_;
  AuditLog& audit_;
  std::mutex looking_;
  // Made by the first look that the file's writers leave room for; guarded by looking_, as is
  // log_size_ and warned_.
  std::optional<sqlite::Connection> source_;
  capture::LogSize log_size_;
  bool warned_ = false;
  std::atomic<int64_t> times_given_up_{0};
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;  // guarded by mutex_
  std::thread thread_;
};

}  // namespace crossfade::run
