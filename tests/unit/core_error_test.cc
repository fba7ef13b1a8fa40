#include "engine/core/error.h"

#include <gtest/gtest.h>

#include "engine/core/deadline.h"
#include "engine/core/result.h"
#include "engine/core/stop.h"

namespace crossfade {
namespace {

using std::chrono::milliseconds;

TEST(ErrorTest, ExitCodesAreTheDocumentedOnes) {
  EXPECT_EQ(exit_code(ErrorCode::kInternal), 1);
  EXPECT_EQ(exit_code(ErrorCode::kUsage), 2);
  EXPECT_EQ(exit_code(ErrorCode::kBlocked), 3);
  EXPECT_EQ(exit_code(ErrorCode::kMisfit), 3);
  EXPECT_EQ(exit_code(ErrorCode::kDifferent), 4);
  EXPECT_EQ(exit_code(ErrorCode::kSource), 5);
  EXPECT_EQ(exit_code(ErrorCode::kSourceReplaced), 5);
  EXPECT_EQ(exit_code(ErrorCode::kTarget), 6);
  EXPECT_EQ(exit_code(ErrorCode::kTargetUnreachable), 6);
  EXPECT_EQ(exit_code(ErrorCode::kFenced), 7);
  EXPECT_EQ(exit_code(ErrorCode::kSteppedBack), 8);
  EXPECT_EQ(exit_code(ErrorCode::kInterrupted), 9);
}

TEST(ErrorTest, DescribeSaysWhatToWhatAndWhatToDo) {
  Error error;
  error.op = "apply.commit";
  error.object = "orders";
  error.native = "SQLSTATE 40001: no";
  error.hint = "run again";
  error.lsn = Lsn{7};
  EXPECT_EQ(describe(error),
            "apply.commit: orders\n  cause: SQLSTATE 40001: no\n  at change log position 7\n"
            "  what to do: run again");
}

Result<int> half(int n) {
  if (n % 2 != 0) {
    Error error;
    error.op = "half";
    return fail(std::move(error));
  }
  return n / 2;
}

Result<int> quarter(int n) {
  CROSSFADE_TRY(const int h, half(n));
  return half(h);
}

TEST(ResultTest, TryPassesErrorsUp) {
  EXPECT_EQ(quarter(8).value(), 2);
  ASSERT_FALSE(quarter(6));
  EXPECT_EQ(quarter(6).error().op, "half");
}

TEST(DeadlineTest, RemainingIsNeverNegativeAndRoundsUp) {
  EXPECT_EQ(Deadline::after(milliseconds(-5)).remaining(), milliseconds(0));
  EXPECT_TRUE(Deadline::after(milliseconds(-5)).expired());
  EXPECT_GE(Deadline::after(std::chrono::microseconds(900)).remaining(), milliseconds(0));
  const Deadline later = Deadline::after(std::chrono::hours(1));
  EXPECT_FALSE(later.expired());
  EXPECT_EQ(later.sooner(Deadline::after(milliseconds(-1))).remaining(), milliseconds(0));
}

TEST(StopTest, ARequestEndsAWait) {
  StopSource stop;
  EXPECT_FALSE(stop.wait_until(Deadline::after(milliseconds(1))));
  stop.request();
  EXPECT_TRUE(stop.requested());
  EXPECT_TRUE(stop.wait_until(Deadline::after(std::chrono::hours(1))));
}

}  // namespace
}  // namespace crossfade
