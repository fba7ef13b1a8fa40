#include <gtest/gtest.h>

#include <fmt/core.h>

#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/schema/evidence_dates.h"
#include "engine/schema/evidence_epoch.h"
#include "engine/schema/scan.h"
#include "tests/unit/schema_fixture.h"

namespace crossfade::schema {
namespace {

// Promise: a text is a date only if PostgreSQL's calendar and clock have it, to the microsecond.
TEST(EvidenceDatesTest, NamesWhatIsWrong) {
  const std::vector<std::pair<std::string, DateFlaw>> cases{
      {"2021-03-04", DateFlaw::kNone},
      {"2021/03/04", DateFlaw::kNone},
      {"0001-01-01", DateFlaw::kNone},
      {"9999-12-31 23:59:59.999999", DateFlaw::kNone},
      {"2020-02-29", DateFlaw::kNone},
      {"2000-02-29T00:00Z", DateFlaw::kNone},
      {"2021-03-04 05:06:07 UTC", DateFlaw::kNone},
      {"2021-03-04T05:06:07+0530", DateFlaw::kNone},
      {"2021-03-04T05:06:07-03", DateFlaw::kNone},
      {"", DateFlaw::kEmpty},
      {"0000-00-00", DateFlaw::kZeroDate},
      {"0000-00-00 00:00:00", DateFlaw::kZeroDate},
      {"2021-02-30", DateFlaw::kNoSuchDate},
      {"2021-02-29", DateFlaw::kNoSuchDate},
      {"1900-02-29", DateFlaw::kNoSuchDate},
      {"2021-13-01", DateFlaw::kNoSuchDate},
      {"2021-00-10", DateFlaw::kNoSuchDate},
      {"0000-01-01", DateFlaw::kNoSuchDate},
      {"9999-12-31T23:00:00-03:00", DateFlaw::kNoSuchDate},
      {"2021-03-04 24:00:00", DateFlaw::kHour24},
      {"2021-03-04 25:00:00", DateFlaw::kNoSuchTime},
      {"2021-03-04 05:60:00", DateFlaw::kNoSuchTime},
      {"2016-12-31 23:59:60", DateFlaw::kNoSuchTime},
      {"31/12/2020", DateFlaw::kDayFirst},
      {"1/2/2020 10:00", DateFlaw::kDayFirst},
      {"31.12.2020", DateFlaw::kDayFirst},
      {"2021-03-04 05:06:07.1234567", DateFlaw::kLongFraction},
      {"2021-3-4", DateFlaw::kOther},
      {"20210304", DateFlaw::kOther},
      {"2021-03/04", DateFlaw::kOther},
      {"2021-03-04 ", DateFlaw::kOther},
      {" 2021-03-04", DateFlaw::kOther},
      {"2021-03-04x05:06:07", DateFlaw::kOther},
      {"2021-03-04 05:06:07.", DateFlaw::kOther},
      {"2021-03-04 05:06:07z", DateFlaw::kOther},
      {"2021-03-04 05:06:07+2", DateFlaw::kOther},
      {"2021-03-04 05:06:07+02:0", DateFlaw::kOther},
      {"2021-03-04 05:06:07+16:00", DateFlaw::kOther},
      {"2021-03-04 05", DateFlaw::kOther},
      {"2021-03-04 05:06:07 CET", DateFlaw::kOther},
      {"-021-03-04", DateFlaw::kOther},
      {"+021-03-04", DateFlaw::kOther},
      {"now", DateFlaw::kOther}};
  for (const auto& [text, flaw] : cases) EXPECT_EQ(read_date(text).flaw, flaw) << text;
}

// Promise: no prefix of a date and no single changed byte makes the reader stumble, and what is
// accepted prints back to the very text by one of its styles' patterns.
TEST(EvidenceDatesTest, EveryPrefixAndByte) {
  const std::string text = "2021-03-04T05:06:07.125+02:00";
  for (size_t size = 0; size <= text.size(); ++size) {
    EXPECT_LE(read_date(text.substr(0, size)).fraction_digits, 3) << size;
  }
  for (size_t at = 0; at < text.size(); ++at) {
    for (int byte = 0; byte < 256; ++byte) {
      std::string changed = text;
      changed[at] = static_cast<char>(byte);
      const DateText date = read_date(changed);
      if (date.flaw == DateFlaw::kNone) {
        EXPECT_NE(date.styles, 0) << changed;
      }
    }
  }
}

class EvidenceDateColumnTest : public SchemaTest {
 protected:
  DateEvidence evidence(const std::vector<std::string>& texts, const char* declared = "TEXT") {
    exec("DROP TABLE IF EXISTS t");
    exec(fmt::format("CREATE TABLE t(id INTEGER PRIMARY KEY, v {})", declared));
    for (const std::string& text : texts) exec("INSERT INTO t(v) VALUES ('" + text + "')");
    auto scanned = scan_table(source_, this->declared("t"), nullptr);
    EXPECT_TRUE(scanned);
    return scanned.value().columns[1].forms.dates;
  }

