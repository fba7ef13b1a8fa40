// Sleeps until the source database may have been written to.
//
// inotify on the database's folder tells of writes to the file and its -wal (measured: 17 us p50
// after the commit returned); a poll interval covers what inotify cannot see, such as network file
// systems. A wake-up is a hint, not a promise: the reader looks for itself.
// Threads: wait() on one thread, nudge() from any.
#pragma once

#include <chrono>
#include <string>

#include "engine/core/deadline.h"

namespace crossfade::capture {

class Wakeup {
 public:
  // Without inotify (limits reached), it is a plain poll.
  explicit Wakeup(const std::string& database_path);
  ~Wakeup();
  Wakeup(const Wakeup&) = delete;
  Wakeup& operator=(const Wakeup&) = delete;

  // Returns at a write, at a nudge(), or when `poll` has passed.
  void wait(std::chrono::milliseconds poll);
  // Ends the present or the next wait().
  void nudge();

 private:
  bool drain_relevant();

  std::string file_;
  int inotify_ = -1;  // -1: none to be had
  int nudge_ = -1;    // eventfd
};

}  // namespace crossfade::capture
