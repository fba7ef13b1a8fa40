// Waiting on conditions, never on time alone.
#pragma once

#include <chrono>
#include <thread>

#include "engine/core/deadline.h"

namespace crossfade::testing {

// Polls until `condition()` is true; false when the time is over first.
template <typename Condition>
[[nodiscard]] bool wait_until(Condition condition, std::chrono::milliseconds within,
                              std::chrono::milliseconds interval = std::chrono::milliseconds(10)) {
  const Deadline deadline = Deadline::after(within);
  while (!condition()) {
    if (deadline.expired()) return false;
    std::this_thread::sleep_for(interval);
  }
  return true;
}

}  // namespace crossfade::testing
