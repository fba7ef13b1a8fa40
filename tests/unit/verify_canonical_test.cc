// Promise: the canonical forms of two values are equal exactly when they mean the same.
#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "engine/postgres/binary.h"
#include "verify/canonical.h"

namespace crossfade::verify {
namespace {

Value text(std::string_view bytes) {
  return Value(Text{std::string(bytes)});
}
Value blob(std::string_view bytes) {
  return Value(Blob{std::string(bytes)});
}
Value integer(int64_t v) {
  return Value(v);
}
Value real(double v) {
  return Value(v);
}

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr int64_t kInt64Max = std::numeric_limits<int64_t>::max();
constexpr int64_t kInt64Min = std::numeric_limits<int64_t>::min();

std::string source(const Value& value, TargetType type) {
  std::string out;
  EXPECT_TRUE(append_canonical_source(value, type, &out)) << to_literal(value);
  return out;
}

bool fits(const Value& value, TargetType type) {
  std::string out = "kept";
  const bool representable = append_canonical_source(value, type, &out);
  EXPECT_EQ(representable, out != "kept") << "a misfit left bytes behind";
  return representable;
}

std::string target(std::string_view field, TargetType type) {
  std::string out;
  const auto done = append_canonical_target(field, false, type, &out);
  EXPECT_TRUE(done) << describe(done.error());
  return out;
}

std::string variant(std::string_view json) {
  return target("\x01" + std::string(json), TargetType::kVariant);
}

// numeric's binary form by hand, so that the test does not lean on the encoder apply uses.
std::string numeric(int16_t weight, uint16_t sign, int16_t scale,
                    const std::vector<int16_t>& groups) {
  std::string field;
  postgres::append_be(static_cast<int16_t>(groups.size()), &field);
  postgres::append_be(weight, &field);
  postgres::append_be(sign, &field);
  postgres::append_be(scale, &field);
  for (const int16_t group : groups) postgres::append_be(group, &field);
  return field;
}

std::string target_numeric(int16_t weight, uint16_t sign, int16_t scale,
                           const std::vector<int16_t>& groups) {
  return target(numeric(weight, sign, scale, groups), TargetType::kNumeric);
}

std::string be(uint64_t bits) {
  std::string field;
  postgres::append_be(bits, &field);
  return field;
}

std::string be(double value) {
  return be(std::bit_cast<uint64_t>(value));
}

TEST(CanonicalTest, OnlyValuesTheTypeCanHoldAreRepresentable) {
  using enum TargetType;
  for (const TargetType type : {kBoolean, kBigint, kDouble, kNumeric, kText, kBytea, kVariant}) {
    EXPECT_TRUE(fits(Value(), type));
  }
  EXPECT_TRUE(fits(integer(0), kBoolean) && fits(integer(1), kBoolean));
  EXPECT_FALSE(fits(integer(2), kBoolean) || fits(integer(-1), kBoolean));
  EXPECT_FALSE(fits(real(1.0), kBoolean) || fits(text("t"), kBoolean));
  EXPECT_TRUE(fits(integer(kInt64Min), kBigint));
  EXPECT_FALSE(fits(real(1.0), kBigint) || fits(text("1"), kBigint) || fits(blob("1"), kBigint));
  EXPECT_TRUE(fits(real(-kInfinity), kDouble));
  EXPECT_FALSE(fits(integer(1), kDouble) || fits(text("1.5"), kDouble));
  EXPECT_TRUE(fits(integer(1), kNumeric) && fits(real(1.5), kNumeric));
  EXPECT_TRUE(fits(real(kInfinity), kNumeric));
  EXPECT_FALSE(fits(text("1.5"), kNumeric) || fits(blob("1"), kNumeric));
  EXPECT_FALSE(fits(blob("a"), kText) || fits(integer(1), kText));
  EXPECT_FALSE(fits(text("a"), kBytea) || fits(integer(1), kBytea));
  for (const Value& any : {integer(1), real(kInfinity), text("\xff"), blob(std::string(1, '\0'))}) {
    EXPECT_TRUE(fits(any, kVariant));
  }
}

TEST(CanonicalTest, TextIsUtf8WithoutNul) {
  for (const std::string_view good :
       {"", "plain ascii of more than eight bytes", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80",
        "\xed\x9f\xbf", "\xee\x80\x80", "\xf4\x8f\xbf\xbf", "\xef\xbf\xbf", "\x01\x7f"}) {
    EXPECT_TRUE(fits(text(good), TargetType::kText)) << good;
  }
  const std::string padding = "sixteen bytes 16";
  for (const std::string_view bad :
       {std::string_view("\0", 1), std::string_view("\x80"), std::string_view("\xc0\xaf"),
        std::string_view("\xc1\xbf"), std::string_view("\xe0\x9f\xbf"),
        std::string_view("\xed\xa0\x80"), std::string_view("\xf0\x8f\xbf\xbf"),
        std::string_view("\xf4\x90\x80\x80"), std::string_view("\xf5\x80\x80\x80"),
        std::string_view("\xc3"), std::string_view("\xe2\x82"), std::string_view("\xff")}) {
    for (size_t before = 0; before <= padding.size(); ++before) {
      const std::string bytes = padding.substr(0, before) + std::string(bad) + padding;
      EXPECT_FALSE(fits(text(bytes), TargetType::kText)) << before;
      EXPECT_FALSE(fits(text(bytes.substr(0, before + bad.size())), TargetType::kText)) << before;
    }
  }
}

TEST(CanonicalTest, FixedWidthTypesAgreeAcrossSides) {
  for (const int64_t v : {int64_t{0}, int64_t{1}, int64_t{-1}, kInt64Max, kInt64Min}) {
    EXPECT_EQ(source(integer(v), TargetType::kBigint),
              target(be(static_cast<uint64_t>(v)), TargetType::kBigint));
  }
  EXPECT_EQ(source(integer(1), TargetType::kBoolean), target("\x01", TargetType::kBoolean));
  EXPECT_EQ(source(integer(0), TargetType::kBoolean),
            target(std::string_view("\0", 1), TargetType::kBoolean));
  for (const double v : {0.0, 1.5, -1e300, 5e-324, kInfinity, -kInfinity}) {
    EXPECT_EQ(source(real(v), TargetType::kDouble), target(be(v), TargetType::kDouble));
  }
  EXPECT_EQ(source(real(-0.0), TargetType::kDouble), target(be(-0.0), TargetType::kDouble));
  EXPECT_NE(source(real(-0.0), TargetType::kDouble), target(be(0.0), TargetType::kDouble));
  EXPECT_NE(source(real(0.0), TargetType::kDouble), target(be(-0.0), TargetType::kDouble));
  EXPECT_NE(source(real(0.1), TargetType::kDouble),
            target(be(std::nextafter(0.1, 1.0)), TargetType::kDouble));
}

TEST(CanonicalTest, NumericComparesTheValueAndNotTheScale) {
  const auto number = [](const Value& v) { return source(v, TargetType::kNumeric); };
  EXPECT_EQ(number(integer(5)), target_numeric(0, 0, 0, {5}));
  EXPECT_EQ(number(integer(5)), target_numeric(0, 0, 2, {5}));        // 5.00
  EXPECT_EQ(number(integer(5)), target_numeric(1, 0, 4, {0, 5, 0}));  // not normalized
  EXPECT_EQ(number(real(5.0)), number(integer(5)));
  EXPECT_EQ(number(real(0.1)), target_numeric(-1, 0, 1, {1000}));
  EXPECT_EQ(number(real(-12.5)), target_numeric(0, 0x4000, 1, {12, 5000}));
  EXPECT_EQ(number(integer(123456789)), target_numeric(2, 0, 0, {1, 2345, 6789}));
  EXPECT_EQ(number(integer(120000)), target_numeric(1, 0, 0, {12}));
  EXPECT_EQ(number(real(1e-7)), target_numeric(-2, 0, 7, {10}));
  EXPECT_EQ(number(integer(kInt64Min)), target_numeric(4, 0x4000, 0, {922, 3372, 368, 5477, 5808}));
  for (const auto& zero : {target_numeric(0, 0, 0, {}), target_numeric(0, 0, 2, {}),
                           target_numeric(0, 0x4000, 0, {0}), number(real(0.0))}) {
    EXPECT_EQ(number(integer(0)), zero);
  }
  EXPECT_EQ(number(real(kInfinity)), target_numeric(0, 0xD000, 0, {}));
  EXPECT_EQ(number(real(-kInfinity)), target_numeric(0, 0xF000, 0, {}));
  const std::string not_a_number = target_numeric(0, 0xC000, 0, {});
  EXPECT_NE(not_a_number, number(integer(0)));
  EXPECT_NE(number(integer(5)), number(integer(-5)));
  EXPECT_NE(number(integer(5)), number(integer(50)));
  EXPECT_NE(number(real(0.5)), number(integer(5)));
}

TEST(CanonicalTest, VariantsKeepTheirClass) {
  const auto any = [](const Value& v) { return source(v, TargetType::kVariant); };
  EXPECT_EQ(any(integer(1)), variant("1"));
  EXPECT_EQ(any(integer(kInt64Min)), variant("-9223372036854775808"));
  EXPECT_EQ(any(real(1.0)), variant("1.0"));
  EXPECT_EQ(any(real(0.0)), variant("0.0"));
  EXPECT_EQ(any(real(-0.0)), variant(R"({"$real": "-0.0"})"));
  EXPECT_NE(any(real(-0.0)), variant("0.0"));
  EXPECT_EQ(any(real(0.1)), variant("0.1"));
  EXPECT_EQ(any(real(1e22)), variant("10000000000000000000000.0"));
  EXPECT_NE(any(integer(1)), any(real(1.0)));
  EXPECT_EQ(any(text("x")), variant("\"x\""));
  EXPECT_EQ(any(text("")), variant("\"\""));
  EXPECT_EQ(any(text("a\"\\\b\f\n\r\t\x1f/\xc3\xa9")),
            variant("\"a\\\"\\\\\\b\\f\\n\\r\\t\\u001f/\xc3\xa9\""));
  EXPECT_EQ(any(text(std::string_view("a\0", 2))), variant(R"({"$text": "6100"})"));
  EXPECT_EQ(any(blob(std::string_view("\0\xff", 2))), variant(R"({"$blob": "00ff"})"));
  EXPECT_EQ(any(blob("")), variant(R"({"$blob": ""})"));
  EXPECT_EQ(any(real(kInfinity)), variant(R"({"$real": "Infinity"})"));
  EXPECT_EQ(any(real(-kInfinity)), variant(R"({"$real": "-Infinity"})"));
  EXPECT_NE(any(text("1")), any(integer(1)));
  EXPECT_NE(any(text("x")), any(blob("x")));
  EXPECT_NE(any(text(R"({"$blob": "00"})")), any(blob(std::string_view("\0", 1))));
}

TEST(CanonicalTest, ForeignJsonEqualsNothing) {
  for (const std::string_view json :
       {"null", "true", "[]", "[1]", "{}", R"({"a": 1})", R"({"$blob": "0"})", R"({"$blob": "zz"})",
        R"({"$blob": "00", "a": 1})", R"({"$real": "NaN"})", R"({"$blob": 1})",
        "9223372036854775808", R"({"$other": "00"})", "\"open", "\"\\u0100\"", "\"a\"b", "-", ""}) {
    EXPECT_EQ(variant(json).front(), '?') << json;
  }
}

// Without the NUL its neighbours are a character; with U+2400 in its place they are none.
TEST(CanonicalTest, BytesAroundANulMakeNoCharacter) {
  ColumnType type(TargetType::kText);
  type.form = SourceForm::kTextEscaped;
  std::string out;
  EXPECT_FALSE(append_canonical_source(text({"\xEC\0\x80\xA6", 4}), type, &out));
  EXPECT_TRUE(append_canonical_source(text({"\xEC\x80\xA6\0", 4}), type, &out));
}

// 213,503,983 days of microseconds wrap to a moment of 2000-01-01.
TEST(CanonicalTest, ADateBeyondEveryTimestampIsNoOther) {
  ColumnType type(TargetType::kDate);
  type.form = SourceForm::kPattern;
  type.pattern = "%Y-%m-%d";
  for (const int32_t days : {213'503'983, -213'503'982, std::numeric_limits<int32_t>::max(),
                             std::numeric_limits<int32_t>::min()}) {
    std::string field;
    postgres::append_be(days, &field);
    std::string out;
    ASSERT_TRUE(append_canonical_target(field, false, type, &out));
    EXPECT_EQ(out.front(), '?') << days;
  }
}

TEST(CanonicalTest, BytesOfAnotherTypeAreAnError) {
  std::string out;
  EXPECT_FALSE(append_canonical_target("1234", false, TargetType::kBigint, &out));
  EXPECT_FALSE(append_canonical_target("", false, TargetType::kBoolean, &out));
  EXPECT_FALSE(append_canonical_target("1234", false, TargetType::kDouble, &out));
  EXPECT_FALSE(append_canonical_target("\x02{}", false, TargetType::kVariant, &out));
  EXPECT_FALSE(append_canonical_target("", false, TargetType::kVariant, &out));
  const std::string field = numeric(0, 0, 0, {12, 34});
  for (size_t size = 0; size < field.size(); ++size) {
    EXPECT_FALSE(append_canonical_target(std::string_view(field).substr(0, size), false,
                                         TargetType::kNumeric, &out))
        << size;
  }
  EXPECT_FALSE(
      append_canonical_target(numeric(0, 0, 0, {10000}), false, TargetType::kNumeric, &out));
  EXPECT_FALSE(append_canonical_target(numeric(0, 1, 0, {1}), false, TargetType::kNumeric, &out));
  EXPECT_TRUE(out.empty());
}

TEST(CanonicalTest, NeighbouringValuesCannotRunTogether) {
  const auto pair = [](std::string_view a, std::string_view b) {
    return source(text(a), TargetType::kText) + source(text(b), TargetType::kText);
  };
  EXPECT_NE(pair("ab", "c"), pair("a", "bc"));
  EXPECT_NE(pair("", "a"), pair("a", ""));
  EXPECT_NE(source(Value(), TargetType::kText), source(text(""), TargetType::kText));
}

// Property: doubles survive numeric, and one ulp or one bit is always seen.
TEST(CanonicalTest, RandomDoublesAsNumericAreFaithful) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (int i = 0; i < 20'000; ++i) {
    const auto value = std::bit_cast<double>(random());
    if (!std::isfinite(value)) continue;
    // The shortest digits by search, not by the library call under test.
    std::array<char, 64> shortest{};
    for (int digits = 1; digits <= 17; ++digits) {
      std::snprintf(shortest.data(), shortest.size(), "%.*e", digits - 1, value);
      if (std::strtod(shortest.data(), nullptr) == value) break;
    }
    SCOPED_TRACE(shortest.data());
    std::string field;
    ASSERT_TRUE(postgres::append_numeric(shortest.data(), &field));
    const double size = std::fabs(value);
    if (size >= 0x1p52 && size <= 0x1p63) continue;  // INTEGER in such a column, or next to one
    const std::string form = source(real(value), TargetType::kNumeric);
    ASSERT_EQ(target(field, TargetType::kNumeric), form);
    ASSERT_NE(source(real(std::nextafter(value, kInfinity)), TargetType::kNumeric), form);
    ASSERT_NE(source(real(std::nextafter(value, -kInfinity)), TargetType::kDouble),
              source(real(value), TargetType::kDouble));
  }
}

TEST(CanonicalTest, OneFlippedBitOfTextOrBlobIsSeen) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (int i = 0; i < 200; ++i) {
    std::string bytes(1 + random() % 64, '\0');
    for (char& c : bytes) c = static_cast<char>(random());
    const std::string form = source(blob(bytes), TargetType::kBytea);
    EXPECT_EQ(form, target(bytes, TargetType::kBytea));
    for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
      std::string flipped = bytes;
      flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
      ASSERT_NE(target(flipped, TargetType::kBytea), form) << bit;
    }
  }
}

}  // namespace
}  // namespace crossfade::verify
