#include "engine/postgres/binary.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>

#include "engine/postgres/quote.h"

namespace crossfade::postgres {
namespace {

std::string numeric(std::string_view text) {
  std::string out;
  EXPECT_TRUE(append_numeric(text, &out)) << text;
  return out;
}

TEST(BinaryTest, BigEndianRoundTrip) {
  for (const int64_t value : {int64_t{0}, int64_t{1}, int64_t{-1}, int64_t{0x0102030405060708},
                              std::numeric_limits<int64_t>::min()}) {
    std::string bytes = "x";
    append_be<int64_t>(value, &bytes);
    ASSERT_EQ(bytes.size(), 9U);
    EXPECT_EQ(read_be<int64_t>(bytes, 1), value);
  }
  std::string bytes;
  append_be<int8_t>(-2, &bytes);
  append_be<uint16_t>(0xfffe, &bytes);
  EXPECT_EQ(bytes, "\xfe\xff\xfe");
  EXPECT_EQ(read_be<int8_t>(bytes), -2);
  EXPECT_EQ(read_be<int16_t>(bytes, 1), -2);
}

TEST(BinaryTest, CopyFraming) {
  EXPECT_EQ(copy_header(), std::string_view("PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", 19));
  EXPECT_EQ(copy_trailer(), "\xff\xff");
}

TEST(BinaryTest, NumericGroups) {
  // ndigits, weight, sign, dscale, groups: numeric_send() of 12345.678
  EXPECT_EQ(numeric("12345.678"), std::string("\0\3\0\1\0\0\0\3\0\1\x09\x29\x1a\x7c", 14));
  EXPECT_EQ(numeric("0"), std::string("\0\0\0\0\0\0\0\0", 8));
  EXPECT_EQ(numeric("-0"), numeric("0"));
  EXPECT_EQ(numeric("1e4"), std::string("\0\1\0\1\0\0\0\0\0\1", 10));
  EXPECT_EQ(numeric("0.0001"), std::string("\0\1\xff\xff\0\0\0\4\0\1", 10));
}

TEST(BinaryTest, NumericRefusesWhatIsNone) {
  for (const char* text :
       {"", "-", ".", "abc", "1.2.3", "1e", "1e+", "1e+-5", "--1", "1 ", " 1", "0x10",
        "1e999999999999", "1e200000", "1e-2147483648", "1e-20000", "inf", "nan"}) {
    std::string out;
    EXPECT_FALSE(append_numeric(text, &out)) << text;
    EXPECT_TRUE(out.empty()) << text;
  }
}

TEST(QuoteTest, IdentifiersAndLiterals) {
  EXPECT_EQ(quote("a\"b"), "\"a\"\"b\"");
  EXPECT_EQ(quote("s", "t"), "\"s\".\"t\"");
  EXPECT_EQ(quote_literal("it's"), "'it''s'");
  EXPECT_EQ(quote_literal("a\\b'"), " E'a\\\\b'''");
}

}  // namespace
}  // namespace crossfade::postgres
