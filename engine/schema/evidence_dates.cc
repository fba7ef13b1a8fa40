#include "engine/schema/evidence_dates.h"

#include <fmt/core.h>

#include <algorithm>

#include "engine/core/ascii.h"
#include "engine/schema/evidence_interest.h"

namespace crossfade::schema {
namespace {

constexpr size_t kShapesMax = 16;
constexpr size_t kShapeSamplesMax = 3;
constexpr size_t kDateSize = 10;    // 2021-03-04
constexpr size_t kMinuteSize = 16;  // 2021-03-04 05:06
constexpr uint8_t kMicroDigits = 6;

// The number of `count` digits at `at`, or -1.
int number(std::string_view text, size_t at, size_t count) {
  if (at + count > text.size()) return -1;
  int out = 0;
  for (size_t i = at; i < at + count; ++i) {
    if (!is_digit(text[i])) return -1;
    out = out * 10 + (text[i] - '0');
  }
  return out;
}

int days_in(int year, int month) {
  constexpr std::array<int, 12> kDays{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  return month == 2 && leap ? 29 : kDays[static_cast<size_t>(month - 1)];
}

// d/m/yyyy and m/d/yyyy, with one or two digits and any of three separators.
bool is_day_first(std::string_view text) {
  size_t at = 0;
  char separator = 0;
  for (int field = 0; field < 2; ++field) {
    size_t digits = 0;
    while (at + digits < text.size() && is_digit(text[at + digits])) ++digits;
    if (digits < 1 || digits > 2 || at + digits >= text.size()) return false;
    const char after = text[at + digits];
    if (after != '/' && after != '.' && after != '-') return false;
    if (field == 1 && after != separator) return false;
    separator = after;
    at += digits + 1;
  }
  return number(text, at, 4) > 0 && (at + 4 == text.size() || text[at + 4] == ' ');
}

// "Z", " UTC", "+02", "+0200", "+02:00". PostgreSQL's own limit is below 16 hours.
bool is_zone(std::string_view text) {
  if (text == "Z" || text == " UTC") return true;
  if (text.empty() || (text[0] != '+' && text[0] != '-')) return false;
  const int hours = number(text, 1, 2);
  if (hours < 0 || hours > 15) return false;
  if (text.size() == 3) return true;
  const size_t minutes_at = text[3] == ':' ? 4 : 3;
  const int minutes = number(text, minutes_at, 2);
  return text.size() == minutes_at + 2 && minutes >= 0 && minutes <= 59;
}

uint16_t styles_of(std::string_view digits) {
  if (digits.empty()) return kFractionNone | kFractionIso | kFractionTrimmed;
  auto styles = static_cast<uint16_t>(kFraction1 << (digits.size() - 1));
  const bool zero = digits.find_first_not_of('0') == std::string_view::npos;
  if (digits.size() == kMicroDigits && !zero) styles |= kFractionIso;
  if (digits.back() != '0') styles |= kFractionTrimmed;
  return styles;
}

// Reads the zone and checks the clock. `at` is behind the last digit of the time.
void read_rest(std::string_view text, size_t at, int hour, int minute, int second, DateText* out) {
  const std::string_view zone = text.substr(at);
  if (!zone.empty() && !is_zone(zone)) return;
  out->zone = zone;
  if (hour == 24) {
    out->flaw = DateFlaw::kHour24;
  } else if (hour > 24 || minute > 59 || second > 59) {
    out->flaw = DateFlaw::kNoSuchTime;
  } else if (out->fraction_digits > kMicroDigits) {
    out->flaw = DateFlaw::kLongFraction;
  } else {
    out->flaw = DateFlaw::kNone;
  }
}

// The time after a date: " 05:06", "T05:06:07", "T05:06:07.125Z".
void read_time(std::string_view text, DateText* out) {
  out->separator = text[kDateSize];
  if (out->separator != ' ' && out->separator != 'T') return;
  if (text.size() < kMinuteSize || text[13] != ':') return;
  const int hour = number(text, 11, 2);
  const int minute = number(text, 14, 2);
  if (hour < 0 || minute < 0) return;
  size_t at = kMinuteSize;
  int second = 0;
  out->styles = kFractionNone;
  if (at < text.size() && text[at] == ':') {
    second = number(text, at + 1, 2);
    if (second < 0) return;
    out->seconds = true;
    at += 3;
    size_t end = at;
    if (at < text.size() && text[at] == '.') {
      end = ++at;
      while (end < text.size() && is_digit(text[end])) ++end;
      if (end == at) return;
    }
    const std::string_view digits = text.substr(at, end - at);
    out->fraction_digits = static_cast<uint8_t>(std::min<size_t>(digits.size(), 99));
    out->styles = digits.size() > kMicroDigits ? uint16_t{0} : styles_of(digits);
    at = end;
  }
  read_rest(text, at, hour, minute, second, out);
}

// With a zone, the instant's date in UTC may lie outside the years 0001 to 9999.
bool leaves_calendar(int year, int month, int day, std::string_view zone) {
  if (zone.empty()) return false;
  return (year == 1 && month == 1 && day == 1) || (year == 9999 && month == 12 && day == 31);
}

FractionStyle preferred(uint16_t styles, bool micros) {
  if ((styles & kFractionNone) != 0) return kFractionNone;
  const bool iso = (styles & kFractionIso) != 0;
  if (iso && !micros) return kFractionIso;
  for (int digits = 1; digits <= kMicroDigits; ++digits) {
    const auto fixed = static_cast<FractionStyle>(kFraction1 << (digits - 1));
    if ((styles & fixed) != 0) return fixed;
  }
  return iso ? kFractionIso : kFractionTrimmed;
}

}  // namespace

const char* to_string(DateFlaw flaw) {
  switch (flaw) {
    case DateFlaw::kNone:
      break;
    case DateFlaw::kEmpty:
      return "are empty";
    case DateFlaw::kZeroDate:
      return "are zero dates";
    case DateFlaw::kNoSuchDate:
      return "are not in the calendar";
    case DateFlaw::kNoSuchTime:
      return "have a time that no clock shows";
    case DateFlaw::kHour24:
      return "have the hour 24";
    case DateFlaw::kDayFirst:
      return "have the day or the month first";
    case DateFlaw::kLongFraction:
      return "are finer than microseconds";
    case DateFlaw::kOther:
      return "are no ISO dates";
  }
  return "are dates";
}

bool DateText::has_layout(const DateText& other) const {
  return date_separator == other.date_separator && separator == other.separator &&
         seconds == other.seconds && zone == other.zone;
}

bool DateText::has_shape(const DateText& other) const {
  return fraction_digits == other.fraction_digits && has_layout(other);
}

DateText read_date(std::string_view text) {
  DateText out;
  const auto flawed = [&out](DateFlaw flaw) {
    out.flaw = flaw;
    return out;
  };
  if (text.empty()) return flawed(DateFlaw::kEmpty);
  const int year = number(text, 0, 4);
  const int month = number(text, 5, 2);
  const int day = number(text, 8, 2);
  if (year < 0 || month < 0 || day < 0 || text[4] != text[7] ||
      (text[4] != '-' && text[4] != '/')) {
    return flawed(is_day_first(text) ? DateFlaw::kDayFirst : DateFlaw::kOther);
  }
  out.date_separator = text[4];
  out.styles = kFractionNone;
  if (text.size() == kDateSize) {
    out.flaw = DateFlaw::kNone;
  } else {
    read_time(text, &out);
  }
  if (out.flaw == DateFlaw::kOther) return out;
  if (year == 0 && month == 0 && day == 0) return flawed(DateFlaw::kZeroDate);
  if (year == 0 || month < 1 || month > 12 || day < 1 || day > days_in(year, month)) {
    return flawed(DateFlaw::kNoSuchDate);
  }
  if (leaves_calendar(year, month, day, out.zone)) return flawed(DateFlaw::kNoSuchDate);
  return out;
}

std::string date_pattern(const DateText& layout, FractionStyle style) {
  std::string out = fmt::format("%Y{0}%m{0}%d", layout.date_separator);
  if (layout.separator == 0) return out;
  out += layout.separator;
  out += "%H:%M";
  if (layout.seconds) out += ":%S";
  if (style == kFractionIso) {
    out += "%if";
  } else if (style == kFractionTrimmed) {
    out += "%tf";
  } else {
    for (int digits = 1; digits <= kMicroDigits; ++digits) {
      if (style == kFraction1 << (digits - 1)) out += fmt::format(".%{}f", digits);
    }
  }
  return out + layout.zone;
}

std::string DateEvidence::Shape::pattern() const {
  const auto style = as.fraction_digits == 0
                         ? kFractionNone
                         : static_cast<FractionStyle>(kFraction1 << (as.fraction_digits - 1));
  return date_pattern(as, style);
}

void DateEvidence::add(std::string_view text, const Cell& cell, bool stubborn) {
  if (abandoned_) return;
  const DateText date = read_date(text);
  if (date.flaw == DateFlaw::kOther) ++strangers_;
  if (date.flaw != DateFlaw::kNone) {
    abandoned_ = !stubborn && lost_interest(dates_, strangers_);
    cell.tally(&flaws_[static_cast<size_t>(date.flaw)]);
    return;
  }
  ++dates_;
  if (last_ >= shapes_.size() || !shapes_[last_].as.has_shape(date)) {
    const auto at = std::find_if(shapes_.begin(), shapes_.end(),
                                 [&date](const Shape& shape) { return shape.as.has_shape(date); });
    last_ = static_cast<size_t>(at - shapes_.begin());
    if (at == shapes_.end()) {
      if (shapes_.size() == kShapesMax) return cell.tally(&other_shapes_);
      shapes_.push_back(Shape{date, {}});
    }
  }
  Shape& shape = shapes_[last_];
  shape.as.styles &= date.styles;
  cell.tally(&shape.rows, kShapeSamplesMax);
}

std::optional<ColumnType> DateEvidence::form(int64_t texts, bool micros) const {
  if (abandoned_ || texts == 0 || dates_ != texts || other_shapes_.rows > 0) return std::nullopt;
  const DateText& layout = shapes_.front().as;
  uint16_t styles = layout.styles;
  for (const Shape& shape : shapes_) {
    if (!shape.as.has_layout(layout)) return std::nullopt;
    styles &= shape.as.styles;
  }
  if (styles == 0) return std::nullopt;
  ColumnType out;
  out.base = layout.separator == 0 ? TargetType::kDate
             : layout.zone.empty() ? TargetType::kTimestamp
                                   : TargetType::kTimestamptz;
  out.form = SourceForm::kPattern;
  out.pattern = date_pattern(
      layout, preferred(styles, micros && layout.separator == ' ' && layout.zone.empty()));
  return out;
}

}  // namespace crossfade::schema