  std::string pattern(const std::vector<std::string>& texts, bool micros = false) {
    const auto form = evidence(texts).form(static_cast<int64_t>(texts.size()), micros);
    return form ? std::string(to_string(form->base)) + " " + form->pattern : "";
  }
};

// Promise: the one pattern that reads every value, or none.
TEST_F(EvidenceDateColumnTest, FindsThePattern) {
  EXPECT_EQ(pattern({"2021-03-04", "1999-12-31"}), "date %Y-%m-%d");
  EXPECT_EQ(pattern({"2021/03/04"}), "date %Y/%m/%d");
  EXPECT_EQ(pattern({"2021-03-04 05:06"}), "timestamp %Y-%m-%d %H:%M");
  EXPECT_EQ(pattern({"2021-03-04 05:06:07"}), "timestamp %Y-%m-%d %H:%M:%S");
  EXPECT_EQ(pattern({"2021-03-04T05:06:07Z"}), "timestamptz %Y-%m-%dT%H:%M:%SZ");
  EXPECT_EQ(pattern({"2021-03-04T05:06:07.000Z", "2021-03-04T05:06:07.120Z"}),
            "timestamptz %Y-%m-%dT%H:%M:%S.%3fZ");
  EXPECT_EQ(pattern({"2021-03-04 05:06:07.5-03:30"}), "timestamptz %Y-%m-%d %H:%M:%S.%1f-03:30");
  EXPECT_EQ(pattern({"2021-03-04 05:06:07.000000", "2021-03-04 05:06:07.000001"}),
            "timestamp %Y-%m-%d %H:%M:%S.%6f");
  EXPECT_EQ(pattern({"2021-03-04T05:06:07", "2021-03-04T05:06:07.000001"}),
            "timestamp %Y-%m-%dT%H:%M:%S%if");
  EXPECT_EQ(pattern({"2021-03-04T05:06:07Z", "2021-03-04T05:06:07.25Z", "2021-03-04T05:06:07.1Z"}),
            "timestamptz %Y-%m-%dT%H:%M:%S%tfZ");
}

// Promise: six digits everywhere are %6f for the writers known to pad, else isoformat's.
TEST_F(EvidenceDateColumnTest, SixDigitsEverywhere) {
  EXPECT_EQ(pattern({"2021-03-04 05:06:07.123456"}, true), "timestamp %Y-%m-%d %H:%M:%S.%6f");
  EXPECT_EQ(pattern({"2021-03-04 05:06:07.123456"}), "timestamp %Y-%m-%d %H:%M:%S%if");
  EXPECT_EQ(pattern({"2021-03-04T05:06:07.123456"}, true), "timestamp %Y-%m-%dT%H:%M:%S%if");
}

// Promise: a mixture has no pattern, and each shape is counted with rows.
TEST_F(EvidenceDateColumnTest, Mixtures) {
  EXPECT_EQ(pattern({"2021-03-04", "2021-03-04 05:06:07"}), "");
  EXPECT_EQ(pattern({"2021-03-04T05:06:07Z", "2021-03-04T05:06:07+00:00"}), "");
  EXPECT_EQ(pattern({"2021-03-04 05:06:07.10", "2021-03-04 05:06:07"}), "");
  EXPECT_EQ(pattern({"2021-03-04", ""}), "");
  EXPECT_EQ(pattern({"2021-03-04", "2021-02-30"}), "");
  const DateEvidence mixed =
      evidence({"2021-03-04", "2021-03-05", "2021-03-04T05:06:07", "24/12/2020", ""});
  ASSERT_EQ(mixed.shapes().size(), 2U);
  EXPECT_EQ(mixed.shapes()[0].pattern(), "%Y-%m-%d");
  EXPECT_EQ(mixed.shapes()[0].rows.rows, 2);
  EXPECT_EQ(mixed.shapes()[1].rows.samples,
            std::vector<std::string>{"id=3: '2021-03-04T05:06:07'"});
  EXPECT_EQ(mixed.flaw(DateFlaw::kDayFirst).samples,
            std::vector<std::string>{"id=4: '24/12/2020'"});
  EXPECT_EQ(mixed.flaw(DateFlaw::kEmpty).rows, 1);
}

// Promise: free text is given up after a few rows, unless the column is declared a date.
TEST_F(EvidenceDateColumnTest, GivesFreeTextUp) {
  const std::vector<std::string> words(20, "word");
  EXPECT_TRUE(evidence(words).abandoned());
  EXPECT_FALSE(evidence(words, "DATETIME").abandoned());
  EXPECT_EQ(evidence(words, "DATE").flaw(DateFlaw::kOther).rows, 20);
  EXPECT_TRUE(evidence(words, "TIME").abandoned());
}

struct Instant {
  int year, month, day, hour, minute, second, micros;
};

std::string print(const Instant& at, const std::string& pattern) {
  std::string out;
  const std::string fraction = fmt::format("{:06}", at.micros);
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] != '%') {
      out += pattern[i];
      continue;
    }
    const char field = pattern[++i];
    if (field == 'Y') out += fmt::format("{:04}", at.year);
    if (field == 'm') out += fmt::format("{:02}", at.month);
    if (field == 'd') out += fmt::format("{:02}", at.day);
    if (field == 'H') out += fmt::format("{:02}", at.hour);
    if (field == 'M') out += fmt::format("{:02}", at.minute);
    if (field == 'S') out += fmt::format("{:02}", at.second);
    if (field >= '1' && field <= '6') out += fraction.substr(0, static_cast<size_t>(field - '0'));
    if (field == 'i' && at.micros != 0) out += "." + fraction;
    if (field == 't' && at.micros != 0) {
      out += "." + fraction.substr(0, fraction.find_last_not_of('0') + 1);
    }
    if (field == 'i' || field == 't' || (field >= '1' && field <= '6')) ++i;  // the f
  }
  return out;
}

