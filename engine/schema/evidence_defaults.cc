#include "engine/schema/evidence_defaults.h"

#include <fmt/core.h>

#include <string_view>

#include "engine/postgres/quote.h"
#include "engine/schema/evidence_dates.h"
#include "engine/schema/evidence_decimal.h"
#include "engine/schema/evidence_json.h"
#include "engine/schema/evidence_uuid.h"
#include "engine/schema/utf8.h"

namespace crossfade::schema {
namespace {

// Whether `text` can be written by `pattern`.
bool is_written_by(std::string_view text, const std::string& pattern) {
  const DateText date = read_date(text);
  if (date.flaw != DateFlaw::kNone) return false;
  for (uint16_t style = kFractionNone; style <= kFractionTrimmed; style <<= 1) {
    const bool possible = (date.styles & style) != 0;
    if (possible && date_pattern(date, static_cast<FractionStyle>(style)) == pattern) return true;
  }
  return false;
}

std::string cast(const std::string& text, const ColumnType& type) {
  return postgres::quote_literal(text) + "::" + to_string(type);
}

bool is_uuid(const std::string& text, SourceForm form) {
  const UuidText spelling = read_uuid(text);
  if (form == SourceForm::kUuidHex) return spelling == UuidText::kHex;
  if (spelling == UuidText::kDigits) return form != SourceForm::kUuidBytes;
  return (form == SourceForm::kUuidLower && spelling == UuidText::kLower) ||
         (form == SourceForm::kUuidUpper && spelling == UuidText::kUpper);
}

bool is_json(const std::string& text, bool normal) {
  const TextFlaws flaws = find_flaws(text);
  if (flaws.nul || flaws.invalid) return false;
  const JsonText json = JsonReader().read(text);
  return json.valid && (json.normal || !normal);
}

std::optional<std::string> number_literal(const Value& value, const ColumnType& type) {
  const DecimalLimits limits{type.precision, type.scale};
  if (value.storage() == StorageClass::kInteger && fits(value.integer(), limits)) {
    return fmt::format("{}", value.integer());
  }
  if (value.storage() == StorageClass::kReal && fits(value.real(), limits)) {
    return fmt::format("{}", value.real());  // the shortest digits, all of which fit
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> form_literal(const Value& value, const ColumnType& type) {
  if (type.base == TargetType::kNumeric) return number_literal(value, type);
  if (value.storage() != StorageClass::kText) return std::nullopt;
  const std::string& text = value.text();
  bool fitting = false;
  switch (type.form) {
    case SourceForm::kWords: {
      const size_t slash = type.words.find('/');
      if (text == type.words.substr(0, slash)) return "true";
      if (text == type.words.substr(slash + 1)) return "false";
      break;
    }
    case SourceForm::kPattern:
      fitting = is_written_by(text, type.pattern);
      break;
    case SourceForm::kUuidLower:
    case SourceForm::kUuidUpper:
    case SourceForm::kUuidHex:
      fitting = is_uuid(text, type.form);
      break;
    case SourceForm::kValue:
      if (type.base == TargetType::kJson) fitting = is_json(text, false);
      if (type.base == TargetType::kJsonb) fitting = is_json(text, true);
      break;
    default:  // numbers and bytes: nobody writes them as a DEFAULT
      break;
  }
  return fitting ? std::optional(cast(text, type)) : std::nullopt;
}

// At 2021-03-04 05:06:07.125.
std::optional<std::string> present_time_example(const std::string& format) {
  std::string out;
  for (size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%') {
      out += format[i];
      continue;
    }
    const char letter = ++i < format.size() ? format[i] : '\0';
    if (letter == 'Y') {
      out += "2021";
    } else if (letter == 'm') {
      out += "03";
    } else if (letter == 'd') {
      out += "04";
    } else if (letter == 'H') {
      out += "05";
    } else if (letter == 'M') {
      out += "06";
    } else if (letter == 'S') {
      out += "07";
    } else if (letter == 'f') {
      out += "07.125";
    } else {
      return std::nullopt;
    }
  }
  return out;
}

std::optional<std::string> present_time_literal(const std::string& format, const ColumnType& type) {
  const auto sample = present_time_example(format);
  if (type.form != SourceForm::kPattern || !sample || !is_written_by(*sample, type.pattern)) {
    return std::nullopt;
  }
  if (type.base == TargetType::kDate) return "(statement_timestamp() AT TIME ZONE 'UTC')::date";
  const DateText date = read_date(*sample);
  const bool utc = date.zone == "Z" || date.zone == " UTC" || date.zone.starts_with("+00");
  if (type.base == TargetType::kTimestamptz && !utc) return std::nullopt;
  const char* unit = date.separator == 0        ? "day"
                     : date.fraction_digits > 0 ? "milliseconds"
                     : date.seconds             ? "second"
                                                : "minute";
  const char* now = type.base == TargetType::kTimestamptz
                        ? "statement_timestamp()"
                        : "statement_timestamp() AT TIME ZONE 'UTC'";
  return fmt::format("date_trunc('{}', {})", unit, now);
}

}  // namespace crossfade::schema
