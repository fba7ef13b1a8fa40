// Promise: a text or number is read as an instant only when it is written exactly in its form.
#include "engine/core/source_time.h"

#include <gtest/gtest.h>

#include <iterator>
#include <limits>
#include <optional>
#include <random>
#include <string>
#include <utility>

#include "verify/time_form.h"

namespace crossfade {
namespace {

ColumnType pattern_type(TargetType base, const std::string& pattern) {
  ColumnType type = base;
  type.form = SourceForm::kPattern;
  type.pattern = pattern;
  return type;
}

std::optional<int64_t> parse(const std::string& text, const std::string& pattern,
                             TargetType base = TargetType::kTimestamp) {
  const ColumnType type = pattern_type(base, pattern);
  const TimePattern compiled = TimePattern::compile(type);
  const auto micros = compiled.parse(text);
  // Both sides say the same, by ways that share no code.
  EXPECT_EQ(micros, verify::time_of(text, type)) << text << " as " << pattern;
  if (micros) {
    EXPECT_EQ(compiled.format(*micros), text) << pattern;
  }
  return micros;
}

bool compiles(TargetType base, const std::string& pattern) {
  return TimePattern::compile(pattern_type(base, pattern)).valid();
}

constexpr const char* kSeconds = "%Y-%m-%d %H:%M:%S";

TEST(TimePatternTest, CountsFromTheYear2000) {
  EXPECT_EQ(parse("2000-01-01 00:00:00", kSeconds), 0);
  EXPECT_EQ(parse("2000-01-02 00:00:01", kSeconds), 86'401'000'000);
  EXPECT_EQ(parse("1999-12-31 23:59:59", kSeconds), -1'000'000);
  EXPECT_EQ(parse("1970-01-01 00:00:00", kSeconds), -946'684'800'000'000);
  EXPECT_EQ(parse("2024-02-29", "%Y-%m-%d", TargetType::kDate), 8825 * kMicrosPerDay);
  EXPECT_EQ(parse("2000-01-01T02:00+02:00", "%Y-%m-%dT%H:%M+02:00", TargetType::kTimestamptz), 0);
  EXPECT_EQ(parse("2000-01-01 00:00-0330", "%Y-%m-%d %H:%M-0330", TargetType::kTimestamptz),
            12'600'000'000);
}

TEST(TimePatternTest, WhatIsNoDateIsRefused) {
  for (const char* text : {"2021-02-30 00:00:00",   "2021-02-29 00:00:00",
                           "1900-02-29 00:00:00",   "2021-13-01 00:00:00",
                           "2021-00-01 00:00:00",   "2021-01-00 00:00:00",
                           "0000-01-01 00:00:00",   "2021-01-01 24:00:00",
                           "2021-01-01 23:60:00",   "2021-01-01 23:59:60",
                           "2021-1-01 00:00:00",    "10000-01-01 00:00:00",
                           "2021-01-01T00:00:00",   "2021-01-01 00:00:00 ",
                           " 2021-01-01 00:00:00",  "2021-01-01",
                           "2021-01-01 00:00:0",    "",
                           "2021-01-01 00:00:00.5", "2021-01-01 00:00:00Z",
                           "+021-01-01 00:00:00",   "2021-01-01 00:00: 1"}) {
    EXPECT_EQ(parse(text, kSeconds), std::nullopt) << text;
  }
  EXPECT_NE(parse("2000-02-29 23:59:59", kSeconds), std::nullopt);
  EXPECT_NE(parse("0001-01-01 00:00:00", kSeconds), std::nullopt);
  EXPECT_NE(parse("9999-12-31 23:59:59", kSeconds), std::nullopt);
}

TEST(TimePatternTest, FractionsHaveOneSpelling) {
  const std::string head = "2000-01-01 00:00:00";
  EXPECT_EQ(parse(head + ".250", std::string(kSeconds) + ".%3f"), 250'000);
  EXPECT_EQ(parse(head + ".25", std::string(kSeconds) + ".%3f"), std::nullopt);
  const std::string iso = std::string(kSeconds) + "%if";
  EXPECT_EQ(parse(head, iso), 0);
  EXPECT_EQ(parse(head + ".250000", iso), 250'000);
  for (const char* wrong : {".000000", ".25", ".", ".2500000", ".25000"}) {
    EXPECT_EQ(parse(head + wrong, iso), std::nullopt) << wrong;
  }
  const std::string trimmed = std::string(kSeconds) + "%tf";
  EXPECT_EQ(parse(head, trimmed), 0);
  EXPECT_EQ(parse(head + ".25", trimmed), 250'000);
  EXPECT_EQ(parse(head + ".000001", trimmed), 1);
  for (const char* wrong : {".250", ".0", ".", ".0000001"}) {
    EXPECT_EQ(parse(head + wrong, trimmed), std::nullopt) << wrong;
  }
}

TEST(TimePatternTest, APatternNamesAWholeDateOnce) {
  using enum TargetType;
  EXPECT_TRUE(compiles(kDate, "%Y%m%d"));
  EXPECT_TRUE(compiles(kDate, "%d/%m/%Y"));
  EXPECT_TRUE(compiles(kTimestamp, "%Y-%m-%d %H:%M"));
  for (const char* zone : {"Z", "+00:00", "-03:30", "+0200", " UTC", "+02"}) {
    EXPECT_TRUE(compiles(kTimestamptz, std::string(kSeconds) + zone)) << zone;
  }
  EXPECT_FALSE(compiles(kTimestamptz, kSeconds));
  EXPECT_FALSE(compiles(kTimestamptz, std::string(kSeconds) + "+2"));
  EXPECT_FALSE(compiles(kTimestamptz, std::string(kSeconds) + "+99:00"));
  EXPECT_FALSE(compiles(kDate, kSeconds));
  for (const char* pattern :
       {"", "%", "%Y-%m", "%Y-%m-%d%d", "%Y-%m-%d %M", "%Y-%m-%d %H:%S", "%Y-%m-%d %H:%M.%3f",
        "%Y-%m-%d %H:%M:%S.%3f%if", "%Y-%m-%d %q", "%Y-%m-%d %7f", "%y-%m-%d"}) {
    EXPECT_FALSE(compiles(kTimestamp, pattern)) << pattern;
  }
}

TEST(TimePatternTest, AnInstantIsWrittenAsVerificationWouldWriteIt) {
  const uint64_t seed = std::random_device()();
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  using enum TargetType;
  const std::pair<TargetType, const char*> patterns[] = {
      {kDate, "%d.%m.%Y"},
      {kTimestamp, "%Y-%m-%d %H:%M:%S"},
      {kTimestamp, "%Y-%m-%dT%H:%M:%S.%3f"},
      {kTimestamp, "%Y-%m-%d %H:%M:%S%if"},
      {kTimestamptz, "%Y-%m-%d %H:%M:%S%tf+05:30"},
      {kTimestamptz, "%Y-%m-%d %H:%M:%S.%6fZ"},
      {kTimestamptz, "%m/%d/%Y %H:%M%{-03:30}"}};
  constexpr int64_t kYearMicros = 365 * kMicrosPerDay;
  for (int i = 0; i < 20'000; ++i) {
    const auto& [base, pattern] = patterns[random() % std::size(patterns)];
    const ColumnType type = pattern_type(base, pattern);
    // From the year -100 to 10100; whole days, minutes, seconds or milliseconds now and then.
    int64_t micros = static_cast<int64_t>(random() % (10'200 * kYearMicros)) - 2'100 * kYearMicros;
    constexpr int64_t kUnits[] = {1, 1000, kMicrosPerSecond, 60 * kMicrosPerSecond, kMicrosPerDay};
    const int64_t unit = kUnits[random() % std::size(kUnits)];
    micros -= micros % unit;
    std::string expected;
    const bool has_text = verify::append_time_text(micros, type, &expected);
    const auto text = TimePattern::compile(type).format(micros);
    ASSERT_EQ(text.has_value(), has_text) << micros << " as " << pattern;
    if (has_text) {
      ASSERT_EQ(*text, expected);
    }
  }
}

TEST(TimeNumberTest, EpochsAreWhatTheirNamesSay) {
  EXPECT_EQ(micros_from_number(int64_t{946'684'800}, SourceForm::kEpochSeconds), 0);
  EXPECT_EQ(micros_from_number(int64_t{946'684'800'001}, SourceForm::kEpochMillis), 1000);
  EXPECT_EQ(micros_from_number(int64_t{946'684'800'000'001}, SourceForm::kEpochMicros), 1);
  EXPECT_EQ(micros_from_number(int64_t{946'684'800'000'001'000}, SourceForm::kEpochNanos), 1);
  EXPECT_EQ(micros_from_number(int64_t{946'684'800'000'001'001}, SourceForm::kEpochNanos),
            std::nullopt);
  EXPECT_EQ(micros_from_number(int64_t{12'591'158'400'000'000}, SourceForm::kWebkitMicros), 0);
  EXPECT_EQ(micros_from_number(int64_t{125'911'584'000'000'010}, SourceForm::kFiletime), 1);
  EXPECT_EQ(micros_from_number(int64_t{0}, SourceForm::kCocoaSeconds), 366 * kMicrosPerDay);
  EXPECT_EQ(micros_from_number(0.5, SourceForm::kCocoaSeconds), 366 * kMicrosPerDay + 500'000);
  EXPECT_EQ(micros_from_number(1.0, SourceForm::kCocoaSeconds), std::nullopt);
  EXPECT_EQ(micros_from_number(2451544.5, SourceForm::kJulianDay), 0);
  EXPECT_EQ(micros_from_number(946684800.25, SourceForm::kEpochReal), 250'000);
  EXPECT_EQ(micros_from_number(-0.0, SourceForm::kEpochReal), std::nullopt);
  EXPECT_EQ(micros_from_number(0.1 + 0.2, SourceForm::kEpochReal), std::nullopt);
  EXPECT_EQ(micros_from_number(std::numeric_limits<double>::infinity(), SourceForm::kJulianDay),
            std::nullopt);
  EXPECT_EQ(micros_from_number(std::numeric_limits<int64_t>::max(), SourceForm::kEpochSeconds),
            std::nullopt);
}

// Every form, forth and back, over the whole range of PostgreSQL's timestamps.
TEST(TimeNumberTest, WhatIsReadIsWrittenBack) {
  using enum SourceForm;
  constexpr int64_t kStep = 9'435'187'654'321'987 / 7;
  for (int64_t micros = -211'813'488'000'000'000;
       micros < std::numeric_limits<int64_t>::max() - kStep && is_target_timestamp(micros);
       micros += kStep) {
    for (const SourceForm form :
         {kEpochSeconds, kEpochMillis, kEpochMicros, kEpochNanos, kEpochReal, kJulianDay,
          kWebkitMicros, kFiletime, kCocoaSeconds}) {
      const auto written = verify::time_number(micros, form);
      if (!written) continue;
      const auto read = written->is_real ? micros_from_number(written->real, form)
                                         : micros_from_number(written->integer, form);
      const auto seen = written->is_real ? verify::time_of(written->real, form)
                                         : verify::time_of(written->integer, form);
      EXPECT_EQ(read, seen) << micros;
      if (read == micros) {
        EXPECT_EQ(number_from_micros(micros, form),
                  written->is_real ? Value(written->real) : Value(written->integer));
      } else {
        EXPECT_EQ(number_from_micros(micros, form), std::nullopt)
            << "a REAL tells it from no other";
      }
      // A REAL is coarser than a microsecond far from its zero.
      if (!written->is_real) {
        EXPECT_EQ(read, micros) << static_cast<int>(form);
      }
      if (written->is_real && read) {
        EXPECT_EQ(verify::time_number(*read, form)->real, written->real);
      }
    }
  }
}

}  // namespace
}  // namespace crossfade
