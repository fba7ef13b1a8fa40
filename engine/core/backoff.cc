#include "engine/core/backoff.h"

#include <algorithm>

namespace crossfade {

Backoff::Backoff(std::chrono::milliseconds base, std::chrono::milliseconds cap, int attempts_max)
    : base_(base), cap_(cap), attempts_max_(attempts_max), random_(std::random_device{}()) {}

bool Backoff::next() {
  if (attempts_ >= attempts_max_) return false;
  const int shift = std::min(attempts_, 20);
  const auto ceiling = std::min(cap_, base_ * (int64_t{1} << shift));
  ++attempts_;
  pause_ = std::chrono::milliseconds(
      std::uniform_int_distribution<int64_t>(0, ceiling.count())(random_));
  return true;
}

}  // namespace crossfade
