#include <fmt/core.h>

#include <utility>
#include <vector>

#include "engine/schema/expression/translator.h"
#include "engine/schema/utf8.h"

namespace crossfade::schema::expression {
namespace {

constexpr double kLengthMax = 1'000'000'000;  // SQLite's own limit of a text's bytes

Operand text_of(std::string sql, const std::vector<Operand>& from) {
  Operand out;
  out.sql = std::move(sql);
  out.kind = Kind::kText;
  out.type = TargetType::kText;
  out.not_null = true;
  for (const Operand& each : from) {
    out.not_null = out.not_null && each.not_null;
    out.stable = out.stable || each.stable;
  }
  return out;
}

Operand count_of(std::string sql, const std::vector<Operand>& from) {
  Operand out = text_of(std::move(sql), from);
  out.kind = Kind::kInteger;
  out.type = TargetType::kBigint;
  out.narrow = true;
  out.low = 0;
  out.high = kLengthMax;
  return out;
}

std::string as_int4(const Operand& operand) {
  return operand.narrow ? operand.sql : within(operand, Tightness::kAtom) + "::integer";
}

}  // namespace

Outcome<Operand> Translator::length(const Expr& expr) {
  CROSSFADE_TRY(auto operand, translate(*expr.children[0]));
  if (operand.kind == Kind::kForm && operand.type.form == SourceForm::kUuidBytes) {
    operand = plain_uuid(std::move(operand));
  }
  if (operand.kind != Kind::kBlob) {
    CROSSFADE_TRY(operand, as_text(*expr.children[0], std::move(operand)));
  }
  return count_of("length(" + operand.sql + ")", {operand});
}

// PostgreSQL clips a start before the first character as SQLite does, once it counts from 1.
Outcome<Operand> Translator::substring(const Expr& expr) {
  if (expr.children.size() > 3) return no(expr, "SQLite refuses it");
  std::vector<Operand> arguments;
  CROSSFADE_TRY(auto text, translate(*expr.children[0]));
  CROSSFADE_TRY(text, plain(*expr.children[0], std::move(text)));
  const bool blob = text.kind == Kind::kBlob;
  if (!blob) {
    CROSSFADE_TRY(text, as_text(*expr.children[0], std::move(text)));
  }
  arguments.push_back(text);
  for (size_t i = 1; i < expr.children.size(); ++i) {
    CROSSFADE_TRY(auto number, translate(*expr.children[i]));
    CROSSFADE_TRY(number, number_of(*expr.children[i], std::move(number)));
    if (number.kind == Kind::kNull) return constant(expr, Value());
    if (number.kind != Kind::kInteger) return no(*expr.children[i], "it must be an INTEGER");
    arguments.push_back(std::move(number));
  }
  const Operand& start = arguments[1];
  const bool has_length = arguments.size() == 3;
  Operand out = text_of("", arguments);
  if (blob) {
    out.kind = Kind::kBlob;
    out.type = TargetType::kBytea;
  }
  const bool forward = start.low >= (blob ? 1 : 0);
  if (has_length && arguments[2].low < 0) {
    if (start.constant && start.low == 1 && !blob) {  // a negative length takes what is before
      const std::string& count = arguments[2].sql;    // greatest() takes NULL for nothing
      out.sql = arguments[2].not_null
                    ? fmt::format("left({}, greatest({}, 0)::integer)", text.sql, count)
                    : fmt::format("left({0}, CASE WHEN {1} < 0 THEN 0 ELSE {1} END::integer)",
                                  text.sql, within(arguments[2], Tightness::kOther));
      return out;
    }
    return no(*expr.children[2],
              "a length that may be negative takes what stands before the start");
  }
  if (forward) {
    // Of no bytes SQLite makes NULL, though not of bytes from behind the last.
    const std::string whole = blob ? "NULLIF(" + text.sql + ", ''::bytea)" : text.sql;
    out.sql = fmt::format("substr({}, {}", whole, as_int4(start));
    if (has_length) out.sql += ", " + as_int4(arguments[2]);
    out.sql += ")";
    return out;
  }
  if (!start.constant || start.high >= 0 || start.low < -2147483647.0 || blob) {
    return no(*expr.children[1], "a start that may be negative counts from the end");
  }
  const auto from_end = static_cast<int64_t>(-start.low);
  out.sql = has_length ? fmt::format("substr({0}, length({0}) - {1}, {2})", text.sql, from_end - 1,
                                     as_int4(arguments[2]))
                       : fmt::format("right({}, {})", text.sql, from_end);
  return out;
}

// hex(NULL) is ''.
Outcome<Operand> Translator::hexadecimal(const Expr& expr) {
  CROSSFADE_TRY(auto operand, translate(*expr.children[0]));
  CROSSFADE_TRY(operand, plain(*expr.children[0], std::move(operand)));
  if (operand.kind != Kind::kBlob) {
    CROSSFADE_TRY(operand, as_text(*expr.children[0], std::move(operand)));
    operand.sql = "convert_to(" + operand.sql + ", 'UTF8')";
    CROSSFADE_TRY(operand, unstable(expr, std::move(operand), "the bytes of a text"));
  }
  Operand out = text_of("upper(encode(" + operand.sql + ", 'hex'))", {operand});
  if (!operand.not_null) out.sql = "coalesce(" + out.sql + ", '')";
  out.not_null = true;
  return out;
}

Outcome<Operand> Translator::text_call(const Expr& expr) {
  const std::string& f = expr.text;
  const size_t count = expr.children.size();
  const bool trims = f == "TRIM" || f == "LTRIM" || f == "RTRIM";
  const bool known = ((f == "UPPER" || f == "LOWER" || f == "UNICODE") && count == 1) ||
                     (trims && (count == 1 || count == 2)) || (f == "INSTR" && count == 2) ||
                     (f == "REPLACE" && count == 3);
  if (!known) {
    return no(expr, "the function " + printable(ascii_upper(f)) +
                        " has no equal in PostgreSQL, or is the application's own");
  }
  std::vector<Operand> arguments;
  std::string list;
  for (const ExprPtr& child : expr.children) {
    CROSSFADE_TRY(auto argument, translate(*child));
    CROSSFADE_TRY(argument, as_text(*child, std::move(argument)));
    if (argument.kind == Kind::kNull && f != "REPLACE") return constant(expr, Value());
    list += (list.empty() ? "" : ", ") + argument.sql;
    arguments.push_back(std::move(argument));
  }
  // Nothing is replaced where the text to find is '', not even by NULL.
  if (f == "REPLACE" && arguments[1].constant && arguments[1].kind == Kind::kText &&
      arguments[1].constant->text().empty()) {
    return chosen(expr, arguments[0]);
  }
  if (f == "REPLACE" &&
      !(arguments[1].constant && arguments[1].kind == Kind::kText &&
        !arguments[1].constant->text().empty()) &&
      !arguments[2].not_null) {
    if (arguments[0].kind == Kind::kNull || arguments[1].kind == Kind::kNull) {
      return constant(expr, Value());
    }
    Operand out =
        text_of(fmt::format("CASE WHEN {} = '' THEN {} ELSE replace({}) END",
                            within(arguments[1], Tightness::kOther), arguments[0].sql, list),
                arguments);
    out.not_null = false;
    return out;
  }
  for (const Operand& each : arguments) {
    if (each.kind == Kind::kNull) return constant(expr, Value());
  }
  const std::string parameters = count == 1 ? "?1" : count == 2 ? "?1,?2" : "?1,?2,?3";
  CROSSFADE_TRY(auto settled, settled_by_constants(expr, f + "(" + parameters + ")", arguments));
  if (settled) return *std::move(settled);
  if (f == "INSTR") return count_of("strpos(" + list + ")", arguments);
  if (f == "UNICODE") {
    Operand out = count_of("NULLIF(ascii(" + list + "), 0)", arguments);
    out.not_null = false;
    return out;
  }
  if (f == "UPPER" || f == "LOWER") {  // ASCII letters only, as SQLite has it
    return text_of(fmt::format("{}({} COLLATE \"C\")", f == "UPPER" ? "upper" : "lower",
                               within(arguments[0], Tightness::kAt)),
                   arguments);
  }
  if (trims && count == 1) list += ", ' '";
  const char* const name = f == "TRIM"    ? "btrim"
                           : f == "LTRIM" ? "ltrim"
                           : f == "RTRIM" ? "rtrim"
                                          : "replace";
  return text_of(fmt::format("{}({})", name, list), arguments);
}

}  // namespace crossfade::schema::expression
