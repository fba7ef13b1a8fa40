// Capped exponential backoff with full jitter: the pause before retry n is uniform in
// [0, min(cap, base * 2^n)], so that many engines do not retry in step.
#pragma once

#include <chrono>
#include <cstdint>
#include <random>

namespace crossfade {

class Backoff {
 public:
  Backoff(std::chrono::milliseconds base, std::chrono::milliseconds cap, int attempts_max);

  // False when the attempts are used up; otherwise `pause()` is the next wait.
  [[nodiscard]] bool next();
  [[nodiscard]] std::chrono::milliseconds pause() const { return pause_; }
  [[nodiscard]] int attempts() const { return attempts_; }
  void reset() { attempts_ = 0; }

 private:
  const std::chrono::milliseconds base_;
  const std::chrono::milliseconds cap_;
  const int attempts_max_;
  int attempts_ = 0;
  std::chrono::milliseconds pause_{0};
  std::minstd_rand random_;
};

}  // namespace crossfade
