// Waiting on conditions, never on time alone.
#pragma once

#include <chrono>
#include <cstdlib>
#include <thread>

#include "engine/core/deadline.h"

namespace crossfade::testing {

// How many times longer than stated a condition is waited for: what a program that watches itself
// (sanitizers) needs, on a machine with other work. From $CROSSFADE_PATIENCE, 1 without it.
inline int patience() {
  static const int times = [] {
    const char* said = std::getenv("CROSSFADE_PATIENCE");
    const int given = said == nullptr ? 1 : std::atoi(said);
    return given > 0 ? given : 1;
  }();
  return times;
}

// Polls until `condition()` is true; false when the time is over first. That is times patience(),
// but for less than a second, which is somebody's pace and no deadline.
template <typename Condition>
[[nodiscard]] bool wait_until(Condition condition, std::chrono::milliseconds within,
                              std::chrono::milliseconds interval = std::chrono::milliseconds(10)) {
  const bool is_pace = within < std::chrono::seconds(1);
  const Deadline deadline = Deadline::after(is_pace ? within : within * patience());
  while (!condition()) {
    if (deadline.expired()) return false;
    std::this_thread::sleep_for(interval);
  }
  return true;
}

}  // namespace crossfade::testing
