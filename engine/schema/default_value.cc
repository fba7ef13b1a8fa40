#include "engine/schema/default_value.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/postgres/quote.h"
#include "engine/schema/evidence_defaults.h"
#include "engine/schema/sql_lexer.h"
#include "engine/schema/type_choice.h"
#include "engine/schema/utf8.h"
#include "engine/sqlite/statement.h"

namespace crossfade::schema {
namespace {

constexpr const char* kUtcNow = "statement_timestamp() AT TIME ZONE 'UTC'";

const char* scratch_column(Affinity affinity) {
  switch (affinity) {
    case Affinity::kInteger:
      return "i";
    case Affinity::kText:
      return "t";
    case Affinity::kBlob:
      return "b";
    case Affinity::kReal:
      return "r";
    case Affinity::kNumeric:
      return "n";
  }
  return "b";
}

// (((x))) -> x
std::vector<Token> without_outer_parentheses(std::vector<Token> tokens) {
  while (tokens.size() > 2 && is_symbol(tokens.front(), '(') &&
         closing(tokens, 0) == tokens.size() - 1) {
    tokens = std::vector<Token>(tokens.begin() + 1, tokens.end() - 1);
  }
  return tokens;
}

// No names, so no columns and no functions.
bool is_constant(const std::vector<Token>& tokens) {
  return std::all_of(tokens.begin(), tokens.end(), [](const Token& token) {
    return token.kind == TokenKind::kString || token.kind == TokenKind::kNumber ||
           token.kind == TokenKind::kBlob || token.kind == TokenKind::kSymbol ||
           is_word(token, "NULL") || is_word(token, "TRUE") || is_word(token, "FALSE");
  });
}

bool is_current(const Token& token) {
  return is_word(token, "CURRENT_TIMESTAMP") || is_word(token, "CURRENT_DATE") ||
         is_word(token, "CURRENT_TIME");
}

// strftime's format as to_char's; nothing for a letter to_char has no equal for.
std::optional<std::string> to_char_format(const std::string& format) {
  std::string out;
  for (size_t i = 0; i < format.size(); ++i) {
    if (format[i] == '"' || format[i] == '\\') return std::nullopt;
    if (format[i] != '%') {
      const bool punctuation = format[i] == ' ' || format[i] == '-' || format[i] == ':' ||
                               format[i] == '.' || format[i] == '/';
      out += punctuation ? std::string(1, format[i]) : fmt::format("\"{}\"", format[i]);
      continue;
    }
    switch (++i < format.size() ? format[i] : '\0') {
      case 'Y':
        out += "YYYY";
        break;
      case 'm':
        out += "MM";
        break;
      case 'd':
        out += "DD";
        break;
      case 'H':
        out += "HH24";
        break;
      case 'M':
        out += "MI";
        break;
      case 'S':
        out += "SS";
        break;
      case 'f':
        out += "SS.MS";
        break;
      case 'j':
        out += "DDD";
        break;
      case '%':
        out += "\"%\"";
        break;
      default:
        return std::nullopt;
    }
  }
  return out;
}

// The strftime format that a default of the present time amounts to.
std::optional<std::string> present_time_format(const std::vector<Token>& tokens) {
  constexpr const char* kTimestamp = "%Y-%m-%d %H:%M:%S";
  constexpr const char* kDate = "%Y-%m-%d";
  constexpr const char* kTime = "%H:%M:%S";
  if (tokens.size() == 1) {
    if (is_word(tokens[0], "CURRENT_TIMESTAMP")) return kTimestamp;
    if (is_word(tokens[0], "CURRENT_DATE")) return kDate;
    if (is_word(tokens[0], "CURRENT_TIME")) return kTime;
    return std::nullopt;
  }
  if (tokens.size() < 3 || !is_symbol(tokens[1], '(') || closing(tokens, 1) != tokens.size() - 1) {
    return std::nullopt;
  }
  std::vector<std::string> arguments;
  for (size_t i = 2; i + 1 < tokens.size(); ++i) {
    const bool comma = i % 2 == 1;
    if (comma ? !is_symbol(tokens[i], ',') : tokens[i].kind != TokenKind::kString) {
      return std::nullopt;
    }
    if (!comma) arguments.push_back(meaning(tokens[i]));
  }
  if (is_word(tokens[0], "STRFTIME")) {
    const bool now = arguments.size() == 1 || (arguments.size() == 2 && arguments[1] == "now");
    return now ? std::optional(arguments[0]) : std::nullopt;
  }
  if (!arguments.empty() && arguments != std::vector<std::string>{"now"}) return std::nullopt;
  if (is_word(tokens[0], "DATETIME")) return kTimestamp;
  if (is_word(tokens[0], "DATE")) return kDate;
  if (is_word(tokens[0], "TIME")) return kTime;
  return std::nullopt;
}

// A format whose result no affinity turns into a number: it has two fields apart.
bool stays_text(const Column& column, const std::string& format) {
  return column.affinity == Affinity::kText || column.affinity == Affinity::kBlob ||
         format.find_first_of("-:/") != std::string::npos;
}

std::string hex(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) out += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return out;
}

// Which a literal without a cast loses, because the server reads it as numeric.
bool is_negative_zero(double value) {
  return value == 0 && std::signbit(value);
}

bool fits_text(const std::string& text) {
  const TextFlaws flaws = find_flaws(text);
  return !flaws.nul && !flaws.invalid;
}

// The shortest digits that read back the same, without an exponent and always with a point: jsonb
// keeps a number's point, and 1e15 has lost it.
std::string fixed_digits(double value) {
  std::array<char, 512> text{};  // 1.8e308 has 309 digits, 5e-324 has 326
  char* const end =
      std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed).ptr;
  std::string digits(text.data(), end);
  return digits.find('.') == std::string::npos ? digits + ".0" : digits;
}

