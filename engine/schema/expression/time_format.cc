#include "engine/schema/expression/time_format.h"

#include <fmt/core.h>

#include <chrono>
#include <vector>

namespace crossfade::schema::expression {
namespace {

struct Field {
  char kind = 0;  // Y m d H M S f i t, or 0 for literal text
  int digits = 0;
  std::string text;
};

std::vector<Field> fields_of(std::string_view pattern) {
  std::vector<Field> out;
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] != '%' || i + 1 >= pattern.size()) {
      if (out.empty() || out.back().kind != 0) out.push_back(Field{});
      out.back().text += pattern[i];
      continue;
    }
    const char kind = pattern[++i];
    if (kind >= '1' && kind <= '6') {
      out.push_back(Field{'f', kind - '0', {}});
      ++i;
    } else if (kind == 'i' || kind == 't') {
      out.push_back(Field{kind, 6, {}});
      ++i;
    } else {
      out.push_back(Field{kind, kind == 'Y' ? 4 : 2, {}});
    }
  }
  return out;
}

// "+0200" -> "+02:00"; nothing when it is no zone.
std::optional<std::string> normal_zone(std::string_view text) {
  if (text == "Z" || text == " UTC") return "+00:00";
  if (text.size() < 3 || (text[0] != '+' && text[0] != '-')) return std::nullopt;
  std::string digits;
  for (const char c : text.substr(1)) {
    if (c >= '0' && c <= '9') {
      digits += c;
    } else if (c != ':') {
      return std::nullopt;
    }
  }
  if (digits.size() == 2) digits += "00";
  if (digits.size() != 4) return std::nullopt;
  return text[0] + digits.substr(0, 2) + ":" + digits.substr(2);
}

std::string to_char_field(const Field& field) {
  switch (field.kind) {
    case 0:
      return to_char_literal(field.text);
    case 'Y':
      return "YYYY";
    case 'm':
      return "MM";
    case 'd':
      return "DD";
    case 'H':
      return "HH24";
    case 'M':
      return "MI";
    case 'S':
      return "SS";
    case 'f':
      return fmt::format("FF{}", field.digits);
    default:
      return {};
  }
}

// The zone that ends a timestamptz pattern.
std::string take_zone(const ColumnType& type, std::vector<Field>* fields) {
  if (type.base != TargetType::kTimestamptz || fields->empty() || fields->back().kind != 0) {
    return {};
  }
  std::string zone = fields->back().text;
  fields->pop_back();
  return zone;
}

bool in_order(const std::vector<Field>& fields, std::string_view zone) {
  constexpr std::string_view kSignificance = "YmdHMSfit";
  size_t last = 0;
  for (const Field& field : fields) {
    if (field.kind == 0) continue;
    const size_t at = kSignificance.find(field.kind);
    if (at == std::string_view::npos || at < last) return false;
    last = at;
    // What may be absent must sort behind the zone that then follows: "." and digits against it.
    if ((field.kind == 'i' || field.kind == 't') && !zone.empty() && zone[0] > '-') return false;
  }
  return !fields.empty() && fields.front().kind == 'Y';
}

bool read_by_sqlite(std::string_view body, std::string_view zone) {
  const bool zone_read = zone.empty() || zone == "Z" || (zone.size() == 6 && zone[3] == ':');
  if (!zone_read) return false;
  if (body == "%Y-%m-%d") return zone.empty();
  if (!body.starts_with("%Y-%m-%d ") && !body.starts_with("%Y-%m-%dT")) return false;
  std::string_view time = body.substr(9);
  if (time == "%H:%M" || time == "%H:%M:%S" || time == "%H:%M:%S%if" || time == "%H:%M:%S%tf") {
    return true;
  }
  return time.size() == 12 && time.starts_with("%H:%M:%S.%") && time.back() == 'f';
}

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}
  std::optional<int> number(int digits) {
    int value = 0;
    for (int i = 0; i < digits; ++i, ++at_) {
      if (at_ >= text_.size() || text_[at_] < '0' || text_[at_] > '9') return std::nullopt;
      value = value * 10 + (text_[at_] - '0');
    }
    return value;
  }
  bool literal(std::string_view expected) {
    if (text_.substr(at_, expected.size()) != expected) return false;
    at_ += expected.size();
    return true;
  }
  // A point and digits, or nothing; the digits.
  std::string fraction() {
    if (at_ >= text_.size() || text_[at_] != '.') return {};
    size_t end = at_ + 1;
    while (end < text_.size() && text_[end] >= '0' && text_[end] <= '9') ++end;
    std::string out(text_.substr(at_ + 1, end - at_ - 1));
    at_ = end;
    return out.empty() ? "?" : out;
  }
  [[nodiscard]] bool ended() const { return at_ == text_.size(); }

 private:
  std::string_view text_;
  size_t at_ = 0;
};

struct Parts {
  int year = 1, month = 1, day = 1, hour = 0, minute = 0, second = 0;
  std::string fraction;
};

