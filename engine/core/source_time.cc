#include "engine/core/source_time.h"

#include <array>
#include <bit>
#include <cmath>
#include <string_view>

#include "engine/core/ascii.h"

namespace crossfade {
namespace {

__extension__ using Uint128 = unsigned __int128;

constexpr int64_t kMicrosPerMinute = 60 * kMicrosPerSecond;
constexpr int64_t kMicrosPerHour = 60 * kMicrosPerMinute;
constexpr int kFractionDigitsMax = 6;

// All before 2000-01-01T00:00:00Z.
constexpr int64_t kUnixMicros = 946'684'800 * kMicrosPerSecond;
constexpr int64_t kCocoaMicros = kUnixMicros - 978'307'200 * kMicrosPerSecond;
constexpr int64_t kWindowsMicros = kUnixMicros + 11'644'473'600 * kMicrosPerSecond;
constexpr int64_t kJulianMicros = 2'451'544 * kMicrosPerDay + kMicrosPerDay / 2;

// timestamp.h: MIN_TIMESTAMP and END_TIMESTAMP.
constexpr int64_t kTimestampMin = -211'813'488'000 * kMicrosPerSecond;
constexpr int64_t kTimestampEnd = 9'223'371'331'200 * kMicrosPerSecond;

// Exactly `count` digits.
bool take_digits(std::string_view text, size_t* at, size_t count, int64_t* out) {
  if (text.size() - *at < count) return false;
  int64_t value = 0;
  for (size_t i = 0; i < count; ++i) {
    const char c = text[*at + i];
    if (!is_digit(c)) return false;
    value = value * 10 + (c - '0');
  }
  *at += count;
  *out = value;
  return true;
}

int64_t scaled_to_micros(int64_t fraction, size_t digits) {
  for (; digits < kFractionDigitsMax; ++digits) fraction *= 10;
  return fraction;
}

int64_t days_in_month(int64_t year, int64_t month) {
  constexpr std::array<int64_t, 12> kDays{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  return month == 2 && leap ? 29 : kDays[static_cast<size_t>(month - 1)];
}

// Days since 2000-01-01 of a date after the year 0. Years begin in March, so that the leap day is a
// year's last; 153 days are five months from there.
int64_t days_since_2000(int64_t year, int64_t month, int64_t day) {
  const int64_t y = month > 2 ? year : year - 1;
  const int64_t m = month > 2 ? month - 3 : month + 9;
  constexpr int64_t kMarchFirstOfYear0 = 730'425;  // days before 2000-01-01
  return y * 365 + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - kMarchFirstOfYear0;
}

std::optional<int64_t> counted(int64_t value, int64_t factor, int64_t origin) {
  int64_t micros = 0;
  if (__builtin_mul_overflow(value, factor, &micros)) return std::nullopt;
  if (__builtin_sub_overflow(micros, origin, &micros)) return std::nullopt;
  if (!is_target_timestamp(micros)) return std::nullopt;
  return micros;
}

std::optional<int64_t> divided(int64_t value, int64_t divisor, int64_t origin) {
  if (value % divisor != 0) return std::nullopt;
  return counted(value / divisor, 1, origin);
}

// n / d, correctly rounded.
double ratio(int64_t n, int64_t d) {
  if (n == 0) return 0;
  const uint64_t magnitude =
      n < 0 ? uint64_t{0} - static_cast<uint64_t>(n) : static_cast<uint64_t>(n);
  const int shift = 64 + std::countl_zero(magnitude);
  const Uint128 dividend = static_cast<Uint128>(magnitude) << static_cast<unsigned>(shift);
  const auto divisor = static_cast<Uint128>(d);
  Uint128 quotient = dividend / divisor;        // 90 bits and more
  if (dividend % divisor != 0) quotient |= 1U;  // the last bit only breaks ties
  const double value = std::ldexp(static_cast<double>(quotient), -shift);
  return n < 0 ? -value : value;
}

// `value` counts units of `unit` microseconds from an origin that lies `origin` before 2000.
std::optional<int64_t> nearest(double value, int64_t unit, int64_t origin) {
  const long double scaled = static_cast<long double>(value) * static_cast<long double>(unit);
  if (!(std::fabs(scaled) < 9.2e18L)) return std::nullopt;
  const int64_t count = std::llround(scaled);
  if (std::bit_cast<uint64_t>(ratio(count, unit)) != std::bit_cast<uint64_t>(value)) {
    return std::nullopt;
  }
  return counted(count, 1, origin);
}

}  // namespace

struct TimePattern::Fields {
  int64_t year = 0;
  int64_t month = 0;
  int64_t day = 0;
  int64_t hour = 0;
  int64_t minute = 0;
  int64_t second = 0;
  int64_t micros = 0;
};

std::optional<int64_t> zone_micros(std::string_view zone) {
  if (zone == "Z" || zone == " UTC") return 0;
  if (zone.empty() || (zone[0] != '+' && zone[0] != '-')) return std::nullopt;
  size_t at = 1;
  int64_t hours = 0;
  int64_t minutes = 0;
  if (!take_digits(zone, &at, 2, &hours) || hours > 15) return std::nullopt;
  if (at < zone.size()) {
    if (zone[at] == ':') ++at;
    if (!take_digits(zone, &at, 2, &minutes) || minutes > 59) return std::nullopt;
  }
  if (at != zone.size()) return std::nullopt;
  const int64_t micros = hours * kMicrosPerHour + minutes * kMicrosPerMinute;
  return zone[0] == '-' ? -micros : micros;
}

bool is_target_timestamp(int64_t micros) {
  return micros >= kTimestampMin && micros < kTimestampEnd;
}

// "%{+02:00}" at the end: a zone that no text names.
std::string_view unwritten_zone(std::string_view pattern) {
  const size_t at = pattern.rfind("%{");
  if (at == std::string_view::npos || !pattern.ends_with('}')) return {};
  return pattern.substr(at + 2, pattern.size() - at - 3);
}

bool TimePattern::add_field(std::string_view pattern, size_t* at) {
  const std::string_view rest = pattern.substr(*at + 1);
  if (rest.empty()) return false;
  Step step{rest[0], 0};
  size_t size = 1;
  if (rest.substr(0, 2) == "if" || rest.substr(0, 2) == "tf") {
    size = 2;
  } else if (rest.size() >= 2 && rest[0] >= '1' && rest[0] <= '6' && rest[1] == 'f') {
    step = {'f', static_cast<char>(rest[0] - '0')};
    size = 2;
  } else if (std::string_view("YmdHMS").find(rest[0]) == std::string_view::npos) {
    return false;
  }
  const auto kind = [](char field) { return field == 'i' || field == 't' ? 'f' : field; };
  for (const Step& before : steps_) {
    if (kind(before.field) == kind(step.field)) return false;
  }
  steps_.push_back(step);
  *at += 1 + size;
  return true;
}

bool TimePattern::complete(const ColumnType& type) const {
  const auto has = [this](char field) {
    for (const Step& step : steps_) {
      if (step.field == field) return true;
    }
    return false;
  };
  const bool fraction = has('f') || has('i') || has('t');
  if (!has('Y') || !has('m') || !has('d')) return false;
  if (type.base == TargetType::kDate) return !has('H') && !has('M') && !has('S') && !fraction;
  return (has('H') || !has('M')) && (has('M') || !has('S')) && (has('S') || !fraction);
}

TimePattern TimePattern::compile(const ColumnType& type) {
  const bool zoned = type.base == TargetType::kTimestamptz;
  const bool timed = zoned || type.base == TargetType::kTimestamp || type.base == TargetType::kDate;
  TimePattern out;
  if (!timed || type.form != SourceForm::kPattern) return out;
  std::string_view pattern = type.pattern;
  const std::string_view unwritten = unwritten_zone(pattern);
  if (!unwritten.empty()) pattern.remove_suffix(unwritten.size() + std::string_view("%{}").size());
  if (!unwritten.empty() && !zoned) return out;
  size_t tail = 0;
  for (size_t at = 0; at < pattern.size();) {
    if (pattern[at] == '%') {
      if (!out.add_field(pattern, &at)) return out;
      tail = at;
    } else {
      out.steps_.push_back({0, pattern[at++]});
    }
  }
  if (zoned) {
    const auto zone = zone_micros(unwritten.empty() ? pattern.substr(tail) : unwritten);
    if (!zone) return out;
    out.zone_micros_ = *zone;
  }
  out.valid_ = out.complete(type);
  return out;
}

bool TimePattern::take(const Step& step, std::string_view text, size_t* at, Fields* out) {
  switch (step.field) {
    case 'Y':
      return take_digits(text, at, 4, &out->year) && out->year > 0;
    case 'm':
      return take_digits(text, at, 2, &out->month) && out->month >= 1 && out->month <= 12;
    case 'd':
      return take_digits(text, at, 2, &out->day) && out->day >= 1;
    case 'H':
      return take_digits(text, at, 2, &out->hour) && out->hour <= 23;
    case 'M':
      return take_digits(text, at, 2, &out->minute) && out->minute <= 59;
    case 'S':
      return take_digits(text, at, 2, &out->second) && out->second <= 59;
    case 'f': {
      const auto digits = static_cast<size_t>(static_cast<unsigned char>(step.detail));
      if (!take_digits(text, at, digits, &out->micros)) return false;
      out->micros = scaled_to_micros(out->micros, digits);
      return true;
    }
    case 'i':
    case 't': {
      if (*at >= text.size() || text[*at] != '.') return true;
      ++*at;
      size_t digits = kFractionDigitsMax;
      if (step.field == 't') {
        digits = 0;
        while (digits < kFractionDigitsMax && *at + digits < text.size() &&
               is_digit(text[*at + digits])) {
          ++digits;
        }
        if (digits == 0 || text[*at + digits - 1] == '0') return false;
      }
      if (!take_digits(text, at, digits, &out->micros) || out->micros == 0) return false;
      out->micros = scaled_to_micros(out->micros, digits);
      return true;
    }
    default:
      return *at < text.size() && text[(*at)++] == step.detail;
  }
}

std::optional<int64_t> TimePattern::parse(std::string_view text) const {
  if (!valid_) return std::nullopt;
  Fields fields;
  size_t at = 0;
  for (const Step& step : steps_) {
    if (!take(step, text, &at, &fields)) return std::nullopt;
  }
  if (at != text.size() || fields.day > days_in_month(fields.year, fields.month)) {
    return std::nullopt;
  }
  return days_since_2000(fields.year, fields.month, fields.day) * kMicrosPerDay +
         fields.hour * kMicrosPerHour + fields.minute * kMicrosPerMinute +
         fields.second * kMicrosPerSecond + fields.micros - zone_micros_;
}

std::optional<int64_t> micros_from_number(int64_t value, SourceForm form) {
  switch (form) {
    case SourceForm::kEpochSeconds:
      return counted(value, kMicrosPerSecond, kUnixMicros);
    case SourceForm::kEpochMillis:
      return counted(value, 1000, kUnixMicros);
    case SourceForm::kEpochMicros:
      return counted(value, 1, kUnixMicros);
    case SourceForm::kEpochNanos:
      return divided(value, 1000, kUnixMicros);
    case SourceForm::kWebkitMicros:
      return counted(value, 1, kWindowsMicros);
    case SourceForm::kFiletime:
      return divided(value, 10, kWindowsMicros);
    case SourceForm::kCocoaSeconds:
      return counted(value, kMicrosPerSecond, kCocoaMicros);
    default:  // the other forms write no INTEGER that counts time
      return std::nullopt;
  }
}

std::optional<int64_t> micros_from_number(double value, SourceForm form) {
  switch (form) {
    case SourceForm::kEpochReal:
      return nearest(value, kMicrosPerSecond, kUnixMicros);
    case SourceForm::kJulianDay:
      return nearest(value, kMicrosPerDay, kJulianMicros);
    case SourceForm::kCocoaSeconds:
      // Whole seconds come back as an INTEGER, which this is not.
      if (value == std::trunc(value)) return std::nullopt;
      return nearest(value, kMicrosPerSecond, kCocoaMicros);
    default:  // the other forms write no REAL
      return std::nullopt;
  }
}

}  // namespace crossfade
