// Promise: a column is a time only when every value is one, in one spelling; its text can be had
// back, and nothing becomes NULL (docs/pitfalls.md).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/pitfall_test.h"

namespace crossfade::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr const char* kTimes = R"(
  CREATE TABLE moment(id INTEGER PRIMARY KEY, iso DATETIME, bad DATE, mixed DATETIME, ms INTEGER,
    julian REAL);
  INSERT INTO moment VALUES
    (1,'2021-03-04 05:06:07','2021-02-30','2021-03-04 05:06:07',1700000000123,2459278.5),
    (2,'1999-12-31 23:59:59','','2021-03-04',1700000000456,2459279.25),
    (3,NULL,'31/12/2020',1614834367,NULL,NULL),(4,NULL,'24:00:00',0,1700000000789,NULL),
    (5,NULL,'2021-03-04','2021-03-04T05:06:07Z',NULL,NULL);
  CREATE TABLE fraction(id INTEGER PRIMARY KEY, micro DATETIME, milli DATETIME, zulu DATETIME,
    zone DATETIME, fine DATETIME);
  INSERT INTO fraction VALUES
    (1,'2021-03-04 05:06:07.123456','2021-03-04T05:06:07.120Z','2021-03-04T05:06:07Z',
     '2021-03-04 05:06:07+02:00','2021-03-04 05:06:07.123456789'),
    (2,'1970-01-01 00:00:00.000001','1970-01-01T00:00:00.001Z','2021-10-31T00:30:00Z',
     '2021-10-31 02:30:00+02:00','2021-03-04 05:06:07.000000001');)";

// 8
TEST_F(PitfallTest, DatesOfEverySpellingAreKeptOrConvertedWhole) {
  const Moved& times = moved("times", kTimes);
  EXPECT_EQ(times.type("moment", "iso"), "timestamp without time zone");  // no zone is invented
  EXPECT_EQ(times.target("SELECT iso FROM moment WHERE id=2"), "1999-12-31 23:59:59");
  EXPECT_EQ(times.type("moment", "bad"), "text");
  EXPECT_THAT(times.finding("dates_invalid", "moment", "bad").dump(),
              AllOf(HasSubstr("2021-02-30"), HasSubstr("31/12/2020"), HasSubstr("24:00:00"),
                    HasSubstr("id=2: ''")));
  EXPECT_EQ(times.target("SELECT count(bad)||' '||count(mixed) FROM moment"), "5 5");
  EXPECT_EQ(times.type("moment", "mixed"), "jsonb");
  EXPECT_THAT(times.finding("mixed_storage", "moment", "mixed").dump(), HasSubstr("id=3"));
  EXPECT_EQ(times.type("moment", "ms"), "bigint");  // its unit is somebody's decision: a rule
  EXPECT_EQ(times.difference({"moment"}), "");
}

// 9
TEST_F(PitfallTest, FractionsAndZonesComeBackAsTheyWereWritten) {
  const Moved& times = moved("times", kTimes);
  EXPECT_EQ(times.type("fraction", "micro"), "timestamp without time zone");
  EXPECT_EQ(times.target("SELECT string_agg(micro::text,' ' ORDER BY id) FROM fraction"),
            "2021-03-04 05:06:07.123456 1970-01-01 00:00:00.000001");
  for (const char* column : {"milli", "zulu", "zone"}) {
    EXPECT_EQ(times.type("fraction", column), "timestamp with time zone") << column;
  }
  EXPECT_EQ(times.target("SELECT (zone AT TIME ZONE 'UTC')::text FROM fraction WHERE id=2"),
            "2021-10-31 00:30:00");
  EXPECT_EQ(times.target("SELECT zone=zulu FROM fraction WHERE id=2"), "t");
  EXPECT_EQ(times.type("fraction", "fine"), "text");  // nanoseconds would be rounded
  EXPECT_FALSE(times.finding("dates_invalid", "fraction", "fine").is_null());
  EXPECT_EQ(times.difference({"fraction"}), "");
}

}  // namespace
}  // namespace crossfade::testing
