// Shows how a run comes along: bars on a terminal, a log line now and then elsewhere.
//
// Threads: its own, between construction and destruction. Borrows the board.
#pragma once

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

#include "engine/run/status.h"

namespace crossfade::cli {

class Progress {
 public:
  // `terminal`: draw; otherwise log.
  Progress(run::StatusBoard& board, bool terminal);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

 private:
  void run();
  void draw(const run::StatusReport& report);
  void erase();
  void log_line(const run::StatusReport& report);

  run::StatusBoard& board_;
  const bool terminal_;
  size_t lines_ = 0;
  std::string last_line_;
  bool ending_ = false;  // guarded by mutex_
  std::mutex mutex_;
  std::condition_variable changed_;
  std::thread thread_;
};

}  // namespace crossfade::cli
