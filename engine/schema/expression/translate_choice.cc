// CASE and the functions that choose between values: all branches must be of one type there.
#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "engine/schema/expression/translator.h"

namespace crossfade::schema::expression {
namespace {

bool any_of_kind(const std::vector<Operand*>& branches, Kind kind) {
  return std::any_of(branches.begin(), branches.end(),
                     [&](const Operand* each) { return each->kind == kind; });
}

bool all_of_kind(const std::vector<Operand*>& branches, Kind kind) {
  return std::all_of(branches.begin(), branches.end(), [&](const Operand* each) {
    return each->kind == kind || each->kind == Kind::kNull;
  });
}

// Nor is NULL true.
bool cannot_hold(const Operand& condition) {
  return is_never(condition) || is_unknown(condition);
}

}  // namespace

// The only branch that is left. PostgreSQL leaves out the others too, and takes what is constant
// then for a constant.
Outcome<Operand> Translator::chosen(const Expr& at, const Operand& branch) {
  if (branch.constant) return constant(at, *branch.constant);
  Operand out = branch;
  out.affinity.reset();
  out.collation.clear();
  out.explicit_collation = false;
  out.is_column = false;
  out.left.clear();
  out.right.clear();
  return out;
}

// Makes the branches one type; the result has that type and no SQL yet.
Outcome<Operand> Translator::unify(const Expr& at, std::vector<Operand*> branches) {
  Operand out;
  out.not_null = true;
  const bool same_form = all_of_kind(branches, Kind::kForm) &&
                         std::all_of(branches.begin(), branches.end(), [&](const Operand* each) {
                           return each->kind == Kind::kNull || each->type == branches[0]->type;
                         });
  if (!same_form || branches[0]->kind == Kind::kNull) {
    for (Operand* each : branches) {
      CROSSFADE_TRY(*each, plain(at, std::move(*each)));
    }
  }
  if (any_of_kind(branches, Kind::kInteger) || any_of_kind(branches, Kind::kReal) ||
      any_of_kind(branches, Kind::kNumber)) {
    for (Operand* each : branches) *each = as_integer(std::move(*each));
  }
  bool first = true;
  bool narrow = true;
  for (const Operand* each : branches) {
    out.stable = out.stable || each->stable;
    out.not_null = out.not_null && each->not_null;
    if (each->kind == Kind::kNull) continue;
    out.low = first ? each->low : std::min(out.low, each->low);
    out.high = first ? each->high : std::max(out.high, each->high);
    narrow = narrow && each->narrow;
    if (first) {
      out.kind = each->kind;
      out.type = each->type;
    }
    first = false;
  }
  if (all_of_kind(branches, out.kind)) {
    out.narrow = narrow && out.kind == Kind::kInteger;
    const bool decimals = std::any_of(branches.begin(), branches.end(),
                                      [](const Operand* each) { return each->decimal; });
    if (decimals) {
      for (Operand* each : branches) {
        if (each->kind != Kind::kNull) *each = as_double(std::move(*each));
      }
      out.type = TargetType::kDouble;
    }
    return out;
  }
  for (Operand* each : branches) {
    if (each->kind == Kind::kNull) continue;
    if (!each->number()) {
      return no(at, "it yields a TEXT or BLOB for some rows and a number for others");
    }
    if (!each->exact_as_double()) {
      return no(at,
                "it yields an INTEGER for some rows and a REAL for others, and beyond 2^53 it would"
                " be rounded: CAST all of them to REAL");
    }
    *each = as_double(std::move(*each));
  }
  out.kind = Kind::kNumber;
  out.type = TargetType::kDouble;
  out.narrow = false;
  return out;
}

Outcome<Operand> Translator::case_when(const Expr& expr) {
  const size_t base = expr.has_base ? 1 : 0;
  const size_t end = expr.children.size() - (expr.has_else ? 1 : 0);
  std::vector<Operand> whens;
  std::vector<Operand> thens;
  bool decided = false;  // by a condition that always holds
  for (size_t i = base; i < end && !decided; i += 2) {
    Operand when;
    if (base == 1) {
      CROSSFADE_TRY(auto subject, translate(*expr.children[0]));
      CROSSFADE_TRY(auto value, translate(*expr.children[i]));
      CROSSFADE_TRY(when, compare(*expr.children[i], "=", std::move(subject), std::move(value)));
    } else {
      CROSSFADE_TRY(when, condition(*expr.children[i]));
    }
    if (cannot_hold(when)) continue;
    CROSSFADE_TRY(auto then, translate(*expr.children[i + 1]));
    thens.push_back(std::move(then));
    decided = is_always(when);
    if (!decided) whens.push_back(std::move(when));
  }
  if (expr.has_else && !decided) {
    CROSSFADE_TRY(auto otherwise, translate(*expr.children.back()));
    thens.push_back(std::move(otherwise));
  }
  std::vector<Operand*> branches;
  for (Operand& each : thens) branches.push_back(&each);
  if (whens.empty() && thens.size() == 1) return chosen(expr, thens[0]);
  if (thens.empty()) return constant(expr, Value());
  CROSSFADE_TRY(auto out, unify(expr, branches));
  if (out.kind == Kind::kNull) return constant(expr, Value());  // PostgreSQL would call it text
  const bool has_else = thens.size() > whens.size();
  out.not_null = out.not_null && has_else;
  out.sql = "CASE";
  for (size_t i = 0; i < whens.size(); ++i) {
    out.sql += fmt::format(" WHEN {} THEN {}", whens[i].sql, thens[i].sql);
    out.stable = out.stable || whens[i].stable;
  }
  if (has_else) out.sql += " ELSE " + thens.back().sql;
  out.sql += " END";
  return out;
}

Outcome<Operand> Translator::iif(const Expr& expr) {
  if (expr.children.size() != 3) return no(expr, "iif takes three arguments");
  CROSSFADE_TRY(auto when, condition(*expr.children[0]));
  CROSSFADE_TRY(auto then, translate(*expr.children[1]));
  CROSSFADE_TRY(auto otherwise, translate(*expr.children[2]));
  if (is_always(when)) return chosen(expr, then);
  if (cannot_hold(when)) return chosen(expr, otherwise);
  CROSSFADE_TRY(auto out, unify(expr, {&then, &otherwise}));
  if (out.kind == Kind::kNull) return constant(expr, Value());
  out.sql = fmt::format("CASE WHEN {} THEN {} ELSE {} END", when.sql, then.sql, otherwise.sql);
  out.stable = out.stable || when.stable;
  return out;
}

Outcome<Operand> Translator::coalesce(const Expr& expr) {
  std::vector<Operand> arguments;
  for (const ExprPtr& child : expr.children) {
    CROSSFADE_TRY(auto argument, translate(*child));
    if (argument.kind == Kind::kNull) continue;
    arguments.push_back(std::move(argument));
    if (arguments.back().constant) break;
  }
  if (expr.children.size() < 2) return no(expr, "SQLite refuses it");
  if (arguments.empty()) return constant(expr, Value());
  if (arguments.size() == 1) return chosen(expr, arguments[0]);
  std::vector<Operand*> branches;
  for (Operand& each : arguments) branches.push_back(&each);
  CROSSFADE_TRY(auto out, unify(expr, branches));
  if (out.kind == Kind::kNull) return constant(expr, Value());
  out.not_null = false;
  for (const Operand& each : arguments) {
    out.sql += (out.sql.empty() ? "coalesce(" : ", ") + each.sql;
    out.not_null = out.not_null || each.not_null;
  }
  out.sql += ")";
  return out;
}

Outcome<Operand> Translator::null_if(const Expr& expr) {
  if (expr.children.size() != 2) return no(expr, "nullif takes two arguments");
  CROSSFADE_TRY(auto a, translate(*expr.children[0]));
  CROSSFADE_TRY(auto b, translate(*expr.children[1]));
  if (a.kind == Kind::kNull) return constant(expr, Value());
  CROSSFADE_TRY(a, plain(*expr.children[0], std::move(a)));
  // PostgreSQL's NULLIF has the type that the two are compared in: an integer would be made a
  // double.
  const bool keeps_type = a.kind != Kind::kInteger || b.kind == Kind::kInteger;
  CROSSFADE_TRY(auto equal, compare(expr, "=", a, std::move(b), Affinities::kNone));
  Operand out = a;
  out.affinity.reset();
  out.collation.clear();
  out.constant.reset();
  out.is_column = false;
  out.not_null = false;
  out.stable = out.stable || equal.stable;
  const bool simple = keeps_type && equal.left == within(a, Tightness::kOther) &&
                      equal.sql == equal.left + " = " + equal.right && a.kind != Kind::kBoolean;
  out.sql = simple && !a.constant
                ? fmt::format("NULLIF({}, {})", a.sql, equal.right)
                : fmt::format("CASE WHEN {} THEN NULL ELSE {} END", equal.sql, a.sql);
  out.tightness = Tightness::kAtom;
  if (out.decimal) {
    out.sql = "(" + out.sql + ")";
    out = as_double(std::move(out));
    out.type = TargetType::kDouble;
  }
  return out;
}

// min(a, b) and max(a, b) are NULL when any argument is, which LEAST and GREATEST ignore.
Outcome<Operand> Translator::least_greatest(const Expr& expr) {
  if (expr.children.empty()) return no(expr, "SQLite refuses it");
  std::vector<Operand> arguments;
  for (const ExprPtr& child : expr.children) {
    CROSSFADE_TRY(auto argument, translate(*child));
    if (argument.kind == Kind::kNull) return constant(expr, Value());
    if (argument.explicit_collation ||
        (!argument.collation.empty() && argument.collation != "BINARY")) {
      return no(*child, expr.text + " under a collation");
    }
    CROSSFADE_TRY(argument, plain(*child, std::move(argument)));
    arguments.push_back(as_integer(std::move(argument)));
  }
  std::vector<Operand*> branches;
  for (Operand& each : arguments) branches.push_back(&each);
  CROSSFADE_TRY(auto out, unify(expr, branches));
  if (out.kind == Kind::kNumber) {
    return no(expr, "of equal numbers, one INTEGER and one REAL, the first decides the class");
  }
  std::string list;
  std::string any_null;
  for (const Operand& each : arguments) {
    std::string one = each.sql;
    if (out.kind == Kind::kText && list.empty())
      one = within(each, Tightness::kAt) + " COLLATE \"C\"";
    list += (list.empty() ? "" : ", ") + one;
    if (!each.not_null) {
      any_null +=
          (any_null.empty() ? "" : " OR ") + within(each, Tightness::kComparison) + " IS NULL";
    }
  }
  const char* const function = expr.text == "MIN" ? "least" : "greatest";
  out.sql = any_null.empty()
                ? fmt::format("{}({})", function, list)
                : fmt::format("CASE WHEN {} THEN NULL ELSE {}({}) END", any_null, function, list);
  return out;
}

}  // namespace crossfade::schema::expression
