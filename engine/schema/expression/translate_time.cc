// date(), time(), datetime(), strftime(), julianday() and unixepoch() of 'now' and of columns that
// hold times.
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <utility>

#include "engine/postgres/quote.h"
#include "engine/schema/expression/time_format.h"
#include "engine/schema/expression/translator.h"
#include "engine/schema/utf8.h"

namespace crossfade::schema::expression {
namespace {

constexpr const char* kDateFormat = "%Y-%m-%d";
constexpr const char* kTimeFormat = "%H:%M:%S";
constexpr const char* kDateTimeFormat = "%Y-%m-%d %H:%M:%S";

const char* to_char_of(char letter) {
  switch (letter) {
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
      return "SS.MS";
    case 'j':
      return "DDD";
    default:
      return nullptr;
  }
}

// "+7 days" -> the interval; nothing for what counts differently (months, weekdays, zones).
std::optional<std::string> interval_of(const std::string& modifier) {
  size_t at = 0;
  std::string sign;
  if (at < modifier.size() && (modifier[at] == '+' || modifier[at] == '-')) sign = modifier[at++];
  std::string digits;
  while (at < modifier.size() && modifier[at] >= '0' && modifier[at] <= '9')
    digits += modifier[at++];
  if (digits.empty() || digits.size() > 6 || at >= modifier.size() || modifier[at] != ' ') {
    return std::nullopt;
  }
  while (at < modifier.size() && modifier[at] == ' ') ++at;
  std::string unit = ascii_upper(std::string_view(modifier).substr(at));
  if (!unit.empty() && unit.back() == 'S') unit.pop_back();
  for (const char* known : {"DAY", "HOUR", "MINUTE", "SECOND"}) {
    if (unit != known) continue;
    std::string lower = unit;
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](char c) { return static_cast<char>(c + 32); });
    return fmt::format("{} interval '{} {}{}'", sign == "-" ? "-" : "+", digits, lower,
                       digits == "1" ? "" : "s");
  }
  return std::nullopt;
}

}  // namespace

Outcome<Translator::Instant> Translator::instant_of_column(const Expr& at, const Operand& column) {
  Instant out;
  out.stable = column.stable;
  out.not_null = column.not_null;
  const ColumnType& type = column.type;
  out.sql = column.sql;
  if (type.base == TargetType::kTimestamptz)
    out.sql = fmt::format("({} AT TIME ZONE 'UTC')", column.sql);
  if (type.base == TargetType::kDate) out.sql = column.sql + "::timestamp";
  if (type.form == SourceForm::kPattern) {
    const TimePattern pattern = describe_pattern(type);
    if (!pattern.for_functions) return no(at, "SQLite's date functions do not read its texts");
    const bool shifted = !pattern.zone.empty() && pattern.zone != "+00:00";
    if (shifted && (use_ != Use::kView || pattern.fraction_digits > 3)) {
      return no(at, "a year below 1 or above 9999, after the zone is taken off, reads differently");
    }
    out.fraction_digits = pattern.fraction_digits;
    return out;
  }
  return no(at, "SQLite's date functions take its numbers for Julian days");
}

// The time value and modifiers that begin at argument `first`.
Outcome<Translator::Instant> Translator::instant(const Expr& call, size_t first) {
  Instant out;
  const bool none = call.children.size() <= first;
  const Expr* const value = none ? nullptr : call.children[first].get();
  size_t modifiers = first + 1;
  if (none || (value->kind == ExprKind::kString && same_name(value->text, "now"))) {
    if (use_ != Use::kView && use_ != Use::kDefault)
      return no(call, "the present time, which changes");
    out.sql = "(statement_timestamp() AT TIME ZONE 'UTC')";
    out.now = true;
    out.stable = true;
    out.not_null = true;
    out.fraction_digits = 3;
  } else {
    CROSSFADE_TRY(auto operand, translate(*value));
    const bool epoch = modifiers < call.children.size() &&
                       call.children[modifiers]->kind == ExprKind::kString &&
                       same_name(call.children[modifiers]->text, "unixepoch");
    const bool time =
        operand.kind == Kind::kForm &&
        (operand.type.base == TargetType::kTimestamp ||
         operand.type.base == TargetType::kTimestamptz || operand.type.base == TargetType::kDate);
    if (!time) {
      return no(
          *value,
          "dates are translated of columns whose type is a date or a timestamp, and of 'now'");
    }
    if (epoch && operand.type.form == SourceForm::kEpochSeconds) {
      if (use_ != Use::kView) return no(*value, "a year below 1 or above 9999 reads differently");
      note("datetime(..., 'unixepoch') reads differently in years below 1 and above 9999");
      out.sql = fmt::format("({} AT TIME ZONE 'UTC')", operand.sql);
      out.stable = operand.stable;
      ++modifiers;
    } else {
      CROSSFADE_TRY(out, instant_of_column(*value, operand));
    }
  }
  for (size_t i = modifiers; i < call.children.size(); ++i) {
    CROSSFADE_TRY(out, modified(*call.children[i], std::move(out)));
  }
  return out;
}