// The forms of TargetType::kVariant.
std::string to_variant_literal(const Value& value) {
  std::string json = "null";
  switch (value.storage()) {
    case StorageClass::kNull:
      break;
    case StorageClass::kInteger:
      json = fmt::format("{}", value.integer());
      break;
    case StorageClass::kReal:
      if (std::isinf(value.real())) {
        json = value.real() > 0 ? R"({"$real":"Infinity"})" : R"({"$real":"-Infinity"})";
      } else if (is_negative_zero(value.real())) {
        json = R"({"$real":"-0.0"})";
      } else {
        json = fixed_digits(value.real());
      }
      break;
    case StorageClass::kText:
      json = fits_text(value.text()) ? nlohmann::json(value.text()).dump()
                                     : R"({"$text":")" + hex(value.text()) + "\"}";
      break;
    case StorageClass::kBlob:
      json = R"({"$blob":")" + hex(value.blob()) + "\"}";
      break;
  }
  return postgres::quote_literal(json) + "::jsonb";
}

std::optional<std::string> to_number_literal(const Value& value, const ColumnType& type) {
  if (value.storage() == StorageClass::kInteger) {
    return type.base == TargetType::kDouble ? std::nullopt
                                            : std::optional(fmt::format("{}", value.integer()));
  }
  if (value.storage() != StorageClass::kReal || type.base == TargetType::kBigint)
    return std::nullopt;
  if (std::isinf(value.real())) {
    if (type.base == TargetType::kNumeric) return std::nullopt;
    return value.real() > 0 ? "'Infinity'::double precision" : "'-Infinity'::double precision";
  }
  if (is_negative_zero(value.real())) {
    if (type.base == TargetType::kNumeric) return std::nullopt;
    return "'-0'::double precision";
  }
  return fmt::format("{}", value.real());  // the shortest digits that read back the same
}

}  // namespace

