#include "capture/field_decoder.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "capture/field_numbers.h"
#include "engine/core/ascii.h"
#include "engine/schema/utf8.h"

namespace crossfade::capture {
namespace {

constexpr std::string_view kNulPicture = "\xE2\x90\x80";  // U+2400, in kTextEscaped

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

std::optional<std::string> unhex(std::string_view digits) {
  if (digits.size() % 2 != 0) return std::nullopt;
  std::string out(digits.size() / 2, '\0');
  for (size_t i = 0; i < out.size(); ++i) {
    const int high = hex_digit(digits[2 * i]);
    const int low = hex_digit(digits[2 * i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    out[i] = static_cast<char>(high * 16 + low);
  }
  return out;
}

std::optional<Value> text_value(std::optional<std::string> bytes) {
  if (!bytes) return std::nullopt;
  return Value(Text{*std::move(bytes)});
}

std::optional<Value> blob_value(std::optional<std::string> bytes) {
  if (!bytes) return std::nullopt;
  return Value(Blob{*std::move(bytes)});
}

template <typename T>
std::optional<Value> number_value(std::optional<T> number) {
  if (!number) return std::nullopt;
  return Value(*number);
}

std::optional<Value> boolean(std::string_view field, const ColumnType& type) {
  if (field != "t" && field != "f") return std::nullopt;
  const bool yes = field == "t";
  if (type.form != SourceForm::kWords) return Value(int64_t{yes ? 1 : 0});
  const size_t slash = std::min(type.words.find('/'), type.words.size());
  if (yes) return Value(Text{type.words.substr(0, slash)});
  return Value(Text{type.words.substr(std::min(slash + 1, type.words.size()))});
}

std::optional<Value> bytes(std::string_view field, const ColumnType& type) {
  if (!field.starts_with("\\x")) return std::nullopt;
  auto read = unhex(field.substr(2));
  return type.form == SourceForm::kTextBytes ? text_value(std::move(read))
                                             : blob_value(std::move(read));
}

// A REAL of single precision has its own shortest digits, which are not those of the same double.
std::optional<Value> real(std::string_view field, const ColumnType& type) {
  if (type.bytes != sizeof(float)) return number_value(read_double(field));
  const auto number = read_float(field);
  return number ? std::optional(Value(static_cast<double>(*number))) : std::nullopt;
}

std::optional<Value> text(std::string_view field, const ColumnType& type) {
  if (type.padded) field = field.substr(0, field.find_last_not_of(' ') + 1);
  std::string out(field);
  if (type.form == SourceForm::kTextEscaped) {
    for (size_t at = out.find(kNulPicture); at != std::string::npos;
         at = out.find(kNulPicture, at)) {
      out.replace(at, kNulPicture.size(), 1, '\0');
    }
  }
  return Value(Text{std::move(out)});
}

// "8-4-4-4-12" digits.
std::optional<Value> uuid(std::string_view field, const ColumnType& type) {
  constexpr std::array<size_t, 4> kDashes{8, 13, 18, 23};
  for (const size_t at : kDashes) {
    if (at >= field.size() || field[at] != '-') return std::nullopt;
  }
  std::string digits(field);
  std::erase(digits, '-');
  auto read = unhex(digits);
  if (!read || read->size() != 16) return std::nullopt;
  switch (type.form) {
    case SourceForm::kUuidBytes:
      return blob_value(std::move(read));
    case SourceForm::kUuidHex:
      return Value(Text{std::move(digits)});
    case SourceForm::kUuidUpper:
      return Value(Text{schema::ascii_upper(std::string(field))});
    default:
      return Value(Text{std::string(field)});
  }
}

template <typename T>
void append_little_endian(T value, std::string* out) {
  using Bits = std::conditional_t<sizeof(T) == sizeof(uint32_t), uint32_t, uint64_t>;
  auto bits = std::bit_cast<Bits>(value);
  for (size_t i = 0; i < sizeof(T); ++i, bits >>= 8U)
    out->push_back(static_cast<char>(bits & 0xFFU));
}

// "{1,2.5}" or "[1,2.5]", one dimension, no NULLs.
std::optional<Value> floats(std::string_view field, const ColumnType& type) {
  const bool vector = type.base == TargetType::kVector;
  if (field.size() < 2 || field.front() != (vector ? '[' : '{') ||
      field.back() != (vector ? ']' : '}')) {
    return std::nullopt;
  }
  field = field.substr(1, field.size() - 2);
  std::string out;
  while (!field.empty()) {
    const size_t comma = std::min(field.find(','), field.size());
    const std::string_view item = field.substr(0, comma);
    if (type.base == TargetType::kDoubles) {
      const auto number = read_double(item);
      if (!number || !std::isfinite(*number)) return std::nullopt;
      append_little_endian(*number, &out);
    } else {
      const auto number = read_float(item);
      if (!number || !std::isfinite(*number)) return std::nullopt;
      append_little_endian(*number, &out);
    }
    field.remove_prefix(std::min(comma + 1, field.size()));
  }
  return Value(Blob{std::move(out)});
}

std::optional<Value> variant_object(std::string_view name, const std::string& value) {
  if (name == "$blob") return blob_value(unhex(value));
  if (name == "$text") return text_value(unhex(value));
  if (name != "$real") return std::nullopt;
  if (value == "-0.0") return Value(-0.0);
  if (value != "Infinity" && value != "-Infinity") return std::nullopt;
  return number_value(read_double(value));
}

// apply/variant.h says what each value is.
std::optional<Value> variant(std::string_view field) {
  if (field.empty() || (field.front() != '"' && field.front() != '{')) return read_pointed(field);
  const auto json = nlohmann::json::parse(field, nullptr, /*allow_exceptions=*/false);
  if (json.is_string()) return Value(Text{json.get<std::string>()});
  if (!json.is_object() || json.size() != 1 || !json.begin().value().is_string()) {
    return std::nullopt;
  }
  return variant_object(json.begin().key(), json.begin().value().get<std::string>());
}

// Takes digits, as many as `digits` allows, and at least `least`.
std::optional<int64_t> take_number(std::string_view* field, size_t least, size_t most) {
  size_t count = 0;
  while (count < most && count < field->size() && is_digit((*field)[count])) ++count;
  if (count < least) return std::nullopt;
  const auto out = read_integer(field->substr(0, count));
  field->remove_prefix(count);
  return out;
}

bool take(std::string_view* field, std::string_view what) {
  if (!field->starts_with(what)) return false;
  field->remove_prefix(what.size());
  return true;
}

int64_t days_since_2000(int64_t year, int64_t month, int64_t day) {
  // By way of the Julian day: years from March on, since 4801 BC, before all of PostgreSQL's.
  constexpr int64_t kJulianDayOf2000 = 2'451'545;
  const int64_t y = year + 4800 - (month > 2 ? 0 : 1);
  const int64_t m = month > 2 ? month - 3 : month + 9;
  const int64_t julian_day = day + (153 * m + 2) / 5 + 365 * y + y / 4 - y / 100 + y / 400 - 32'045;
  return julian_day - kJulianDayOf2000;
}

// "2026-01-02 03:04:05.5+00 BC", without the clock for a date; infinities are none.
std::optional<int64_t> read_instant(std::string_view field, TargetType type) {
  const bool before_christ = field.ends_with(" BC");
  if (before_christ) field.remove_suffix(3);
  const auto year = take_number(&field, 4, 6);
  if (!year || !take(&field, "-")) return std::nullopt;
  const auto month = take_number(&field, 2, 2);
  if (!month || *month < 1 || *month > 12 || !take(&field, "-")) return std::nullopt;
  const auto day = take_number(&field, 2, 2);
  if (!day) return std::nullopt;
  const int64_t days = days_since_2000(before_christ ? 1 - *year : *year, *month, *day);
  int64_t micros = 0;
  if (__builtin_mul_overflow(days, kMicrosPerDay, &micros)) return std::nullopt;
  if (type == TargetType::kDate) return field.empty() ? std::optional(micros) : std::nullopt;
  constexpr std::array<int64_t, 3> kUnits{3600 * kMicrosPerSecond, 60 * kMicrosPerSecond,
                                          kMicrosPerSecond};
  for (const int64_t unit : kUnits) {
    if (!take(&field, unit == kUnits.front() ? " " : ":")) return std::nullopt;
    const auto part = take_number(&field, 2, 2);
    if (!part) return std::nullopt;
    micros += *part * unit;
  }
  if (take(&field, ".")) {
    const size_t before = field.size();
    auto fraction = take_number(&field, 1, 6);
    if (!fraction) return std::nullopt;
    for (size_t digits = before - field.size(); digits < 6; ++digits) *fraction *= 10;
    micros += *fraction;
  }
  if (type == TargetType::kTimestamptz && !take(&field, "+00")) return std::nullopt;
  return field.empty() ? std::optional(micros) : std::nullopt;
}

}  // namespace

std::optional<Value> FieldDecoder::instant(std::string_view field) const {
  const auto micros = read_instant(field, type_->base);
  if (!micros) return std::nullopt;
  if (type_->form == SourceForm::kPattern) return text_value(time_.format(*micros));
  return number_from_micros(*micros, type_->form);
}

std::optional<Value> FieldDecoder::decode(std::string_view field) const {
  if (type_->form == SourceForm::kMasked) return std::nullopt;
  switch (type_->base) {
    case TargetType::kBoolean:
      return boolean(field, *type_);
    case TargetType::kBigint:
      return number_value(read_integer(field));
    case TargetType::kDouble:
      return real(field, *type_);
    case TargetType::kNumeric:
      return read_decimal(field);
    case TargetType::kText:
      return text(field, *type_);
    case TargetType::kJson:
    case TargetType::kJsonb:
      return Value(Text{std::string(field)});
    case TargetType::kBytea:
      return bytes(field, *type_);
    case TargetType::kVariant:
      return variant(field);
    case TargetType::kTimestamp:
    case TargetType::kTimestamptz:
    case TargetType::kDate:
      return instant(field);
    case TargetType::kUuid:
      return uuid(field, *type_);
    case TargetType::kReals:
    case TargetType::kDoubles:
    case TargetType::kVector:
      return floats(field, *type_);
  }
  return std::nullopt;
}

}  // namespace crossfade::capture