// Property: what a pattern prints of random instants is recognised as that pattern.
TEST_F(EvidenceDateColumnTest, RandomInstantsOfEveryPattern) {
  constexpr unsigned kSeed = 20240229;
  std::mt19937 random(kSeed);
  const auto pick = [&random](int low, int high) {
    return std::uniform_int_distribution<int>(low, high)(random);
  };
  std::vector<std::string> patterns;
  for (const char* date : {"%Y-%m-%d", "%Y/%m/%d"}) {
    patterns.emplace_back(date);
    for (const char* separator : {" ", "T"}) {
      for (const char* zone : {"", "Z", "+00:00", "-03:30", "+0200", " UTC", "+02"}) {
        patterns.push_back(std::string(date) + separator + "%H:%M" + zone);
        for (const char* fraction :
             {"", ".%1f", ".%2f", ".%3f", ".%4f", ".%5f", ".%6f", "%if", "%tf"}) {
          patterns.push_back(std::string(date) + separator + "%H:%M:%S" + fraction + zone);
        }
      }
    }
  }
  for (const std::string& expected : patterns) {
    const bool trimmed = expected.find("%tf") != std::string::npos;
    std::vector<std::string> texts;
    for (int i = 0; i < 8; ++i) {
      Instant at{pick(2, 9998), pick(1, 12), pick(1, 28),    pick(0, 23),
                 pick(0, 59),   pick(0, 59), pick(0, 999999)};
      // Values that tell the fraction's styles apart: zero, and digits that end in zeros.
      if (i == 0) at.micros = 0;
      if (i == 1 && trimmed) at.micros = 500000;
      if (i == 2 && trimmed) at.micros = 250000;
      texts.push_back(print(at, expected));
    }
    const std::string found = pattern(texts);
    EXPECT_EQ(found.substr(found.find(' ') + 1), expected) << "seed " << kSeed << " " << texts[0];
  }
}

