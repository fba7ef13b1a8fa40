#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "engine/schema/expression/translator.h"
#include "engine/schema/utf8.h"

namespace crossfade::schema::expression {
namespace {

constexpr const char* kOrderOfSum =
    "sums of reals depend on the order of the rows in their last digits, on both sides";

}  // namespace

bool Translator::is_aggregate(const Expr& call) {
  const std::string& f = call.text;
  if (f == "MIN" || f == "MAX") return call.children.size() == 1;
  return f == "COUNT" || f == "SUM" || f == "TOTAL" || f == "AVG" || f == "GROUP_CONCAT" ||
         f == "STRING_AGG" || f.starts_with("JSON_GROUP_");
}

bool Translator::has_aggregate(const Expr& expr) {
  if (expr.kind == ExprKind::kCall && !expr.over && is_aggregate(expr)) return true;
  return std::any_of(expr.children.begin(), expr.children.end(),
                     [](const ExprPtr& child) { return has_aggregate(*child); });
}

Outcome<Operand> Translator::aggregate(const Expr& expr) {
  if (!aggregates_allowed_ || inside_aggregate_) return no(expr, "an aggregate cannot stand here");
  inside_aggregate_ = true;
  auto made = [&]() -> Outcome<Operand> {
    std::string filter;
    if (expr.filter) {
      CROSSFADE_TRY(auto condition_sql, condition(*expr.filter));
      filter = " FILTER (WHERE " + condition_sql.sql + ")";
    }
    Operand out;
    out.stable = true;
    if (expr.text == "COUNT" && (expr.star || expr.children.empty())) {
      out.kind = Kind::kInteger;
      out.type = TargetType::kBigint;
      out.low = 0;
      out.not_null = true;
      out.sql = "count(*)" + filter;
      return out;
    }
    if (expr.children.empty()) return no(expr, "SQLite refuses it");
    CROSSFADE_TRY(auto operand, translate(*expr.children[0]));
    CROSSFADE_TRY(out, total(expr, std::move(operand), filter));
    out.stable = true;
    return out;
  }();
  inside_aggregate_ = false;
  return made;
}

Outcome<Operand> Translator::extreme(const Expr& expr, Operand operand, const std::string& filter) {
  const std::string& f = expr.text;
  if (operand.kind == Kind::kNull) return constant(expr, Value());
  if (!operand.collation.empty() && operand.collation != "BINARY" && operand.kind == Kind::kText) {
    return no(expr, f + " under a collation");
  }
  CROSSFADE_TRY(operand, plain(expr, std::move(operand)));
  operand = as_integer(std::move(operand));
  if (operand.kind == Kind::kBlob) return no(expr, "PostgreSQL has no " + f + " of bytea");
  Operand out = operand;
  out.constant.reset();
  out.not_null = out.is_column = false;
  out.affinity.reset();
  out.collation.clear();
  const bool text = operand.kind == Kind::kText && !operand.is_column;
  out.sql = fmt::format("{}({}{}){}", f == "MIN" ? "min" : "max",
                        text ? within(operand, Tightness::kAt) : operand.sql,
                        text ? " COLLATE \"C\"" : "", filter);
  out.tightness = Tightness::kAtom;
  return out;
}

Outcome<Operand> Translator::total(const Expr& expr, Operand operand, const std::string& filter) {
  const std::string& f = expr.text;
  const std::string distinct = expr.distinct ? "DISTINCT " : "";
  if (expr.distinct && !operand.collation.empty() && operand.collation != "BINARY") {
    return no(expr, "DISTINCT under a collation");
  }
  Operand out;
  if (f == "COUNT") {
    if (operand.kind == Kind::kJson || (expr.distinct && operand.type.base == TargetType::kJson)) {
      CROSSFADE_TRY(operand, plain(expr, std::move(operand)));
    }
    out.kind = Kind::kInteger;
    out.type = TargetType::kBigint;
    out.low = 0;
    out.not_null = true;
    out.sql = fmt::format("count({}{}){}", distinct, operand.sql, filter);
    return out;
  }
  if (f == "MIN" || f == "MAX") return extreme(expr, std::move(operand), filter);
  if (f == "GROUP_CONCAT") {
    CROSSFADE_TRY(operand, as_text(*expr.children[0], std::move(operand)));
    std::string separator = "','";
    if (expr.children.size() > 1) {
      CROSSFADE_TRY(auto given, translate(*expr.children[1]));
      if (!given.constant || given.kind != Kind::kText)
        return no(expr, "the separator must be a constant text");
      separator = given.sql;
    }
    note("group_concat() joins in the order of the rows, which neither side fixes");
    out.kind = Kind::kText;
    out.type = TargetType::kText;
    out.sql = fmt::format("string_agg({}{}, {}){}", distinct, operand.sql, separator, filter);
    return out;
  }
  if (f != "SUM" && f != "TOTAL" && f != "AVG") return no(expr, f + " has no equal");
  CROSSFADE_TRY(operand, plain(expr, std::move(operand)));
  if (!operand.number()) return no(expr, f + " of what is no number");
  operand = as_integer(std::move(operand));
  if (f == "SUM" && operand.kind == Kind::kInteger) {
    out.kind = Kind::kInteger;
    out.type = TargetType::kBigint;
    out.sql = fmt::format("sum({}{}){}::bigint", distinct, operand.sql, filter);
    return out;
  }
  const Kind kind = operand.kind;
  operand = as_double(std::move(operand));
  note(kOrderOfSum);
  out.kind = f == "SUM" ? kind : Kind::kReal;
  out.type = TargetType::kDouble;
  out.sql = fmt::format("{}({}{}){}", f == "AVG" ? "avg" : "sum", distinct, operand.sql, filter);
  if (f == "TOTAL") {
    out.sql = "coalesce(" + out.sql + ", 0)";
    out.not_null = true;
  }
  return out;
}

}  // namespace crossfade::schema::expression
