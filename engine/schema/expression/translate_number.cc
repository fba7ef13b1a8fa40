#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "engine/schema/expression/translator.h"

namespace crossfade::schema::expression {

Outcome<Operand> Translator::absolute(const Expr& expr) {
  CROSSFADE_TRY(auto operand, translate(*expr.children[0]));
  CROSSFADE_TRY(operand, plain(*expr.children[0], std::move(operand)));
  if (operand.kind == Kind::kNull) return constant(expr, Value());
  if (!operand.number()) return no(expr, "abs() of a text or blob");
  operand = as_integer(std::move(operand));
  if (operand.kind != Kind::kInteger) {
    operand = as_double(std::move(operand));
    operand.type = TargetType::kDouble;
  }
  const double most = std::max(std::abs(operand.low), std::abs(operand.high));
  // SQLite's leaves -0.0 as it is, which a stored value shows; greatest() keeps the first of
  // equals.
  const bool exact = use_ == Use::kGenerated && operand.kind == Kind::kReal;
  operand.sql =
      exact ? fmt::format("greatest({}, -{})", operand.sql, within(operand, Tightness::kAtom))
            : "abs(" + operand.sql + ")";
  operand.tightness = Tightness::kAtom;
  operand.affinity.reset();
  operand.collation.clear();
  operand.constant.reset();
  operand.is_column = false;
  operand.low = 0;
  operand.high = most;
  return operand;
}

// Half away from zero; a REAL, also of an INTEGER.
Outcome<Operand> Translator::round(const Expr& expr) {
  if (expr.children.size() > 1) {
    const auto digits =
        expr.children.size() == 2 && is_constant(*expr.children[1])
            ? constants_.evaluate(sql_.substr(expr.children[1]->offset, expr.children[1]->length))
            : std::nullopt;
    if (!digits || digits->storage() != StorageClass::kInteger || digits->integer() > 0) {
      return no(expr,
                "SQLite rounds the nearest double's decimal digits, PostgreSQL a numeric's: they"
                " differ at the half");
    }
  }
  CROSSFADE_TRY(auto operand, translate(*expr.children[0]));
  CROSSFADE_TRY(operand, plain(*expr.children[0], std::move(operand)));
  if (operand.kind == Kind::kNull) return constant(expr, Value());
  if (!operand.number()) return no(expr, "round() of a text or blob");
  const bool whole = operand.kind == Kind::kInteger || operand.kind == Kind::kBoolean;
  operand = as_double(std::move(operand));
  if (!whole) {
    // Beyond 2^52 every double is whole, and adding a half would round it. SQLite's -0.0 is 0.0.
    operand.sql = fmt::format(
        "CASE WHEN abs({0}) < 4503599627370496 THEN trunc({0} + sign({0}) * 0.5) + 0 ELSE {0} END",
        within(operand, Tightness::kProduct));
    operand.tightness = Tightness::kAtom;
  }
  Operand out;
  out.sql = operand.sql;
  out.kind = Kind::kReal;
  out.type = TargetType::kDouble;
  out.not_null = operand.not_null;
  out.stable = operand.stable;
  return out;
}

}  // namespace crossfade::schema::expression
