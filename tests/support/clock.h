// A wall clock of a program's own, which steps when it is told to (tests/support/clock_step.c).
//
// Threads: any. The object must outlive the processes that were given its environment.
#pragma once

#include <chrono>
#include <map>
#include <string>

#include "tests/support/temp_dir.h"

namespace crossfade::testing {

class SteppedClock {
 public:
  SteppedClock();
  ~SteppedClock();
  SteppedClock(const SteppedClock&) = delete;
  SteppedClock& operator=(const SteppedClock&) = delete;

  // Of processes that shall go by it.
  [[nodiscard]] std::map<std::string, std::string> env() const;
  // From now on it is off by this.
  void set(std::chrono::seconds step);

 private:
  TempDir dir_;
  volatile int64_t* step_ = nullptr;
};

}  // namespace crossfade::testing
