// JSON columns: what is exact. A value inside JSON is of whatever class it is, row by row, so it is
// only compared with texts and with NULL.
#include <fmt/core.h>

#include <cctype>
#include <nlohmann/json.hpp>
#include <utility>

#include "engine/postgres/quote.h"
#include "engine/schema/expression/translator.h"

namespace crossfade::schema::expression {
namespace {

bool is_json(const Operand& operand) {
  return operand.kind == Kind::kForm &&
         (operand.type.base == TargetType::kJson || operand.type.base == TargetType::kJsonb);
}

// '$.a.b' as the array literal of #>; nothing for what is quoted, indexed or not a path.
std::optional<std::string> path_of(const std::string& path) {
  if (path.size() < 3 || path[0] != '$') return std::nullopt;
  std::string out;
  for (size_t i = 1; i < path.size();) {
    if (path[i] != '.') return std::nullopt;
    std::string key;
    for (++i; i < path.size() && path[i] != '.'; ++i) {
      const auto c = static_cast<unsigned char>(path[i]);
      if (std::isalnum(c) == 0 && c != '_' && c != '-') return std::nullopt;
      key += path[i];
    }
    // #> takes digits for a place in an array, which '$.1' is not.
    if (key.empty() || std::isdigit(static_cast<unsigned char>(key[0])) != 0 || key[0] == '-') {
      return std::nullopt;
    }
    out += (out.empty() ? "" : ",") + key;
  }
  return "'{" + out + "}'";
}

}  // namespace

// json_extract(x, '$.a'), x ->> '$.a' and x ->> 'a'.
Outcome<Operand> Translator::json_path(const Expr& expr) {
  if (expr.children.size() != 2) return no(expr, "json_extract() with several paths");
  if (expr.text == "->") return no(expr, "-> yields JSON in another spelling than PostgreSQL's");
  CROSSFADE_TRY(auto operand, translate(*expr.children[0]));
  if (!is_json(operand) || operand.type.base != TargetType::kJsonb) {
    return no(*expr.children[0], "values are taken out of jsonb columns: make it one by a rule");
  }
  const Expr& argument = *expr.children[1];
  if (argument.kind != ExprKind::kString) return no(argument, "the path must be a constant text");
  std::string path = argument.text;
  if (expr.kind == ExprKind::kBinary && !path.starts_with('$')) path = "$." + path;
  const auto keys = path_of(path);
  if (!keys) return no(argument, "only paths of plain keys ($.a.b) are translated");
  Operand out;
  out.kind = Kind::kJson;
  out.type = TargetType::kJsonb;
  out.sql = within(operand, Tightness::kOther) + " #> " + *keys;
  out.tightness = Tightness::kOther;
  out.stable = operand.stable;
  return out;
}

// With a text, and equality only: a text of JSON is equal to it, everything else is not.
Outcome<std::optional<Operand>> Translator::compare_json(const Expr& at, const std::string& op,
                                                         const Operand& json,
                                                         const Operand& other) {
  const bool equality = op == "=" || op == "<>" || op == "IS" || op == "IS NOT";
  if (!equality || !other.constant || other.kind != Kind::kText || other.explicit_collation) {
    return std::optional<Operand>();  // refused as a value of any class
  }
  const std::string& text = other.constant->text();
  if (text.starts_with('{') || text.starts_with('[')) {
    return no(at, "an object or array would be compared as text, whose spelling differs");
  }
  Operand value = json;  // JSON's null is SQLite's NULL
  value.sql = fmt::format("NULLIF({}, 'null')", json.sql);
  value.tightness = Tightness::kAtom;
  Operand literal;
  literal.sql = postgres::quote_literal(nlohmann::json(text).dump());
  literal.not_null = true;
  return std::optional<Operand>(compared(op, value, literal));
}

Outcome<Operand> Translator::json_call(const Expr& expr) {
  if (expr.text == "JSON_EXTRACT") return json_path(expr);
  const bool known = expr.text == "JSON_VALID" || expr.text == "JSON_ARRAY_LENGTH";
  if (!known || expr.children.size() != 1) {
    return no(expr, "the function " + expr.text + " has no equal in PostgreSQL");
  }
  CROSSFADE_TRY(auto operand, translate(*expr.children[0]));
  if (!is_json(operand)) {
    return no(*expr.children[0],
              "JSON functions are translated for json columns: make it one by a rule");
  }
  if (expr.text == "JSON_VALID") {  // the type sees to it; of NULL it is NULL from SQLite 3.42 on
    const auto of_null = computed("json_valid(NULL)");
    Operand none;
    if (of_null && !of_null->is_null()) {
      Operand out = settled("IS NOT", operand, none, true);
      out.sql = within(operand, Tightness::kComparison) + " IS NOT NULL";
      out.tightness = Tightness::kIs;
      out.not_null = true;
      return out;
    }
    none.not_null = true;
    return settled("=", operand, none, true);
  }
  const char* const prefix = operand.type.base == TargetType::kJson ? "json" : "jsonb";
  Operand out;
  out.kind = Kind::kInteger;
  out.type = TargetType::kBigint;
  out.narrow = true;
  out.low = 0;
  out.high = 1e9;
  out.not_null = operand.not_null;
  out.stable = operand.stable;
  out.sql = fmt::format(
      "CASE WHEN {1}_typeof({0}) = 'array' THEN {1}_array_length({0}) WHEN {0} IS NOT NULL THEN 0"
      " END",
      operand.sql, prefix);
  return out;
}

}  // namespace crossfade::schema::expression
