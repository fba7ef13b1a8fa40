#include "verify/time_form.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>

namespace crossfade::verify {
namespace {

constexpr int64_t kSecond = 1'000'000;
constexpr int64_t kDay = 86'400 * kSecond;
constexpr int64_t kFirst = -211'813'488'000'000'000;  // timestamp.h: MIN_TIMESTAMP
constexpr int64_t kEnd = 9'223'371'331'200'000'000;   // and END_TIMESTAMP

struct Moment {
  int64_t year;
  int64_t month;
  int64_t day;
  int64_t second_of_day;
  int64_t micros;
};

int64_t floor_divide(int64_t a, int64_t b) {
  return a / b - (a % b < 0 ? 1 : 0);
}

// Counts in cycles of 400, 100, 4 and 1 years from 0000-03-01, as a person would.
Moment moment_of(int64_t micros) {
  const int64_t days_since_2000 = floor_divide(micros, kDay);
  const int64_t in_day = micros - days_since_2000 * kDay;
  int64_t days = days_since_2000 + 730'425;  // since 0000-03-01
  const int64_t cycles = floor_divide(days, 146'097);
  days -= cycles * 146'097;
  const int64_t centuries = std::min<int64_t>(days / 36'524, 3);
  days -= centuries * 36'524;
  const int64_t leaps = days / 1'461;
  days -= leaps * 1'461;
  const int64_t years = std::min<int64_t>(days / 365, 3);
  days -= years * 365;
  int64_t year = cycles * 400 + centuries * 100 + leaps * 4 + years;
  constexpr int64_t kMonthDays[] = {31, 30, 31, 30, 31, 31, 30, 31, 30, 31, 31, 29};
  int64_t month = 3;
  for (const int64_t length : kMonthDays) {
    if (days < length) break;
    days -= length;
    ++month;
  }
  if (month > 12) {
    month -= 12;
    ++year;
  }
  return {year, month, days + 1, in_day / kSecond, in_day % kSecond};
}

int64_t days_before_month(int64_t year, int64_t month) {
  constexpr int64_t kBefore[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
  const bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
  return kBefore[month - 1] + (month > 2 && leap ? 1 : 0);
}

int64_t days_since_2000(int64_t year, int64_t month, int64_t day) {
  const int64_t y = year - 1;
  return y * 365 + y / 4 - y / 100 + y / 400 + days_before_month(year, month) + day - 1 - 730'119;
}

// Where a zone begins that stands for no text, "%{+02:00}", or the end.
size_t unwritten_zone_at(std::string_view pattern) {
  if (pattern.empty() || pattern.back() != '}') return pattern.size();
  return std::min(pattern.find("%{"), pattern.size());
}

// What of a pattern stands for text.
std::string_view written_part(const ColumnType& type) {
  const std::string_view pattern = type.pattern;
  return pattern.substr(0, unwritten_zone_at(pattern));
}

// What follows the last field.
std::string_view tail_of(std::string_view pattern) {
  const size_t percent = pattern.rfind('%');
  if (percent == std::string_view::npos) return pattern;
  const char kind = percent + 1 < pattern.size() ? pattern[percent + 1] : '\0';
  const bool two = kind == 'i' || kind == 't' || (kind >= '1' && kind <= '6');
  return pattern.substr(std::min(pattern.size(), percent + (two ? 3 : 2)));
}

// East of Greenwich. A tail that is no zone was never accepted, so what it gives does not matter.
int64_t offset_of(const ColumnType& type) {
  if (type.base != TargetType::kTimestamptz) return 0;
  const std::string_view pattern = type.pattern;
  const size_t unwritten = unwritten_zone_at(pattern);
  const std::string_view zone =
      unwritten < pattern.size() ? pattern.substr(unwritten + 2) : tail_of(pattern);
  int64_t digits = 0;
  int count = 0;
  for (const char c : zone) {
    if (c < '0' || c > '9') continue;
    digits = digits * 10 + (c - '0');
    ++count;
  }
  if (count == 2) digits *= 100;
  if (count != 2 && count != 4) return 0;
  const int64_t minutes = digits / 100 * 60 + digits % 100;
  return (zone.front() == '-' ? -minutes : minutes) * 60 * kSecond;
}

// Where the text goes: a form, or a buffer to compare with.
template <typename Out>
void append_digits(int64_t value, int count, Out* out) {
  char text[8];
  auto rest = static_cast<uint32_t>(value);  // of at most six digits
  for (int i = count; i-- > 0; rest /= 10) text[i] = static_cast<char>('0' + rest % 10);
  out->append(text, text + count);
}

// What of a moment a pattern has not said yet.
struct Unsaid {
  int64_t hour;
  int64_t minute;
  int64_t second;
  int64_t micros;
  [[nodiscard]] bool nothing() const {
    return hour == 0 && minute == 0 && second == 0 && micros == 0;
  }
};

template <typename Out>
void append_fraction(char kind, Unsaid* unsaid, Out* out) {
  if (kind >= '1' && kind <= '6') {
    int64_t unit = 1;
    for (char digits = kind; digits < '6'; ++digits) unit *= 10;
    append_digits(unsaid->micros / unit, kind - '0', out);
    unsaid->micros %= unit;
    return;
  }
  if (unsaid->micros == 0) return;
  out->push_back('.');
  append_digits(unsaid->micros, 6, out);
  if (kind == 't') {
    size_t size = out->size();
    while (out->data()[size - 1] == '0') --size;
    out->resize(size);
  }
  unsaid->micros = 0;
}

// Appends one field, and takes it from `unsaid`.
template <typename Out>
void append_field(char kind, const Moment& moment, Unsaid* unsaid, Out* out) {
  switch (kind) {
    case 'Y':
      return append_digits(moment.year, 4, out);
    case 'm':
      return append_digits(moment.month, 2, out);
    case 'd':
      return append_digits(moment.day, 2, out);
    case 'H':
      append_digits(unsaid->hour, 2, out);
      unsaid->hour = 0;
      return;
    case 'M':
      append_digits(unsaid->minute, 2, out);
      unsaid->minute = 0;
      return;
    case 'S':
      append_digits(unsaid->second, 2, out);
      unsaid->second = 0;
      return;
    default:
      return append_fraction(kind, unsaid, out);
  }
}

bool is_two_letters(char kind) {
  return kind == 'i' || kind == 't' || (kind >= '1' && kind <= '6');
}

// n / d, correctly rounded, by long division to 54 bits and a remainder.
double quotient_of(int64_t n, int64_t d) {
  if (n == 0) return 0.0;
  const auto divisor = static_cast<uint64_t>(d);
  const uint64_t magnitude = n < 0 ? ~static_cast<uint64_t>(n) + 1 : static_cast<uint64_t>(n);
  uint64_t quotient = magnitude / divisor;
  uint64_t rest = magnitude % divisor;
  int exponent = 0;
  for (; quotient < (uint64_t{1} << 53U); --exponent) {
    rest *= 2;
    quotient *= 2;
    if (rest >= divisor) {
      rest -= divisor;
      ++quotient;
    }
  }
  const bool up = (quotient & 1U) != 0 && (rest != 0 || (quotient & 2U) != 0);
  const uint64_t rounded = (quotient >> 1U) + (up ? 1 : 0);
  const double value = std::ldexp(static_cast<double>(rounded), exponent + 1);
  return n < 0 ? -value : value;
}

// A numeric form: so many units of `micros` (or, if fewer than one, `per_micro` in each) since
// `zero`, in PostgreSQL's count.
struct Scale {
  int64_t micros;
  int64_t per_micro;
  int64_t zero;
  bool real;
  bool integer;
};

constexpr int64_t kUnixZero = -10'957 * kDay;
constexpr int64_t kWindowsZero = -145'731 * kDay;
constexpr int64_t kCocoaZero = 366 * kDay;
constexpr int64_t kJulianZero = -2'451'545 * kDay + kDay / 2;

std::optional<Scale> scale_of(SourceForm form) {
  switch (form) {
    case SourceForm::kEpochSeconds:
      return Scale{kSecond, 1, kUnixZero, false, true};
    case SourceForm::kEpochMillis:
      return Scale{1'000, 1, kUnixZero, false, true};
    case SourceForm::kEpochMicros:
      return Scale{1, 1, kUnixZero, false, true};
    case SourceForm::kEpochNanos:
      return Scale{1, 1'000, kUnixZero, false, true};
    case SourceForm::kEpochReal:
      return Scale{kSecond, 1, kUnixZero, true, false};
    case SourceForm::kJulianDay:
      return Scale{kDay, 1, kJulianZero, true, false};
    case SourceForm::kWebkitMicros:
      return Scale{1, 1, kWindowsZero, false, true};
    case SourceForm::kFiletime:
      return Scale{1, 10, kWindowsZero, false, true};
    case SourceForm::kCocoaSeconds:
      return Scale{kSecond, 1, kCocoaZero, true, true};
    default:
      return std::nullopt;  // a text or another type's form
  }
}

bool in_range(int64_t micros) {
  return micros >= kFirst && micros < kEnd;
}

// `micros` of the number's unit after its zero, when it writes out as the same number.
template <typename Same>
std::optional<int64_t> checked(int64_t count, const Scale& scale, SourceForm form, Same same) {
  int64_t micros = 0;
  if (__builtin_add_overflow(count, scale.zero, &micros) || !in_range(micros)) return std::nullopt;
  const auto written = time_number(micros, form);
  return written && same(*written) ? std::optional(micros) : std::nullopt;
}

template <typename Out>
bool append_written(int64_t micros, const ColumnType& type, Out* out) {
  int64_t local = 0;
  if (!in_range(micros) || __builtin_add_overflow(micros, offset_of(type), &local)) return false;
  const Moment moment = moment_of(local);
  if (moment.year < 1 || moment.year > 9999) return false;
  Unsaid unsaid{moment.second_of_day / 3600, moment.second_of_day / 60 % 60,
                moment.second_of_day % 60, moment.micros};
  const size_t start = out->size();
  const std::string_view pattern = written_part(type);
  for (size_t at = 0; at < pattern.size(); ++at) {
    if (pattern[at] != '%' || at + 1 == pattern.size()) {
      out->push_back(pattern[at]);
      continue;
    }
    const char kind = pattern[++at];
    append_field(kind, moment, &unsaid, out);
    if (is_two_letters(kind)) ++at;
  }
  if (unsaid.nothing()) return true;
  out->resize(start);
  return false;
}

// Places of a moment's fields as they are read.
enum class Field : uint8_t { kYear, kMonth, kDayOfMonth, kHour, kMinute, kSecondOfMinute };
constexpr size_t kFields = 6;

std::optional<Field> field_of(char kind) {
  switch (kind) {
    case 'Y':
      return Field::kYear;
    case 'm':
      return Field::kMonth;
    case 'd':
      return Field::kDayOfMonth;
    case 'H':
      return Field::kHour;
    case 'M':
      return Field::kMinute;
    case 'S':
      return Field::kSecondOfMinute;
    default:
      return std::nullopt;
  }
}

}  // namespace

bool append_time_text(int64_t micros, const ColumnType& type, std::string* out) {
  return append_written(micros, type, out);
}

std::optional<TimeNumber> time_number(int64_t micros, SourceForm form) {
  const auto scale = scale_of(form);
  int64_t count = 0;
  if (!scale || !in_range(micros) || __builtin_sub_overflow(micros, scale->zero, &count)) {
    return std::nullopt;
  }
  TimeNumber out;
  if (scale->integer && count % scale->micros == 0) {
    out.integer = count / scale->micros;
    if (__builtin_mul_overflow(out.integer, scale->per_micro, &out.integer)) return std::nullopt;
    return out;
  }
  if (!scale->real) return std::nullopt;
  out.is_real = true;
  out.real = quotient_of(count, scale->micros);
  return out;
}

std::optional<int64_t> time_of(std::string_view text, const ColumnType& type) {
  // Which digits are which field; whether they are a date is seen when they are written out.
  int64_t fields[kFields] = {};
  int64_t fraction = 0;
  size_t at = 0;
  const std::string_view pattern = written_part(type);
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] != '%' || i + 1 == pattern.size()) {
      ++at;
      continue;
    }
    const char kind = pattern[++i];
    const bool open = kind == 'i' || kind == 't';
    const bool is_fraction = is_two_letters(kind);
    const auto field = field_of(kind);
    if (is_fraction) ++i;
    if ((!is_fraction && !field) || (open && (at >= text.size() || text[at] != '.'))) continue;
    if (open) ++at;
    size_t width = 2;
    if (field == Field::kYear) width = 4;
    if (is_fraction) width = open ? 6 : static_cast<size_t>(kind - '0');
    int64_t value = 0;
    int64_t unit = kSecond;
    for (; width > 0 && at < text.size() && text[at] >= '0' && text[at] <= '9'; --width, ++at) {
      value = value * 10 + (text[at] - '0');
      unit /= 10;
    }
    if (is_fraction) {
      fraction = value * unit;
    } else {
      fields[static_cast<size_t>(*field)] = value;
    }
  }
  const auto said = [&](Field field) { return fields[static_cast<size_t>(field)]; };
  if (said(Field::kMonth) < 1 || said(Field::kMonth) > 12) return std::nullopt;
  const int64_t micros =
      days_since_2000(said(Field::kYear), said(Field::kMonth), said(Field::kDayOfMonth)) * kDay +
      (said(Field::kHour) * 3600 + said(Field::kMinute) * 60 + said(Field::kSecondOfMinute)) *
          kSecond +
      fraction - offset_of(type);
  fmt::memory_buffer written;  // on the stack
  if (!append_written(micros, type, &written)) return std::nullopt;
  return std::string_view(written.data(), written.size()) == text ? std::optional(micros)
                                                                  : std::nullopt;
}

std::optional<int64_t> time_of(int64_t value, SourceForm form) {
  const auto scale = scale_of(form);
  if (!scale) return std::nullopt;
  int64_t count = 0;
  if (__builtin_mul_overflow(value / scale->per_micro, scale->micros, &count)) return std::nullopt;
  return checked(count, *scale, form, [value](const TimeNumber& written) {
    return !written.is_real && written.integer == value;
  });
}

std::optional<int64_t> time_of(double value, SourceForm form) {
  const auto scale = scale_of(form);
  if (!scale) return std::nullopt;
  const long double count = std::round(static_cast<long double>(value) * scale->micros);
  if (!(count > -9.2e18L && count < 9.2e18L)) return std::nullopt;
  return checked(static_cast<int64_t>(count), *scale, form, [value](const TimeNumber& written) {
    return written.is_real &&
           std::bit_cast<uint64_t>(written.real) == std::bit_cast<uint64_t>(value);
  });
}

std::string time_literal(int64_t micros, bool zoned) {
  const Moment moment = moment_of(micros);
  const bool before_christ = moment.year < 1;
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{:06}{}{}",
                     before_christ ? 1 - moment.year : moment.year, moment.month, moment.day,
                     moment.second_of_day / 3600, moment.second_of_day / 60 % 60,
                     moment.second_of_day % 60, moment.micros, zoned ? "+00" : "",
                     before_christ ? " BC" : "");
}

bool text_sorts_by_time(const ColumnType& type) {
  constexpr std::string_view kGreatestFirst = "YmdHMS";
  size_t next = 0;
  const std::string_view pattern = written_part(type);
  for (size_t at = pattern.find('%'); at != std::string_view::npos;
       at = pattern.find('%', at + 1)) {
    const char kind = pattern[at + 1];
    if (kind >= '1' && kind <= '6') {
      if (next != kGreatestFirst.size()) return false;
      continue;
    }
    if (kind == 'i' || kind == 't') {
      if (next != kGreatestFirst.size()) return false;
      // No fraction sorts before the point, and the point and the digits after what follows.
      const std::string_view tail = tail_of(pattern);
      if (!tail.empty() && tail.front() >= '.') return false;
      continue;
    }
    if (next >= kGreatestFirst.size() || kind != kGreatestFirst[next]) return false;
    ++next;
  }
  return true;
}

}  // namespace crossfade::verify