std::optional<std::string> to_target_literal(const Value& value, const ColumnType& type) {
  if (has_form(type)) return form_literal(value, type);
  switch (type.base) {
    case TargetType::kBoolean:
      if (value == Value(int64_t{0})) return "false";
      if (value == Value(int64_t{1})) return "true";
      return std::nullopt;
    case TargetType::kBigint:
    case TargetType::kDouble:
    case TargetType::kNumeric:
      return to_number_literal(value, type);
    case TargetType::kText:
      if (value.storage() != StorageClass::kText || !fits_text(value.text())) return std::nullopt;
      return postgres::quote_literal(value.text());
    case TargetType::kBytea:
      if (value.storage() != StorageClass::kBlob) return std::nullopt;
      return postgres::quote_literal("\\x" + hex(value.blob())) + "::bytea";
    case TargetType::kVariant:
      return to_variant_literal(value);
    case TargetType::kTimestamp:
    case TargetType::kTimestamptz:
    case TargetType::kDate:
    case TargetType::kUuid:
    case TargetType::kJson:
    case TargetType::kJsonb:
    case TargetType::kReals:
    case TargetType::kDoubles:
    case TargetType::kVector:
      break;
  }
  return std::nullopt;
}

Result<DefaultTranslator> DefaultTranslator::open() {
  CROSSFADE_TRY(auto scratch, sqlite::Connection::open(sqlite::OpenOptions{
                                  .path = ":memory:", .access = sqlite::Access::kCreate}));
  CROSSFADE_TRY(scratch.exec("CREATE TABLE d(i INTEGER, t TEXT, b BLOB, r REAL, n NUMERIC)"));
  return DefaultTranslator(std::move(scratch));
}

bool DefaultTranslator::is_null_literal(const std::string& default_sql) {
  const auto tokens = without_outer_parentheses(tokenize(default_sql));
  return tokens.size() == 1 && is_word(tokens[0], "NULL");
}

std::optional<Value> DefaultTranslator::evaluate(const Column& column) {
  const auto tokens = without_outer_parentheses(tokenize(*column.default_sql));
  std::string expression = *column.default_sql;
  if (tokens.size() == 1 &&
      (tokens[0].kind == TokenKind::kQuoted ||
       (tokens[0].kind == TokenKind::kWord && !is_constant(tokens) && !is_current(tokens[0])))) {
    expression = sqlite::quote_literal(meaning(tokens[0]));  // DEFAULT "x" and DEFAULT x are text
  } else if (!is_constant(tokens)) {
    return std::nullopt;
  }
  const char* name = scratch_column(column.affinity);
  if (!scratch_.exec("DELETE FROM d")) return std::nullopt;
  if (!scratch_.exec(fmt::format("INSERT INTO d({}) VALUES ((\n{}\n))", name, expression))) {
    return std::nullopt;
  }
  auto row = sqlite::Statement::prepare(scratch_, fmt::format("SELECT {} FROM d", name));
  if (!row) return std::nullopt;
  const auto there = row.value().step();
  if (!there || !there.value()) return std::nullopt;
  return row.value().value(0);
}

std::optional<std::string> DefaultTranslator::example(const Column& column) {
  if (const auto value = evaluate(column)) {
    return value->storage() == StorageClass::kText ? std::optional(value->text()) : std::nullopt;
  }
  const auto format = present_time_format(without_outer_parentheses(tokenize(*column.default_sql)));
  return format ? present_time_example(*format) : std::nullopt;
}

std::optional<std::string> DefaultTranslator::translate(const Column& column) {
  if (!column.default_sql || is_null_literal(*column.default_sql)) return std::nullopt;
  if (const auto value = evaluate(column)) {
    if (value->is_null()) return std::nullopt;
    return to_target_literal(*value, column.type);
  }
  const auto format = present_time_format(without_outer_parentheses(tokenize(*column.default_sql)));
  if (!format || !stays_text(column, *format)) return std::nullopt;
  if (has_form(column.type)) return present_time_literal(*format, column.type);
  if (column.type.base != TargetType::kText) return std::nullopt;
  const auto target_format = to_char_format(*format);
  if (!target_format) return std::nullopt;
  return fmt::format("to_char({}, {})", kUtcNow, postgres::quote_literal(*target_format));
}

}  // namespace crossfade::schema
