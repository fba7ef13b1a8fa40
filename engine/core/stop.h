// A request to end, seen by every loop and every wait. Set once, from any thread or from the
// control loop after a signal; never cleared.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>

#include "engine/core/deadline.h"

namespace crossfade {

class StopSource {
 public:
  void request() {
    {
      const std::lock_guard lock(mutex_);
      requested_.store(true);
    }
    changed_.notify_all();
  }
  [[nodiscard]] bool requested() const { return requested_.load(std::memory_order_relaxed); }

  // Waits until the deadline or a request; true when stop was requested.
  bool wait_until(Deadline deadline) {
    std::unique_lock lock(mutex_);
    return changed_.wait_until(lock, deadline.time(), [this] { return requested_.load(); });
  }

 private:
  std::atomic<bool> requested_{false};
  std::mutex mutex_;
  std::condition_variable changed_;
};

}  // namespace crossfade