bool read_field(const Field& field, Reader* in, Parts* out) {
  if (field.kind == 0) return in->literal(field.text);
  if (field.kind == 'i' || field.kind == 't') {
    out->fraction = in->fraction();
    const std::string& digits = out->fraction;
    if (digits.empty()) return true;
    if (digits == "?" || digits.size() > 6) return false;
    return field.kind == 'i' ? digits.size() == 6 && digits != "000000" : digits.back() != '0';
  }
  const auto value = in->number(field.digits);
  if (!value) return false;
  switch (field.kind) {
    case 'Y':
      out->year = *value;
      return *value >= 1;
    case 'm':
      out->month = *value;
      return true;
    case 'd':
      out->day = *value;
      return true;
    case 'H':
      out->hour = *value;
      return *value < 24;
    case 'M':
      out->minute = *value;
      return *value < 60;
    case 'S':
      out->second = *value;
      return *value < 60;
    case 'f':
      out->fraction = fmt::format("{:0{}}", *value, field.digits);
      return true;
    default:
      return false;
  }
}

}  // namespace

std::string to_char_literal(std::string_view text) {
  std::string out;
  std::string quoted;
  const auto flush = [&] {
    if (!quoted.empty()) out += "\"" + quoted + "\"";
    quoted.clear();
  };
  for (const char c : text) {
    if (std::string_view(" -:./").find(c) != std::string_view::npos) {
      flush();
      out += c;
    } else {
      if (c == '"' || c == '\\') quoted += '\\';
      quoted += c;
    }
  }
  flush();
  return out;
}

TimePattern describe_pattern(const ColumnType& type) {
  TimePattern out;
  std::vector<Field> fields = fields_of(type.pattern);
  out.zone_text = take_zone(type, &fields);
  out.zone = normal_zone(out.zone_text).value_or("");
  bool printable = out.zone_text.empty() || !out.zone.empty();
  for (const Field& field : fields) {
    if (field.kind == 'i' || field.kind == 't') printable = false;
    out.to_char += to_char_field(field);
    if (field.digits > 0 && std::string_view("fit").find(field.kind) != std::string_view::npos) {
      out.fraction_digits = field.digits;
    }
  }
  if (!printable) out.to_char.clear();
  out.ordered = in_order(fields, out.zone_text);
  const std::string_view pattern = type.pattern;
  out.for_functions =
      read_by_sqlite(pattern.substr(0, pattern.size() - out.zone_text.size()), out.zone_text);
  return out;
}

std::optional<std::string> read_time(const ColumnType& type, std::string_view text) {
  std::vector<Field> fields = fields_of(type.pattern);
  const std::string zone_text = take_zone(type, &fields);
  Reader in(text);
  Parts parts;
  for (const Field& field : fields) {
    if (!read_field(field, &in, &parts)) return std::nullopt;
  }
  if (!in.literal(zone_text) || !in.ended()) return std::nullopt;
  const std::chrono::year_month_day date(std::chrono::year(parts.year),
                                         std::chrono::month(static_cast<unsigned>(parts.month)),
                                         std::chrono::day(static_cast<unsigned>(parts.day)));
  if (!date.ok()) return std::nullopt;
  std::string out = fmt::format("{:04}-{:02}-{:02}", parts.year, parts.month, parts.day);
  if (type.base == TargetType::kDate) return out;
  out += fmt::format(" {:02}:{:02}:{:02}", parts.hour, parts.minute, parts.second);
  if (!parts.fraction.empty()) out += "." + parts.fraction;
  if (type.base != TargetType::kTimestamptz) return out;
  const auto zone = normal_zone(zone_text);
  if (!zone) return std::nullopt;
  return out + *zone;
}

std::optional<std::string> read_epoch(SourceForm form, int64_t value) {
  int64_t micros = value;
  bool exact = true;
  switch (form) {
    case SourceForm::kEpochSeconds:
      exact = !__builtin_mul_overflow(value, int64_t{1'000'000}, &micros);
      break;
    case SourceForm::kEpochMillis:
      exact = !__builtin_mul_overflow(value, int64_t{1'000}, &micros);
      break;
    case SourceForm::kEpochMicros:
      break;
    case SourceForm::kEpochNanos:
      exact = value % 1000 == 0;
      micros = value / 1000;
      break;
    case SourceForm::kWebkitMicros:
      exact = !__builtin_sub_overflow(value, int64_t{11'644'473'600'000'000}, &micros);
      break;
    case SourceForm::kFiletime:
      exact = value % 10 == 0;
      micros = value / 10 - int64_t{11'644'473'600'000'000};
      break;
    default:
      return std::nullopt;
  }
  // Years 1 to 9999: PostgreSQL writes the others otherwise.
  if (!exact || micros < -62'135'596'800'000'000 || micros > 253'402'300'799'999'999) {
    return std::nullopt;
  }
  const std::chrono::sys_time<std::chrono::microseconds> time{std::chrono::microseconds(micros)};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const int64_t rest = (time - day).count();
  std::string out =
      fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}", static_cast<int>(date.year()),
                  static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                  rest / 3'600'000'000, rest / 60'000'000 % 60, rest / 1'000'000 % 60);
  if (rest % 1'000'000 != 0) out += fmt::format(".{:06}", rest % 1'000'000);
  return out + "+00:00";
}

const char* cast_to(TargetType type) {
  if (type == TargetType::kDate) return "::date";
  return type == TargetType::kTimestamp ? "::timestamp" : "::timestamptz";
}

}  // namespace crossfade::schema::expression
