// Promise: a field that an application wrote is the value that the column's form has for it, or
// none.
#include "capture/field_decoder.h"

#include <gtest/gtest.h>

#include <limits>
#include <optional>
#include <string>

namespace crossfade::capture {
namespace {

using enum TargetType;

ColumnType formed(TargetType base, SourceForm form, const std::string& pattern = {}) {
  ColumnType type = base;
  type.form = form;
  type.pattern = pattern;
  return type;
}

std::optional<Value> decoded(const std::string& field, const ColumnType& type) {
  return FieldDecoder(type).decode(field);
}

Value text(const std::string& bytes) {
  return Value(Text{bytes});
}

TEST(FieldDecoderTest, NumericIsAnIntegerOrTheRealOfTheseDigits) {
  EXPECT_EQ(decoded("12.50", kNumeric), Value(12.5));
  EXPECT_EQ(decoded("12.00", kNumeric), Value(int64_t{12}));
  EXPECT_EQ(decoded("-0.10", kNumeric), Value(-0.1));
  EXPECT_EQ(decoded("0", kNumeric), Value(int64_t{0}));
  EXPECT_EQ(decoded("9223372036854775807", kNumeric), Value(std::numeric_limits<int64_t>::max()));
  EXPECT_EQ(decoded("100000000000000000000000", kNumeric), Value(1e23));
  EXPECT_EQ(decoded("-Infinity", kNumeric), Value(-std::numeric_limits<double>::infinity()));
  // No REAL has these digits.
  for (const char* field : {"0.1000000000000000055", "12345678901234567.25", "9223372036854775809",
                            "NaN", "", "-", ".", "1.2.3", "1e5", "+1", " 1"}) {
    EXPECT_EQ(decoded(field, kNumeric), std::nullopt) << field;
  }
}

TEST(FieldDecoderTest, AVariantKeepsItsClass) {
  EXPECT_EQ(decoded("1", kVariant), Value(int64_t{1}));
  EXPECT_EQ(decoded("1.0", kVariant), Value(1.0));
  EXPECT_EQ(decoded("99999999999999991611392.0", kVariant), Value(1e23));
  EXPECT_EQ(decoded(R"("a\"\u001f\n")", kVariant), text("a\"\x1f\n"));
  EXPECT_EQ(decoded(R"({"$blob": "00ff"})", kVariant), Value(Blob{std::string("\0\xff", 2)}));
  EXPECT_EQ(decoded(R"({"$text": "6100"})", kVariant), text(std::string("a\0", 2)));
  EXPECT_EQ(decoded(R"({"$real": "-0.0"})", kVariant), Value(-0.0));
  EXPECT_EQ(decoded(R"({"$real": "Infinity"})", kVariant),
            Value(std::numeric_limits<double>::infinity()));
  for (const char* field : {"true", "null", "[1]", "{}", R"({"a": 1})", R"({"$blob": "0"})",
                            R"({"$blob": 1})", R"({"$real": "2"})", R"({"$blob": "00", "x": "y"})",
                            "12345678901234567890", "0.12345678901234567", "\"", ""}) {
    EXPECT_EQ(decoded(field, kVariant), std::nullopt) << field;
  }
}

TEST(FieldDecoderTest, InstantsAreWrittenInTheirForm) {
  const ColumnType iso = formed(kTimestamptz, SourceForm::kPattern, "%Y-%m-%dT%H:%M:%S%tf+02:00");
  EXPECT_EQ(decoded("2026-01-01 22:00:00.25+00", iso), text("2026-01-02T00:00:00.25+02:00"));
  EXPECT_EQ(decoded("0001-01-01 00:00:00+00 BC", iso), std::nullopt);
  EXPECT_EQ(decoded("10000-01-01 00:00:00+00", iso), std::nullopt);
  EXPECT_EQ(decoded("infinity", iso), std::nullopt);
  EXPECT_EQ(decoded("2026-01-01 22:00:00", iso), std::nullopt) << "of another type";
  const ColumnType seconds = formed(kTimestamp, SourceForm::kPattern, "%Y-%m-%d %H:%M:%S");
  EXPECT_EQ(decoded("2024-02-29 23:59:59", seconds), text("2024-02-29 23:59:59"));
  EXPECT_EQ(decoded("2024-02-29 23:59:59.5", seconds), std::nullopt) << "no field for it";
  EXPECT_EQ(decoded("2024-02-29", formed(kDate, SourceForm::kPattern, "%d.%m.%Y")),
            text("29.02.2024"));
  EXPECT_EQ(decoded("1969-12-31 23:59:59+00", formed(kTimestamptz, SourceForm::kEpochSeconds)),
            Value(int64_t{-1}));
  EXPECT_EQ(decoded("2000-01-01 12:00:00+00", formed(kTimestamptz, SourceForm::kJulianDay)),
            Value(2451545.0));
  EXPECT_EQ(decoded("4714-11-24 12:00:00+00 BC", formed(kTimestamptz, SourceForm::kJulianDay)),
            Value(0.0));
  EXPECT_EQ(decoded("1970-01-01 00:00:00.5+00", formed(kTimestamptz, SourceForm::kEpochSeconds)),
            std::nullopt);
  EXPECT_EQ(decoded("1970-01-01 00:00:00.5+00", formed(kTimestamptz, SourceForm::kEpochReal)),
            Value(0.5));
}

TEST(FieldDecoderTest, WhatHasNoFormIsNoValue) {
  EXPECT_EQ(decoded("NaN", kDouble), std::nullopt);
  EXPECT_EQ(decoded("nan", kDouble), std::nullopt);
  EXPECT_EQ(decoded("-0", kDouble), Value(-0.0));
  EXPECT_EQ(decoded("true", kBoolean), std::nullopt);
  EXPECT_EQ(decoded("\\x0g", kBytea), std::nullopt);
  EXPECT_EQ(decoded("\\x0", kBytea), std::nullopt);
  EXPECT_EQ(decoded("\\x", kBytea), Value(Blob{}));
  EXPECT_EQ(decoded("1.5", kBigint), std::nullopt);
  const ColumnType reals = formed(kReals, SourceForm::kFloat32Bytes);
  EXPECT_EQ(decoded("{1,-0}", reals), Value(Blob{std::string("\0\0\x80\x3f\0\0\0\x80", 8)}));
  EXPECT_EQ(decoded("{}", reals), Value(Blob{}));
  for (const char* field : {"{1,NULL}", "{NaN}", "{Infinity}", "{{1},{2}}", "[0:1]={1,2}", "{1,,2}",
                            "{1e39}", "[1]", "{", ""}) {
    EXPECT_EQ(decoded(field, reals), std::nullopt) << field;
  }
  EXPECT_EQ(decoded("5f2c", formed(kText, SourceForm::kMasked)), std::nullopt) << "not a hash";
  for (const char* field :
       {"-c7452555555555277777797122900852", "0011223344556677-8899-aabb-ccddeeff"}) {
    EXPECT_EQ(decoded(field, formed(kUuid, SourceForm::kUuidLower)), std::nullopt) << field;
  }
  const std::string id = "00112233-4455-6677-8899-aabbccddeeff";
  EXPECT_EQ(decoded(id, formed(kUuid, SourceForm::kUuidUpper)),
            text("00112233-4455-6677-8899-AABBCCDDEEFF"));
  EXPECT_EQ(decoded(id, formed(kUuid, SourceForm::kUuidHex)),
            text("00112233445566778899aabbccddeeff"));
  ColumnType words = formed(kBoolean, SourceForm::kWords);
  words.words = "yes/no";
  EXPECT_EQ(decoded("t", words), text("yes"));
  EXPECT_EQ(decoded("f", words), text("no"));
  EXPECT_EQ(decoded("a\xE2\x90\x80", formed(kText, SourceForm::kTextEscaped)),
            text(std::string("a\0", 2)));
  EXPECT_EQ(decoded("\\x6100", formed(kBytea, SourceForm::kTextBytes)),
            text(std::string("a\0", 2)));
}

}  // namespace
}  // namespace crossfade::capture