Outcome<Translator::Instant> Translator::modified(const Expr& at, Instant from) {
  if (at.kind != ExprKind::kString) return no(at, "modifiers must be constant texts");
  const std::string modifier = at.text;
  for (const auto& [name, unit] : std::array<std::pair<const char*, const char*>, 3>{
           {{"start of day", "day"}, {"start of month", "month"}, {"start of year", "year"}}}) {
    if (!same_name(modifier, name)) continue;
    from.sql = fmt::format("date_trunc('{}', {})", unit, from.sql);
    from.fraction_digits = 0;
    return from;
  }
  const auto interval = interval_of(modifier);
  if (!interval) {
    return no(at,
              "this modifier counts differently in PostgreSQL (months that overflow, weekdays,"
              " the machine's zone)");
  }
  if (from.fraction_digits > 3) return no(at, "SQLite first rounds the fraction to milliseconds");
  if (!from.now && use_ != Use::kView) {
    return no(at, "a year below 1 or above 9999 after this reads differently");
  }
  if (!from.now) note("a date moved below year 1 or above 9999 reads differently");
  from.sql = fmt::format("({} {})", from.sql, *interval);
  return from;
}

Outcome<Operand> Translator::formatted(const Expr& at, const Instant& from,
                                       const std::string& format) {
  std::string to_char;
  std::string literal;
  std::string pattern;
  bool seconds = false;
  for (size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%') {
      literal += format[i];
      pattern += format[i];
      continue;
    }
    const char letter = ++i < format.size() ? format[i] : '\0';
    if (letter == '%') {
      literal += '%';
      pattern += "%%";
      continue;
    }
    const char* const field = to_char_of(letter);
    seconds = seconds || letter == 's';
    if (field == nullptr && letter != 's') {
      return no(at, "the format %" + std::string(1, letter) + " has no equal");
    }
    if (letter == 'f' && from.fraction_digits > 3) {
      return no(at, "SQLite rounds the fraction to milliseconds");
    }
    to_char += to_char_literal(literal) + (field != nullptr ? field : "");
    literal.clear();
    pattern += letter == 'f' ? "%S.%3f" : std::string{'%', letter};
  }
  to_char += to_char_literal(literal);
  Operand out;
  out.kind = Kind::kText;
  out.type = TargetType::kText;
  out.not_null = from.not_null;
  out.instant = from.sql;
  out.pattern = pattern;
  if (seconds) {
    if (format != "%s" || from.fraction_digits > 3)
      return no(at, "%s with other fields has no equal");
    out.sql = fmt::format("floor(extract(epoch FROM {}))::bigint::text", from.sql);
    out.stable = from.stable;
    return out;
  }
  out.sql = fmt::format("to_char({}, {})", from.sql, postgres::quote_literal(to_char));
  return unstable(at, std::move(out), "writing a time as text");
}

Outcome<Operand> Translator::time_call(const Expr& expr) {
  const std::string& f = expr.text;
  std::string format = f == "DATE" ? kDateFormat : f == "TIME" ? kTimeFormat : kDateTimeFormat;
  if (f == "STRFTIME") {
    if (expr.children.empty() || expr.children[0]->kind != ExprKind::kString) {
      return no(expr, "the format must be a constant text");
    }
    format = expr.children[0]->text;
  }
  CROSSFADE_TRY(auto from, instant(expr, f == "STRFTIME" ? 1 : 0));
  if (f != "JULIANDAY" && f != "UNIXEPOCH") return formatted(expr, from, format);
  if (from.fraction_digits > 3) return no(expr, "SQLite rounds the fraction to milliseconds");
  Operand out;
  out.not_null = from.not_null;
  out.stable = from.stable;
  if (f == "UNIXEPOCH") {
    out.kind = Kind::kInteger;
    out.type = TargetType::kBigint;
    out.sql = fmt::format("floor(extract(epoch FROM {}))::bigint", from.sql);
    out.instant = from.sql;
    out.pattern = "%s";
    out.low = -1e12;
    out.high = 1e12;
    return out;
  }
  out.kind = Kind::kReal;
  out.type = TargetType::kDouble;
  out.sql =
      fmt::format(  // milliseconds since -4713-11-24T12:00 over those of a day, as SQLite does
          "(round(extract(epoch FROM {}) * 1000) + 210866760000000)::double precision / 86400000",
          from.sql);
  out.tightness = Tightness::kProduct;
  return out;
}

Outcome<Operand> Translator::present(const Expr& expr) {
  if (use_ != Use::kView && use_ != Use::kDefault)
    return no(expr, "the present time, which changes");
  Instant now;
  now.sql = "(statement_timestamp() AT TIME ZONE 'UTC')";
  now.now = now.stable = now.not_null = true;
  return formatted(expr, now,
                   expr.text == "CURRENT_DATE"   ? kDateFormat
                   : expr.text == "CURRENT_TIME" ? kTimeFormat
                                                 : kDateTimeFormat);
}

}  // namespace crossfade::schema::expression
