// Comparisons of a column in its own form with a constant: times, uuids, words.
#include <fmt/core.h>

#include <utility>

#include "engine/postgres/quote.h"
#include "engine/schema/expression/time_format.h"
#include "engine/schema/expression/translator.h"
#include "engine/schema/utf8.h"

namespace crossfade::schema::expression {
namespace {

Operand typed_literal(const std::string& text, const char* cast) {
  Operand out;
  out.sql = postgres::quote_literal(text) + cast;
  out.not_null = true;
  return out;
}

// The uuid that a text or blob in the column's spelling means; nothing when it is not in it.
std::optional<std::string> read_uuid(SourceForm form, const Value& value) {
  std::string digits;
  if (form == SourceForm::kUuidBytes) {
    if (value.storage() != StorageClass::kBlob || value.blob().size() != 16) return std::nullopt;
    for (const char c : value.blob())
      digits += fmt::format("{:02x}", static_cast<unsigned char>(c));
  } else {
    if (value.storage() != StorageClass::kText) return std::nullopt;
    const std::string& text = value.text();
    const bool dashes = form != SourceForm::kUuidHex;
    if (text.size() != (dashes ? 36U : 32U)) return std::nullopt;
    for (size_t i = 0; i < text.size(); ++i) {
      const bool dash = dashes && (i == 8 || i == 13 || i == 18 || i == 23);
      if (dash != (text[i] == '-')) return std::nullopt;
      if (dash) continue;
      const std::string_view allowed =
          form == SourceForm::kUuidUpper ? "0123456789ABCDEF" : "0123456789abcdef";
      if (allowed.find(text[i]) == std::string_view::npos) return std::nullopt;
      digits += text[i];
    }
  }
  std::string out;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i == 8 || i == 12 || i == 16 || i == 20) out += '-';
    out += static_cast<char>(digits[i] >= 'A' && digits[i] <= 'F' ? digits[i] + 32 : digits[i]);
  }
  return out;
}

}  // namespace

// A time's text against a text that is no such time, where only one answer is left:
// "2020-01-01" sorts before every text of that day, and a day before every text of it.
std::optional<Operand> Translator::compare_time(const std::string& op, const Operand& form,
                                                const std::string& text) {
  const TimePattern pattern = describe_pattern(form.type);
  const char* const cast = cast_to(form.type.base);
  if (const auto time = read_time(form.type, text)) {
    if (is_ordering(op) && !pattern.ordered) return std::nullopt;
    return compared(op, form, typed_literal(*time, cast));
  }
  if (!is_ordering(op)) {  // no text of this column is equal to it
    Operand none;
    none.not_null = true;
    return settled(op, form, none, op == "<>" || op == "IS NOT");
  }
  if (!pattern.ordered) return std::nullopt;
  const bool less = op[0] == '<';
  if (form.type.pattern.find("%H") == std::string::npos) {
    // A longer text that begins with a day of this form sorts behind that day.
    for (size_t length = 8; length < text.size() && length <= 10; ++length) {
      if (const auto day = read_time(form.type, std::string_view(text).substr(0, length))) {
        return compared(less ? "<=" : ">", form, typed_literal(*day, cast));
      }
    }
    return std::nullopt;
  }
  if (form.type.pattern.rfind("%Y-%m-%d", 0) != 0 || text.size() != 10) return std::nullopt;
  ColumnType day_type(TargetType::kDate);
  day_type.pattern = "%Y-%m-%d";
  const auto day = read_time(day_type, text);
  if (!day || form.type.pattern.size() <= 8) return std::nullopt;
  const std::string zone = form.type.base == TargetType::kTimestamptz ? pattern.zone : "";
  return compared(less ? "<" : ">=", form, typed_literal(*day + " 00:00:00" + zone, cast));
}

// Nothing: the column must be compared as the text, number or blob that it was.
Outcome<std::optional<Operand>> Translator::compare_form(const Expr& at, const std::string& op,
                                                         const Operand& form, const Value& constant,
                                                         const std::string& collation) {
  const bool binary = collation.empty() || collation == "BINARY";
  if (form.type.base == TargetType::kBoolean) {
    if (!binary && collation != "NOCASE" && collation != "RTRIM") {
      return no(at, "the collation " + printable(collation) + " is the application's own");
    }
    CROSSFADE_TRY(auto out, compare_two_valued(at, op, form, constant, std::nullopt, collation));
    return std::optional<Operand>(std::move(out));
  }
  if (!binary) return std::optional<Operand>();
  const bool text = constant.storage() == StorageClass::kText;
  if (form.type.form == SourceForm::kPattern && text) {
    return compare_time(op, form, constant.text());
  }
  if (form.type.base == TargetType::kTimestamptz && constant.storage() == StorageClass::kInteger) {
    if (const auto time = read_epoch(form.type.form, constant.integer())) {
      return std::optional<Operand>(compared(op, form, typed_literal(*time, "::timestamptz")));
    }
  }
  if (form.type.base == TargetType::kUuid) {
    if (const auto uuid = read_uuid(form.type.form, constant)) {
      return std::optional<Operand>(compared(op, form, typed_literal(*uuid, "::uuid")));
    }
  }
  return std::optional<Operand>();
}

}  // namespace crossfade::schema::expression
