// IS NULL, BETWEEN, IN and row values: what is made of other comparisons.
#include <fmt/core.h>

#include <utility>

#include "engine/schema/expression/translator.h"

namespace crossfade::schema::expression {
Outcome<Operand> Translator::is_null(const Expr& expr) {
  CROSSFADE_TRY(auto operand, translate(*expr.children[0]));
  if (operand.kind == Kind::kJson) {  // JSON's null is SQLite's NULL
    operand.sql = fmt::format("NULLIF({}, 'null')", operand.sql);
    operand.tightness = Tightness::kAtom;
  }
  Operand out =
      truth(within(operand, Tightness::kComparison) + (expr.negated ? " IS NOT NULL" : " IS NULL"),
            Tightness::kIs);
  out.not_null = true;
  out.stable = operand.stable;
  return out;
}

Outcome<Operand> Translator::between(const Expr& expr) {
  CROSSFADE_TRY(auto value, translate(*expr.children[0]));
  CROSSFADE_TRY(auto low, translate(*expr.children[1]));
  CROSSFADE_TRY(auto high, translate(*expr.children[2]));
  CROSSFADE_TRY(auto first, compare(expr, ">=", value, std::move(low)));
  CROSSFADE_TRY(auto second, compare(expr, "<=", value, std::move(high)));
  const auto simple = [](const Operand& each, const char* op) {
    return !each.left.empty() && each.sql == each.left + op + each.right;
  };
  Operand out = truth("", Tightness::kIn);
  out.not_null = first.not_null && second.not_null;
  out.stable = first.stable || second.stable;
  if (first.left == second.left && simple(first, " >= ") && simple(second, " <= ")) {
    out.sql = fmt::format("{}{} BETWEEN {} AND {}", first.left, expr.negated ? " NOT" : "",
                          first.right, second.right);
    return out;
  }
  out = joined(true, first, second);
  return expr.negated ? negated(out) : out;
}

Outcome<Operand> Translator::in(const Expr& expr) {
  if (expr.table_in) return no(expr, "IN with a table's name: write IN (SELECT ...)");
  if (expr.children[0]->kind == ExprKind::kRow) return no(expr, "IN of row values");
  if (expr.select) return in_select(expr);
  Operand out = truth(expr.negated ? "true" : "false", Tightness::kAtom);
  out.not_null = true;
  if (expr.children.size() == 1) return out;  // IN () is false, also for NULL
  CROSSFADE_TRY(auto value, translate(*expr.children[0]));
  std::string list;
  Operand either;
  std::string left;
  bool simple = true;
  for (size_t i = 1; i < expr.children.size(); ++i) {
    CROSSFADE_TRY(auto element, translate(*expr.children[i]));
    element.affinity.reset();
    element.collation.clear();
    element.explicit_collation = false;
    CROSSFADE_TRY(auto each,
                  compare(*expr.children[i], "=", value, std::move(element), Affinities::kLeft));
    out.not_null = out.not_null && each.not_null;
    out.stable = out.stable || each.stable;
    if (i == 1) left = each.left;
    simple = simple && !each.left.empty() && each.left == left &&
             each.sql == each.left + " = " + each.right;
    list += (list.empty() ? "" : ", ") + each.right;
    either = i == 1 ? each : joined(false, either, each);
  }
  if (simple) {
    out.sql = fmt::format("{}{} IN ({})", left, expr.negated ? " NOT" : "", list);
    out.tightness = Tightness::kIn;
    return out;
  }
  return expr.negated ? negated(either) : either;
}

// (a, b) = (c, d), which is a = c AND b = d.
Outcome<Operand> Translator::rows(const Expr& expr) {
  const Expr& left = *expr.children[0];
  const Expr& right = *expr.children[1];
  const bool equal = expr.text == "=" || expr.text == "IS";
  if (left.kind != right.kind || left.children.size() != right.children.size() ||
      is_ordering(expr.text)) {
    return no(expr, "row values are only translated in = and <>");
  }
  Operand out;
  for (size_t i = 0; i < left.children.size(); ++i) {
    CROSSFADE_TRY(auto a, translate(*left.children[i]));
    CROSSFADE_TRY(auto b, translate(*right.children[i]));
    CROSSFADE_TRY(auto each, compare(expr, expr.text, std::move(a), std::move(b)));
    out = i == 0 ? each : joined(equal, out, each);
  }
  return out;
}

}  // namespace crossfade::schema::expression
