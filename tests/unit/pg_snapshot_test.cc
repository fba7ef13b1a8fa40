// Promise: what ended between two snapshots is told exactly, and a snapshot survives its text.
#include "engine/postgres/pg_snapshot.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace crossfade::postgres {
namespace {

using Ranges = std::vector<XidRange>;

PgSnapshot snapshot(std::string_view text) {
  return PgSnapshot::parse(text).value_or(PgSnapshot());
}

TEST(PgSnapshotTest, SeesWhatHadEnded) {
  const PgSnapshot s = snapshot("10:20:15,12");
  for (const Xid8 xid : {3, 9, 10, 11, 14, 16, 19}) EXPECT_TRUE(s.sees(xid)) << xid;
  for (const Xid8 xid : {12, 15, 20, 1000}) EXPECT_FALSE(s.sees(xid)) << xid;
  EXPECT_EQ(s.text(), "10:20:12,15");
}

TEST(PgSnapshotTest, WhatIsNoSnapshotIsRefused) {
  for (const char* text : {"", "1", "1:2", "2:1:", "1:5:5", "1:5:0", "a:b:", "1:5:2,", "1:5:2:3"}) {
    EXPECT_EQ(text == std::string("1:5:2,"), PgSnapshot::parse(text).has_value()) << text;
  }
}

TEST(PgSnapshotTest, WhatEndedBetweenTwo) {
  EXPECT_EQ(ended_between(snapshot("10:10:"), snapshot("10:10:")), Ranges());
  EXPECT_EQ(ended_between(snapshot("10:10:"), snapshot("13:13:")), (Ranges{{10, 13}}));
  EXPECT_EQ(ended_between(snapshot("10:13:10,12"), snapshot("12:13:12")), (Ranges{{10, 11}}));
  EXPECT_EQ(ended_between(snapshot("10:13:12"), snapshot("14:16:14")),
            (Ranges{{12, 14}, {15, 16}}));
}

TEST(PgSnapshotTest, WithOneMoreThatEnded) {
  EXPECT_EQ(snapshot("10:13:10,12").with(12).text(), "10:13:10");
  EXPECT_EQ(snapshot("10:13:10").with(10).text(), "13:13:");
  EXPECT_EQ(snapshot("10:10:").with(12).text(), "10:13:10,11");
  EXPECT_FALSE(snapshot("10:10:").with(12).sees(11));
}

// Of any two, one later than the other: the ranges hold what one sees and the other does not.
TEST(PgSnapshotTest, RangesAreTheDifference) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 500; ++round) {
    PgSnapshot before = snapshot("5:5:");
    const auto grow = [&](PgSnapshot from) {
      for (int i = static_cast<int>(random() % 6); i > 0; --i) from = from.with(5 + random() % 20);
      return from;
    };
    before = grow(before);
    const PgSnapshot now = grow(before);
    const Ranges ranges = ended_between(before, now);
    for (Xid8 xid = 0; xid < 40; ++xid) {
      bool in = false;
      for (const XidRange& range : ranges) in = in || (xid >= range.from && xid < range.to);
      ASSERT_EQ(in, now.sees(xid) && !before.sees(xid))
          << before.text() << " " << now.text() << " " << xid;
    }
  }
}

}  // namespace
}  // namespace crossfade::postgres
