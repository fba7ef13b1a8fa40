// Keeps the change log from taking the source's disk.
//
// While the target is away, or slower than the application, the log grows in the application's own
// file, and a full disk would fail the application's writes. So there is an end to it: past a bound
// the capture is given up. Triggers and log go, the application writes on as if there were no move,
// and the tables are copied anew once the target is there again. No data is lost by it: SQLite has
// it all.
//
// Threads: one at a time. Borrows the audit log.
#pragma once

#include <cstdint>
#include <string>

#include "engine/core/deadline.h"
#include "engine/core/result.h"
#include "engine/run/audit.h"

namespace crossfade::sqlite {
class Connection;
}

namespace crossfade::run {

// In bytes.
struct LogLimits {
  int64_t log_max = 0;   // of the log; 0: no bound of its own
  int64_t free_min = 0;  // of what the source's file system has left; 0: no bound
};

enum class LogVerdict : uint8_t {
  kFine,
  kScarce,   // there is too little room, but the log is not what takes it
  kTooLong,  // over log_max
  kNoRoom,   // below free_min, and giving the log up helps
};

// A log smaller than a quarter of free_min is not given up for room: it would not help.
LogVerdict judge_log(const LogLimits& limits, int64_t log_bytes, int64_t free_bytes);

class LogBound {
 public:
  LogBound(LogLimits limits, AuditLog& audit) : limits_(limits), audit_(audit) {}

  // Whether look() would look: it does so every kLogLookInterval.
  [[nodiscard]] bool due() const { return Deadline::Clock::now() >= next_; }
  // True: capture was given up just now, and the schema has changed by it. `source` is outside a
  // transaction and may be written to. Takes rows out that an earlier giving up has left. A lock
  // that is not had is no error: it is tried again.
  Result<bool> look(sqlite::Connection& source);

 private:
  Status take_out_rest(sqlite::Connection& source);
  Result<bool> give_up(sqlite::Connection& source, LogVerdict why, int64_t log_bytes,
                       int64_t free_bytes);

  const LogLimits limits_;
  AuditLog& audit_;
  Deadline::Clock::time_point next_{};
  bool warned_ = false;
};

}  // namespace crossfade::run
