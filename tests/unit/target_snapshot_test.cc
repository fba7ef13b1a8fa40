// Promise: a snapshot sees what had ended when it was taken, and nothing else.
#include "engine/run/target_snapshot.h"

#include <gtest/gtest.h>

namespace crossfade::run {
namespace {

TEST(TargetSnapshotTest, SeesWhatHadEnded) {
  const auto snapshot = TargetSnapshot::parse("10:20:12,15");
  ASSERT_TRUE(snapshot);
  EXPECT_TRUE(snapshot->sees(3));
  EXPECT_TRUE(snapshot->sees(9));
  EXPECT_TRUE(snapshot->sees(10)) << "between, and not in flight";
  EXPECT_FALSE(snapshot->sees(12));
  EXPECT_TRUE(snapshot->sees(14));
  EXPECT_FALSE(snapshot->sees(15));
  EXPECT_TRUE(snapshot->sees(19));
  EXPECT_FALSE(snapshot->sees(20));
  EXPECT_FALSE(snapshot->sees(1'000));
}

TEST(TargetSnapshotTest, NumbersWrapAround) {
  // 2^32 + 5: the stream says 4294967290 for one before the wrap, 3 for one after it.
  const auto snapshot = TargetSnapshot::parse("4294967290:4294967301:4294967299");
  ASSERT_TRUE(snapshot);
  EXPECT_TRUE(snapshot->sees(4'294'967'289U));
  EXPECT_TRUE(snapshot->sees(4'294'967'295U));
  EXPECT_TRUE(snapshot->sees(2));
  EXPECT_FALSE(snapshot->sees(3)) << "4294967299, in flight";
  EXPECT_FALSE(snapshot->sees(5));
  EXPECT_FALSE(snapshot->sees(9));
}

TEST(TargetSnapshotTest, WhatIsNoSnapshotIsNone) {
  for (const char* text : {"", ":", "::", "1:2", "1:2:3:", "2:1:", "a:2:", "1:b:", "1:5:9", "1:5:0",
                           "1:5:2,,3", "1:5: 2", "-1:5:"}) {
    EXPECT_FALSE(TargetSnapshot::parse(text)) << text;
  }
  EXPECT_TRUE(TargetSnapshot::parse("5:5:"));
}

}  // namespace
}  // namespace crossfade::run
