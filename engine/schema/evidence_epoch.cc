#include "engine/schema/evidence_epoch.h"

#include <fmt/core.h>

#include <array>
#include <cmath>
#include <string_view>
#include <utility>

#include "engine/schema/evidence_column.h"
#include "engine/schema/utf8.h"

namespace crossfade::schema {
namespace {

constexpr double kYear1980 = 315532800;  // seconds since 1970; likewise the next
constexpr double kYear2005 = 1104537600;
constexpr double kYear2035 = 2051222400;
constexpr double kYear2100 = 4102444800;
constexpr double kYear1601 = -11644473600;
constexpr double kYear2001 = 978307200;
constexpr double kYear2040 = 2208988800;
constexpr double kJulianOf1970 = 2440587.5;
constexpr double kDaySeconds = 86400;
constexpr int64_t kUnnamedEpochsMin = 16;  // values it takes to see more than chance in a range

struct Unit {
  SourceForm form;
  const char* unit;
  const char* rule;
  double per_second;
  double zero;  // when it counts from, in seconds since 1970
};

constexpr std::array<Unit, 6> kIntegerUnits{
    {{SourceForm::kEpochSeconds, "seconds since 1970", "epoch_s", 1, 0},
     {SourceForm::kEpochMillis, "milliseconds since 1970", "epoch_ms", 1e3, 0},
     {SourceForm::kEpochMicros, "microseconds since 1970", "epoch_us", 1e6, 0},
     {SourceForm::kWebkitMicros, "microseconds since 1601 (WebKit)", "webkit", 1e6, kYear1601},
     {SourceForm::kFiletime, "100 ns since 1601 (FILETIME)", "filetime", 1e7, kYear1601},
     {SourceForm::kEpochNanos, "nanoseconds since 1970", "epoch_ns", 1e9, 0}}};
constexpr Unit kRealSeconds{SourceForm::kEpochReal, "seconds since 1970", "epoch_real", 1, 0};
constexpr Unit kCocoa{SourceForm::kCocoaSeconds, "seconds since 2001 (Cocoa)", "cocoa", 1,
                      kYear2001};
constexpr Unit kJulian{SourceForm::kJulianDay, "Julian days", "julian_day", 1 / kDaySeconds,
                       -kJulianOf1970* kDaySeconds};

double seconds_of(const Unit& unit, double value) {
  return value / unit.per_second + unit.zero;
}

// Howard Hinnant's civil_from_days.
std::string instant(double seconds) {
  const auto whole = static_cast<int64_t>(std::floor(seconds));
  const int64_t day = (whole >= 0 ? whole : whole - 86399) / 86400;
  const int64_t clock = whole - day * 86400;
  const int64_t shifted = day + 719468;
  const int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
  const int64_t day_of_era = shifted - era * 146097;
  const int64_t year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  const int64_t day_of_year =
      day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const int64_t march_month = (5 * day_of_year + 2) / 153;
  const int64_t month = march_month < 10 ? march_month + 3 : march_month - 9;
  return fmt::format(
      "{:04}-{:02}-{:02} {:02}:{:02}:{:02}", year_of_era + era * 400 + (month <= 2 ? 1 : 0), month,
      day_of_year - (153 * march_month + 2) / 5 + 1, clock / 3600, clock / 60 % 60, clock % 60);
}

std::optional<EpochGuess> guess_unit(const Unit& unit, const NumberRange& range, double from,
                                     double to) {
  const double first = seconds_of(unit, range.min);
  const double last = seconds_of(unit, range.max);
  if (first < from || last > to) return std::nullopt;
  return EpochGuess{unit.form, unit.unit, unit.rule, instant(first), instant(last)};
}

// Core Data's columns begin with Z, and its dates are declared TIMESTAMP.
bool is_core_data(const Column& column) {
  return column.name.starts_with('Z') && column.name == ascii_upper(column.name) &&
         same_name(column.declared_type, "TIMESTAMP");
}

// Cocoa's seconds of 2001 to 2035 are Unix seconds of 1970 to 2004, when few databases were
// written.
EpochGuess with_doubt(EpochGuess guess, const NumberRange& range) {
  const bool seconds =
      guess.form == SourceForm::kEpochSeconds || guess.form == SourceForm::kEpochReal;
  if (!seconds || range.max >= kYear2005) return guess;
  if (const auto cocoa = guess_unit(kCocoa, range, kYear2001, kYear2040)) {
    guess.doubt = fmt::format(", or as {}, from {} to {}", cocoa->unit, cocoa->first, cocoa->last);
    guess.other_rule = cocoa->rule;
  }
  return guess;
}

}  // namespace

bool named_like_time(const std::string& name) {
  const std::string upper = ascii_upper(name);
  for (const std::string_view word : {"TS", "WHEN", "CREATED", "UPDATED", "MODIFIED", "DELETED",
                                      "EXPIRES", "EXPIRY", "MTIME", "CTIME", "ATIME"}) {
    if (upper == word) return true;
  }
  for (const std::string_view end :
       {"_AT", "_ON", "_TS", "_MS", "_UTC", "_WHEN", "DATE", "TIME", "TIMESTAMP", "_CREATED",
        "_UPDATED", "_MODIFIED", "_EXPIRES", "_SEEN", "_USED", "_SINCE", "_UNTIL"}) {
    if (upper.ends_with(end)) return true;
  }
  return name.size() > 2 && name.ends_with("At") && name[name.size() - 3] >= 'a';  // createdAt
}

std::optional<EpochGuess> guess_epoch(const Column& column, const NumberRange& range,
                                      bool referring) {
  if (range.count == 0) return std::nullopt;
  const bool hinted = claims_of(column).date || named_like_time(column.name);
  if (!hinted && (referring || range.count < kUnnamedEpochsMin || range.real)) return std::nullopt;
  if (is_core_data(column)) return guess_unit(kCocoa, range, kYear2001, kYear2040);
  if (range.real) {
    if (auto guess = guess_unit(kJulian, range, kYear1980 - 80 * 365.25 * kDaySeconds, kYear2100)) {
      return guess;
    }
    if (auto guess = guess_unit(kRealSeconds, range, kYear1980, kYear2100)) {
      return with_doubt(std::move(*guess), range);
    }
    return std::nullopt;
  }
  for (const Unit& unit : kIntegerUnits) {
    if (auto guess = guess_unit(unit, range, hinted ? kYear1980 : kYear2005,
                                hinted ? kYear2100 : kYear2035)) {
      return with_doubt(std::move(*guess), range);
    }
  }
  return std::nullopt;
}

}  // namespace crossfade::schema
