// Promise: the change log is given up where it takes what the application needs, and only where
// that helps.
#include "engine/run/log_bound.h"

#include <gtest/gtest.h>

namespace crossfade::run {
namespace {

constexpr int64_t kMiB = int64_t{1} << 20;

TEST(LogVerdictTest, HasNoEndUnlessOneIsAskedFor) {
  EXPECT_EQ(judge_log({0, 0}, INT64_MAX, 0), LogVerdict::kFine);
}

TEST(LogVerdictTest, MayBeAsLongAsWasAllowed) {
  const LogLimits limits{100 * kMiB, 0};
  EXPECT_EQ(judge_log(limits, 100 * kMiB, 0), LogVerdict::kFine);
  EXPECT_EQ(judge_log(limits, 100 * kMiB + 1, INT64_MAX), LogVerdict::kTooLong);
}

TEST(LogVerdictTest, LeavesTheApplicationItsRoom) {
  const LogLimits limits{0, 256 * kMiB};
  EXPECT_EQ(judge_log(limits, 10'000 * kMiB, 256 * kMiB), LogVerdict::kFine);
  EXPECT_EQ(judge_log(limits, 64 * kMiB, 256 * kMiB - 1), LogVerdict::kNoRoom);
  EXPECT_EQ(judge_log(limits, 64 * kMiB - 1, 0), LogVerdict::kScarce)
      << "giving it up would make too little room";
}

}  // namespace
}  // namespace crossfade::run