// Promise: ranges of numbers are read as times only where something says that they may be.
TEST(EvidenceEpochTest, Units) {
  Column column;
  column.name = "created_at";
  const auto guess = [&column](double min, double max, bool real = false) {
    const auto found =
        guess_epoch(column, {.count = 100, .min = min, .max = max, .real = real}, false);
    return found ? found->rule + " " + found->first : "";
  };
  EXPECT_EQ(guess(1577836800, 1700000000), "epoch_s 2020-01-01 00:00:00");
  EXPECT_EQ(guess(1577836800123, 1700000000000), "epoch_ms 2020-01-01 00:00:00");
  EXPECT_EQ(guess(1577836800123456, 1700000000000000), "epoch_us 2020-01-01 00:00:00");
  EXPECT_EQ(guess(1577836800123456789, 17e17), "epoch_ns 2020-01-01 00:00:00");
  EXPECT_EQ(guess(13222310400000000, 13222310400000001), "webkit 2020-01-01 00:00:00");
  EXPECT_EQ(guess(132223104000000000, 132223104000000001), "filetime 2020-01-01 00:00:00");
  EXPECT_EQ(guess(2458849.5, 2459000.25, true), "julian_day 2020-01-01 00:00:00");
  EXPECT_EQ(guess(1577836800.25, 1700000000.5, true), "epoch_real 2020-01-01 00:00:00");
  EXPECT_EQ(guess(1, 100), "");
  const auto doubt = [&column](double min, double max, bool real = false) {
    const auto found =
        guess_epoch(column, {.count = 100, .min = min, .max = max, .real = real}, false);
    return found ? found->doubt : "";
  };
  EXPECT_EQ(doubt(1577836800, 1700000000), "");
  for (const bool real : {false, true}) {
    EXPECT_EQ(doubt(599529600, 690000000, real),
              ", or as seconds since 2001 (Cocoa), from 2020-01-01 00:00:00 to"
              " 2022-11-13 02:40:00");
  }
  EXPECT_EQ(guess(1577836800, 1e12), "");
  column.name = "ZDATE";
  column.declared_type = "TIMESTAMP";
  EXPECT_EQ(guess(599529600.5, 600000000, true), "cocoa 2020-01-01 00:00:00");
  column.name = "phone";
  column.declared_type = "INTEGER";
  EXPECT_EQ(guess(5550000000, 5559999999), "");
  EXPECT_FALSE(guess_epoch(column, {.count = 3, .min = 1.6e9, .max = 1.7e9}, false));
  EXPECT_TRUE(guess_epoch(column, {.count = 99, .min = 1.6e9, .max = 1.7e9}, false));
  EXPECT_FALSE(guess_epoch(column, {.count = 99, .min = 1.6e9, .max = 1.7e9}, true));
}

TEST(EvidenceEpochTest, Names) {
  for (const char* name : {"created_at", "updatedAt", "ts", "startTime", "date", "last_seen"}) {
    EXPECT_TRUE(named_like_time(name)) << name;
  }
  for (const char* name : {"format", "rate", "flat", "FLAT", "id", "At", "seat", "status"}) {
    EXPECT_FALSE(named_like_time(name)) << name;
  }
}

}  // namespace
}  // namespace crossfade::schema
