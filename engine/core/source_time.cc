#include "engine/core/source_time.h"

#include <array>
#include <string_view>

#include "engine/core/ascii.h"

namespace crossfade {
namespace {

constexpr int64_t kMicrosPerMinute = 60 * kMicrosPerSecond;
constexpr int64_t kMicrosPerHour = 60 * kMicrosPerMinute;
constexpr int kFractionDigitsMax = 6;

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

struct Day {
  int64_t year;
  int64_t month;
  int64_t day;
};

// The other way round, for the years 1 to 9999 and some around them: whole cycles of 400 years,
// then what is left over in one.
Day day_of(int64_t days) {
  constexpr int64_t kCycleDays = 146'097;
  days += 730'425;  // since March 1 of the year 0
  const int64_t cycle = (days >= 0 ? days : days - kCycleDays + 1) / kCycleDays;
  const int64_t in_cycle = days - cycle * kCycleDays;
  const int64_t year = (in_cycle - in_cycle / 1'460 + in_cycle / 36'524 - in_cycle / 146'096) / 365;
  const int64_t in_year = in_cycle - (365 * year + year / 4 - year / 100);
  const int64_t march = (5 * in_year + 2) / 153;  // months since March
  const int64_t month = march < 10 ? march + 3 : march - 9;
  return {cycle * 400 + year + (month <= 2 ? 1 : 0), month, in_year - (153 * march + 2) / 5 + 1};
}

void put_digits(int64_t value, int count, std::string* out) {
  const size_t end = out->size() + static_cast<size_t>(count);
  out->resize(end);
  for (size_t at = end; count > 0; --count, value /= 10) {
    (*out)[--at] = static_cast<char>('0' + value % 10);
  }
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

void TimePattern::put(const Step& step, const Fields& fields, std::string* out) {
  switch (step.field) {
    case 'Y':
      return put_digits(fields.year, 4, out);
    case 'm':
      return put_digits(fields.month, 2, out);
    case 'd':
      return put_digits(fields.day, 2, out);
    case 'H':
      return put_digits(fields.hour, 2, out);
    case 'M':
      return put_digits(fields.minute, 2, out);
    case 'S':
      return put_digits(fields.second, 2, out);
    case 'f': {
      const int count = static_cast<unsigned char>(step.detail);
      int64_t fraction = fields.micros;
      for (int digits = count; digits < kFractionDigitsMax; ++digits) fraction /= 10;
      return put_digits(fraction, count, out);
    }
    case 'i':
    case 't':
      if (fields.micros == 0) return;
      out->push_back('.');
      put_digits(fields.micros, kFractionDigitsMax, out);
      if (step.field == 't') out->erase(out->find_last_not_of('0') + 1);
      return;
    default:
      out->push_back(step.detail);
  }
}

std::optional<std::string> TimePattern::format(int64_t micros) const {
  int64_t local = 0;
  if (!valid_ || !is_target_timestamp(micros) ||
      __builtin_add_overflow(micros, zone_micros_, &local)) {
    return std::nullopt;
  }
  const int64_t days = (local >= 0 ? local : local - kMicrosPerDay + 1) / kMicrosPerDay;
  const int64_t in_day = local - days * kMicrosPerDay;
  const Day day = day_of(days);
  if (day.year < 1 || day.year > 9999) return std::nullopt;
  Fields fields{day.year,
                day.month,
                day.day,
                in_day / kMicrosPerHour,
                in_day / kMicrosPerMinute % 60,
                in_day / kMicrosPerSecond % 60,
                in_day % kMicrosPerSecond};
  std::string out;
  for (const Step& step : steps_) put(step, fields, &out);
  // What the pattern has no field for was left out.
  if (parse(out) != micros) return std::nullopt;
  return out;
}

}  // namespace crossfade
