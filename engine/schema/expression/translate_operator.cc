#include <fmt/core.h>

#include <utility>

#include "engine/postgres/quote.h"
#include "engine/schema/expression/translator.h"
#include "engine/schema/utf8.h"
#include "engine/sqlite/connection.h"

namespace crossfade::schema::expression {
namespace {

Operand boolean(std::string sql, Tightness tightness) {
  Operand out;
  out.sql = std::move(sql);
  out.tightness = tightness;
  out.kind = Kind::kBoolean;
  out.type = TargetType::kBoolean;
  out.low = 0;
  out.high = 1;
  return out;
}

}  // namespace

Operand negated(const Operand& condition) {
  if (is_unknown(condition)) return condition;
  const bool settled = is_always(condition) || is_never(condition);
  Operand out = settled ? boolean(is_always(condition) ? "false" : "true", Tightness::kAtom)
                        : boolean("NOT " + within(condition, Tightness::kNot), Tightness::kNot);
  out.not_null = condition.not_null;
  out.stable = condition.stable;
  return out;
}

Operand joined(bool conjunction, const Operand& a, const Operand& b) {
  const auto decides = conjunction ? is_never : is_always;
  const auto neither = conjunction ? is_always : is_never;
  if (decides(a) || (neither(b) && (is_unknown(a) || neither(a)))) return a;
  if (decides(b) || (is_unknown(b) && (is_unknown(a) || neither(a)))) return b;
  const Tightness own = conjunction ? Tightness::kAnd : Tightness::kOr;
  Operand out = boolean(fmt::format("{} {} {}", within(a, own), conjunction ? "AND" : "OR",
                                    within(b, conjunction ? Tightness::kNot : Tightness::kAnd)),
                        own);
  out.not_null = a.not_null && b.not_null;
  out.stable = a.stable || b.stable;
  return out;
}

Outcome<Operand> Translator::dispatch(const Expr& expr) {
  switch (expr.kind) {
    case ExprKind::kNull:
    case ExprKind::kInteger:
    case ExprKind::kReal:
    case ExprKind::kString:
    case ExprKind::kBlob:
      return no(expr, "SQLite refuses it");
    case ExprKind::kCurrent:
      return present(expr);
    case ExprKind::kName:
      return name(expr);
    case ExprKind::kUnary:
      return unary(expr);
    case ExprKind::kBinary:
      return binary(expr);
    case ExprKind::kLike:
      return like(expr);
    case ExprKind::kIsNull:
      return is_null(expr);
    case ExprKind::kBetween:
      return between(expr);
    case ExprKind::kIn:
      return in(expr);
    case ExprKind::kCase:
      return case_when(expr);
    case ExprKind::kCast:
      return cast(expr);
    case ExprKind::kCollate:
      return collate(expr);
    case ExprKind::kCall:
      return call(expr);
    case ExprKind::kExists:
      return exists(expr);
    case ExprKind::kSubquery:
      return subquery(expr);
    case ExprKind::kRow:
      return no(expr, "row values are only translated in = and <>");
    case ExprKind::kRaise:
      return no(expr, "RAISE belongs to triggers");
  }
  return no(expr, "it is not known");
}

Outcome<Operand> Translator::to_condition(const Expr& at, Operand operand) {
  if (operand.constant) {
    // By its value: what it was made of may name columns, of which it does not depend.
    const auto truth = constants_.evaluate("NOT NOT ?1", {*operand.constant});
    if (operand.constant->is_null()) return boolean("NULL::boolean", Tightness::kAtom);
    if (!truth || truth->storage() != StorageClass::kInteger) return no(at, "SQLite refuses it");
    Operand out = boolean(truth->integer() != 0 ? "true" : "false", Tightness::kAtom);
    out.not_null = true;
    return out;
  }
  CROSSFADE_TRY(operand, plain(at, std::move(operand)));
  switch (operand.kind) {
    case Kind::kBoolean:
      return operand;
    case Kind::kInteger:
    case Kind::kReal:
    case Kind::kNumber: {
      Operand out = boolean(within(operand, Tightness::kIn) + " <> 0", Tightness::kComparison);
      out.not_null = operand.not_null;
      out.stable = operand.stable;
      return out;
    }
    case Kind::kNull:
      return boolean("NULL::boolean", Tightness::kAtom);
    default:
      return no(at,
                "SQLite takes the number that a text or blob begins with for its truth: compare it"
                " with something");
  }
}

Outcome<Operand> Translator::condition(const Expr& expr) {
  CROSSFADE_TRY(auto operand, translate(expr));
  return to_condition(expr, std::move(operand));
}

Outcome<Operand> Translator::unary(const Expr& expr) {
  const Expr& child = *expr.children[0];
  if (expr.text == "NOT") {
    CROSSFADE_TRY(const auto operand, condition(child));
    return negated(operand);
  }
  if (expr.text == "+") {
    CROSSFADE_TRY(auto operand, translate(child));
    operand.affinity.reset();
    return operand;
  }
  return expr.text == "-" ? negative(expr) : bits(expr);
}

Outcome<Operand> Translator::binary(const Expr& expr) {
  const std::string& op = expr.text;
  if (op == "AND" || op == "OR") return logic(expr);
  if (op == "||") return concatenate(expr);
  if (op == "->" || op == "->>") return json_path(expr);
  if (op == "+" || op == "-" || op == "*" || op == "/" || op == "%") return arithmetic(expr);
  if (op == "&" || op == "|" || op == "<<" || op == ">>") return bits(expr);
  const Expr& left = *expr.children[0];
  const Expr& right = *expr.children[1];
  if (left.kind == ExprKind::kRow || right.kind == ExprKind::kRow) return rows(expr);
  if ((op == "IS" || op == "IS NOT") && right.kind == ExprKind::kName && is_constant(right)) {
    CROSSFADE_TRY(auto operand, condition(left));  // IS TRUE is a test of truth
    Operand out = boolean(fmt::format("{} {} {}", within(operand, Tightness::kComparison), op,
                                      ascii_upper(right.text)),
                          Tightness::kIs);
    out.not_null = true;
    out.stable = operand.stable;
    return out;
  }
  CROSSFADE_TRY(auto a, translate(left));
  CROSSFADE_TRY(auto b, translate(right));
  return compare(expr, op, std::move(a), std::move(b));
}

Outcome<Operand> Translator::logic(const Expr& expr) {
  const bool conjunction = expr.text == "AND";
  CROSSFADE_TRY(auto a, condition(*expr.children[0]));
  CROSSFADE_TRY(auto b, condition(*expr.children[1]));
  return joined(conjunction, a, b);
}

// Of what SQLite would make a text of. The text of a REAL differs between the two.
Outcome<Operand> Translator::as_text(const Expr& at, Operand operand) {
  if (operand.constant && !operand.constant->is_null() && operand.kind != Kind::kText) {
    const auto text = constants_.evaluate("CAST(?1 AS TEXT)", {*operand.constant});
    if (!text) return no(at, "SQLite refuses it");
    return constant(at, *text);
  }
  CROSSFADE_TRY(operand, plain(at, std::move(operand)));
  switch (operand.kind) {
    case Kind::kText:
    case Kind::kNull:
      return operand;
    case Kind::kBoolean:
      operand = as_integer(std::move(operand));
      break;
    case Kind::kInteger:
      break;
    case Kind::kBlob:
      return no(at, "a blob that is taken for text has no equal");
    default:
      return no(at, "SQLite writes a REAL as text with 15 digits, PostgreSQL with 17 at most");
  }
  operand.sql = within(operand, Tightness::kAtom) + "::text";
  operand.tightness = Tightness::kAtom;
  operand.kind = Kind::kText;
  operand.type = TargetType::kText;
  operand.is_column = false;
  return operand;
}

Outcome<Operand> Translator::concatenate(const Expr& expr) {
  CROSSFADE_TRY(auto left, translate(*expr.children[0]));
  CROSSFADE_TRY(auto a, as_text(*expr.children[0], std::move(left)));
  CROSSFADE_TRY(auto right, translate(*expr.children[1]));
  CROSSFADE_TRY(auto b, as_text(*expr.children[1], std::move(right)));
  Operand out;
  out.kind = Kind::kText;
  out.type = TargetType::kText;
  if (a.kind == Kind::kNull || b.kind == Kind::kNull) return constant(expr, Value());
  CROSSFADE_TRY(auto settled, settled_by_constants(expr, "?1 || ?2", {a, b}));
  if (settled) return *std::move(settled);
  out.sql = within(a, Tightness::kOther) + " || " + within(b, Tightness::kSum);
  out.tightness = Tightness::kOther;
  out.not_null = a.not_null && b.not_null;
  out.stable = a.stable || b.stable;
  return out;
}

Outcome<Operand> Translator::collate(const Expr& expr) {
  CROSSFADE_TRY(auto operand, translate(*expr.children[0]));
  operand.collation = ascii_upper(expr.text);
  operand.explicit_collation = true;
  return operand;
}

}  // namespace crossfade::schema::expression
