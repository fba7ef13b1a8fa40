#include "engine/core/backoff.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace crossfade {
namespace {

using std::chrono::milliseconds;

// Promise: pauses grow to the cap and no further, and the attempts end.
TEST(BackoffTest, PausesStayUnderTheDoublingCeilingAndAttemptsEnd) {
  Backoff backoff(milliseconds(10), milliseconds(100), 40);
  int attempts = 0;
  while (backoff.next()) {
    const auto ceiling = std::min<int64_t>(100, int64_t{10} << std::min(attempts, 20));
    EXPECT_GE(backoff.pause().count(), 0);
    EXPECT_LE(backoff.pause().count(), ceiling) << "attempt " << attempts;
    ++attempts;
  }
  EXPECT_EQ(attempts, 40);
  EXPECT_FALSE(backoff.next());
}

TEST(BackoffTest, ResetStartsAnew) {
  Backoff backoff(milliseconds(1), milliseconds(1), 1);
  EXPECT_TRUE(backoff.next());
  EXPECT_FALSE(backoff.next());
  backoff.reset();
  EXPECT_TRUE(backoff.next());
}

TEST(BackoffTest, PausesAreJittered) {
  Backoff backoff(milliseconds(1000), milliseconds(1000), 100);
  milliseconds low = milliseconds::max();
  milliseconds high{0};
  while (backoff.next()) {
    low = std::min(low, backoff.pause());
    high = std::max(high, backoff.pause());
  }
  EXPECT_LT(low, milliseconds(200));
  EXPECT_GT(high, milliseconds(800));
}

}  // namespace
}  // namespace crossfade
