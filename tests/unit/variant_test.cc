#include "apply/variant.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <nlohmann/json.hpp>

namespace crossfade::apply {
namespace {

std::string variant(const Value& value) {
  std::string out;
  append_variant(value, &out);
  return out;
}

TEST(VariantTest, ClassesAreToldApart) {
  EXPECT_EQ(variant(Value()), "null");
  EXPECT_EQ(variant(Value(int64_t{1})), "1");
  EXPECT_EQ(variant(Value(1.0)), "1.0");
  EXPECT_EQ(variant(Value(Text{"1"})), "\"1\"");
  EXPECT_EQ(variant(Value(Blob{"1"})), R"({"$blob":"31"})");
  EXPECT_EQ(variant(Value(Blob{""})), R"({"$blob":""})");
}

TEST(VariantTest, IntegersKeepAllDigits) {
  EXPECT_EQ(variant(Value(std::numeric_limits<int64_t>::min())), "-9223372036854775808");
  EXPECT_EQ(variant(Value(std::numeric_limits<int64_t>::max())), "9223372036854775807");
}

// A point always, an exponent never, and the same bits when read back.
TEST(VariantTest, RealsRoundTripAsPlainDecimals) {
  for (const double real :
       {0.0, 0.1, 1e20, 1e22, -1e300, 5e-324, 2.2250738585072014e-308, 0.1 + 0.2, 123456789.125,
        std::numeric_limits<double>::max(), std::numeric_limits<double>::epsilon()}) {
    const std::string text = variant(Value(real));
    EXPECT_NE(text.find('.'), std::string::npos) << text;
    EXPECT_EQ(text.find_first_of("eE"), std::string::npos) << text;
    EXPECT_EQ(std::bit_cast<uint64_t>(std::abs(std::strtod(text.c_str(), nullptr))),
              std::bit_cast<uint64_t>(std::abs(real)))
        << text;
  }
  const double infinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(variant(Value(infinity)), R"({"$real":"Infinity"})");
  EXPECT_EQ(variant(Value(-infinity)), R"({"$real":"-Infinity"})");
}

TEST(VariantTest, TextIsValidJsonAndReadsBackAsItself) {
  std::string controls;
  for (char c = 1; c < 0x20; ++c) controls += c;
  for (const std::string& text :
       {std::string(), std::string("it's \"q\" \\ /"), controls, std::string("\x7f é 漢 😀"),
        std::string("{\"$blob\":\"00\"}"), std::string("\xef\xbf\xbf \xf4\x8f\xbf\xbf")}) {
    const auto parsed = nlohmann::json::parse(variant(Value(Text{text})));
    ASSERT_TRUE(parsed.is_string()) << text;
    EXPECT_EQ(parsed.get<std::string>(), text);
  }
}

TEST(VariantTest, TextThatJsonbCannotHoldIsKeptAsBytes) {
  EXPECT_EQ(variant(Value(Text{std::string("a\0", 2)})), R"({"$text":"6100"})");
  EXPECT_EQ(variant(Value(Text{"\xff"})), R"({"$text":"ff"})");
}

// At every offset, so that the eight-bytes-at-a-time way is as strict as the slow one.
TEST(TargetTextTest, AcceptsUtf8WithoutNulOnly) {
  const std::vector<std::string> good{"",
                                      "a",
                                      "\x7f",
                                      "\xc2\x80",
                                      "\xdf\xbf",
                                      "\xe0\xa0\x80",
                                      "\xed\x9f\xbf",
                                      "\xee\x80\x80",
                                      "\xef\xbf\xbf",
                                      "\xf0\x90\x80\x80",
                                      "\xf4\x8f\xbf\xbf"};
  const std::vector<std::string> bad{std::string(1, '\0'),
                                     "\x80",
                                     "\xbf",
                                     "\xc0\x80",
                                     "\xc1\xbf",
                                     "\xc2",
                                     "\xc2\x41",
                                     "\xe0\x9f\xbf",
                                     "\xe1\x80",
                                     "\xed\xa0\x80",
                                     "\xed\xbf\xbf",
                                     "\xf0\x8f\xbf\xbf",
                                     "\xf1\x80\x80",
                                     "\xf4\x90\x80\x80",
                                     "\xf5\x80\x80\x80",
                                     "\xfe",
                                     "\xff"};
  for (size_t before = 0; before <= 17; ++before) {
    for (const size_t behind : {0, 1, 7, 8, 9}) {
      const std::string head(before, 'x');
      const std::string tail(behind, 'y');
      for (const std::string& each : good) EXPECT_TRUE(is_target_text(head + each + tail));
      for (const std::string& each : bad) EXPECT_FALSE(is_target_text(head + each + tail));
    }
  }
}

}  // namespace
}  // namespace crossfade::apply
