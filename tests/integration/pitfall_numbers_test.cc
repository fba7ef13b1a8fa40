// Promise: numbers arrive as the numbers that were stored, whatever was declared, in a type that
// holds the next ones too (docs/pitfalls.md).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/pitfall_test.h"

namespace crossfade::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kNumbers = R"(
  CREATE TABLE hint(id INTEGER PRIMARY KEY, n INTEGER, r REAL, fits BIGINT);
  INSERT INTO hint VALUES(1,5,1.5,1),(2,'12abc','text','2'),(3,'7','8',3);
  CREATE TABLE wide(id INTEGER PRIMARY KEY, i INT, t TINYINT, big INTEGER);
  INSERT INTO wide VALUES(1,9223372036854775807,300,1e19),
    (2,-9223372036854775807-1,-1,9007199254740993),(3,2147483648,0,1);
  CREATE TABLE ratio(id INTEGER PRIMARY KEY, r REAL, f FLOAT);
  INSERT INTO ratio VALUES(1,0.1,3.5e38),(2,4.9406564584124654e-324,1.7976931348623157e308),
    (3,0.1+0.2,16777217.0);
  CREATE TABLE price(id INTEGER PRIMARY KEY, d DECIMAL(10,2), beyond DECIMAL(10,2));
  INSERT INTO price VALUES(1,'3.10',1.25),(2,7,1.125),(3,99999999.99,2);
  CREATE TABLE edge(id INTEGER PRIMARY KEY, r REAL, n NUMERIC);
  INSERT INTO edge VALUES(1,9e999,1.5),(2,-9e999,9e999),(3,9e999-9e999,2);
  CREATE TABLE flag(id INTEGER PRIMARY KEY, zero_one BOOLEAN DEFAULT 1, letters BOOL DEFAULT 't',
    words BOOLEAN, two BOOLEAN DEFAULT 0);
  INSERT INTO flag VALUES(1,0,'t','true',0),(2,1,'f','no',1),(3,NULL,NULL,'f',2);)";

// 1
TEST_F(PitfallTest, ADeclaredTypeIsAHint) {
  const Moved& numbers = moved("numbers", kNumbers);
  EXPECT_EQ(numbers.run().code, 0) << numbers.run().err;  // no abort in the middle
  for (const char* column : {"n", "r"}) {
    EXPECT_EQ(numbers.type("hint", column), "jsonb");
    const auto finding = numbers.finding("mixed_storage", "hint", column);
    ASSERT_FALSE(finding.is_null()) << column;
    EXPECT_THAT(finding.at("samples").dump(), HasSubstr("id=2"));
  }
  EXPECT_EQ(numbers.type("hint", "fits"), "bigint");  // the affinity has made '2' a number
  EXPECT_EQ(numbers.target("SELECT n FROM hint WHERE id=2"), "\"12abc\"");
  EXPECT_EQ(numbers.difference({"hint"}), "");
}

// 3
TEST_F(PitfallTest, IntegersHave64Bits) {
  const Moved& numbers = moved("numbers", kNumbers);
  EXPECT_EQ(numbers.type("wide", "i"), "bigint");
  EXPECT_EQ(numbers.type("wide", "t"), "bigint");
  EXPECT_EQ(numbers.target("SELECT max(i)||' '||min(i) FROM wide"),
            "9223372036854775807 -9223372036854775808");
  // 1e19 is stored REAL in a column of integers; its neighbour keeps the digit above 2^53.
  EXPECT_EQ(numbers.target("SELECT string_agg(big::text,' ' ORDER BY id) FROM wide"),
            "10000000000000000000 9007199254740993 1");
  EXPECT_EQ(numbers.difference({"wide"}), "");
}

// 4
TEST_F(PitfallTest, RealsHave8BytesAndKeepThem) {
  const Moved& numbers = moved("numbers", kNumbers);
  EXPECT_EQ(numbers.type("ratio", "r"), "double precision");
  EXPECT_EQ(numbers.type("ratio", "f"), "double precision");
  EXPECT_EQ(
      numbers.target("SELECT string_agg(encode(float8send(r),'hex'),' ' ORDER BY id) FROM ratio"),
      "3fb999999999999a 0000000000000001 3fd3333333333334");
  EXPECT_EQ(numbers.target("SELECT f FROM ratio WHERE id=3"), "16777217");
  EXPECT_EQ(numbers.difference({"ratio"}), "");
}

// 5
TEST_F(PitfallTest, DecimalsAreComparedByValueAndNotByTheirDigits) {
  const Moved& numbers = moved("numbers", kNumbers);
  EXPECT_EQ(numbers.source("SELECT typeof(d)||d FROM price WHERE id=1"), "real3.1");
  EXPECT_EQ(numbers.type("price", "d"), "numeric(10,2)");
  EXPECT_EQ(numbers.target("SELECT string_agg(d::text,' ' ORDER BY id) FROM price"),
            "3.10 7.00 99999999.99");
  EXPECT_EQ(numbers.type("price", "beyond"), "numeric");
  EXPECT_EQ(numbers.target("SELECT beyond FROM price WHERE id=2"), "1.125");
  EXPECT_THAT(numbers.finding("decimal_beyond_declared", "price", "beyond").dump(),
              HasSubstr("id=2"));
  EXPECT_EQ(numbers.difference({"price"}), "");
}

// 6
TEST_F(PitfallTest, InfinityArrivesAndNaNIsTheNullThatSqliteStored) {
  const Moved& numbers = moved("numbers", kNumbers);
  EXPECT_EQ(numbers.type("edge", "r"), "double precision");
  EXPECT_EQ(numbers.target("SELECT string_agg(coalesce(r::text,'NULL'),' ' ORDER BY id) FROM edge"),
            "Infinity -Infinity NULL");
  // numeric has infinities from PostgreSQL 14 on only.
  EXPECT_THAT(numbers.type("edge", "n"), Not(HasSubstr("numeric")));
  EXPECT_THAT(numbers.finding("mixed_storage", "edge", "n").dump(), HasSubstr("infinities"));
  EXPECT_EQ(numbers.difference({"edge"}), "");
}

// 7
TEST_F(PitfallTest, BooleansOnlyWhereEveryValueIsOne) {
  const Moved& numbers = moved("numbers", kNumbers);
  EXPECT_EQ(numbers.type("flag", "zero_one"), "boolean");
  EXPECT_EQ(numbers.default_of("flag", "zero_one"), "true");
  EXPECT_EQ(numbers.type("flag", "letters"), "boolean");
  EXPECT_EQ(numbers.default_of("flag", "letters"), "true");
  EXPECT_EQ(numbers.type("flag", "words"), "text");
  EXPECT_THAT(numbers.finding("boolean_words", "flag", "words").dump(),
              AllOf(HasSubstr("true"), HasSubstr("no")));
  EXPECT_EQ(numbers.type("flag", "two"), "bigint");
  EXPECT_EQ(numbers.default_of("flag", "two"), "0");
  EXPECT_FALSE(numbers.finding("boolean_beyond_0_1", "flag", "two").is_null());
  EXPECT_EQ(numbers.difference({"flag"}), "");
}

}  // namespace
}  // namespace crossfade::testing
