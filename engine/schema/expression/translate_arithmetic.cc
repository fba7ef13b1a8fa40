#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "engine/schema/expression/translator.h"
#include "engine/sqlite/connection.h"

namespace crossfade::schema::expression {
namespace {

constexpr double kIntegerMax = 2147483647.0;
constexpr double kBigintMax = 9223372036854775807.0;

bool can_be_infinite(const Operand& operand) {
  return (operand.kind == Kind::kReal || operand.kind == Kind::kNumber) && !operand.decimal &&
         !operand.constant;
}

bool is_zero(const Operand& operand) {
  return operand.constant && operand.low == 0 && operand.high == 0;
}

void set_bounds(const std::string& op, const Operand& a, const Operand& b, Operand* out) {
  if (op == "/" || op == "%") {
    const double most = std::max(std::abs(a.low), std::abs(a.high));
    out->low = a.low >= 0 && b.low >= 0 ? 0 : -most;
    out->high = most;
    return;
  }
  double corners[4] = {};
  int i = 0;
  for (const double x : {a.low, a.high}) {
    for (const double y : {b.low, b.high}) {
      corners[i++] = op == "+" ? x + y : op == "-" ? x - y : x * y;
    }
  }
  out->low = std::max(*std::min_element(corners, corners + 4), -kBigintMax - 1);
  out->high = std::min(*std::max_element(corners, corners + 4), kBigintMax);
}

Tightness tightness_of(const std::string& op) {
  return op == "+" || op == "-" ? Tightness::kSum : Tightness::kProduct;
}

std::string joined(const std::string& op, const Operand& a, const std::string& right) {
  return fmt::format("{} {} {}", within(a, tightness_of(op)), op, right);
}

std::string right_of(const std::string& op, const Operand& b) {
  return within(b, op == "+" || op == "-" ? Tightness::kProduct : Tightness::kSign);
}

std::string divisor(const Operand& b) {
  return b.constant ? right_of("/", b) : "NULLIF(" + b.sql + ", 0)";
}

Operand like_both(const Operand& a, const Operand& b) {
  Operand out;
  out.not_null = a.not_null && b.not_null;
  out.stable = a.stable || b.stable;
  return out;
}

}  // namespace

Operand Translator::as_integer(Operand operand) {
  if (operand.kind != Kind::kBoolean) return operand;
  operand.sql = within(operand, Tightness::kAtom) + "::integer";
  operand.tightness = Tightness::kAtom;
  operand.kind = Kind::kInteger;
  operand.type = TargetType::kBigint;
  operand.narrow = true;
  operand.is_column = false;
  operand.low = 0;
  operand.high = 1;
  return operand;
}

Operand Translator::as_bigint(Operand operand) {
  operand = as_integer(std::move(operand));
  if (!operand.narrow) return operand;
  operand.sql = within(operand, Tightness::kAtom) + "::bigint";
  operand.tightness = Tightness::kAtom;
  operand.narrow = false;
  return operand;
}

Operand Translator::as_double(Operand operand) {
  operand = as_integer(std::move(operand));
  if ((operand.kind == Kind::kReal || operand.kind == Kind::kNumber) && !operand.decimal) {
    return operand;
  }
  operand.sql = within(operand, Tightness::kAtom) + "::double precision";
  operand.tightness = Tightness::kAtom;
  operand.decimal = false;
  operand.narrow = false;
  return operand;
}

// What arithmetic makes of an operand: a number, or NULL.
Outcome<Operand> Translator::number_of(const Expr& at, Operand operand) {
  if (operand.constant && operand.kind == Kind::kText) {
    const auto value = computed(sqlite::quote_literal(operand.constant->text()) + " + 0");
    if (!value) return no(at, "SQLite refuses it");
    return constant(at, *value);
  }
  CROSSFADE_TRY(operand, plain(at, std::move(operand)));
  if (operand.number() || operand.kind == Kind::kNull) return as_integer(std::move(operand));
  return no(at,
            "arithmetic takes the number that a text or blob begins with, or 0: || joins texts, and"
            " a column of numbers can be given a numeric type by a rule");
}

Outcome<Operand> Translator::arithmetic(const Expr& expr) {
  CROSSFADE_TRY(auto left, translate(*expr.children[0]));
  CROSSFADE_TRY(auto a, number_of(*expr.children[0], std::move(left)));
  CROSSFADE_TRY(auto right, translate(*expr.children[1]));
  CROSSFADE_TRY(auto b, number_of(*expr.children[1], std::move(right)));
  const std::string& op = expr.text;
  if (a.kind == Kind::kNull || b.kind == Kind::kNull) return constant(expr, Value());
  if ((op == "/" || op == "%") && is_zero(b)) return constant(expr, Value());
  if (op == "%") return remainder(expr, a, b);
  if (a.kind == Kind::kInteger && b.kind == Kind::kInteger) {
    return integers(expr, op, std::move(a), b);
  }
  return reals(expr, op, std::move(a), b);
}

Outcome<Operand> Translator::integers(const Expr&, const std::string& op, Operand a,
                                      const Operand& b) {
  Operand out = like_both(a, b);
  out.kind = Kind::kInteger;
  out.type = TargetType::kBigint;
  set_bounds(op, a, b, &out);
  const bool fits = out.low >= -kIntegerMax && out.high <= kIntegerMax;
  out.narrow = a.narrow && b.narrow && fits;
  if (a.narrow && b.narrow && !fits) a = as_bigint(std::move(a));
  if (op == "/") out.not_null = out.not_null && b.constant;
  out.sql = joined(op, a, op == "/" ? divisor(b) : right_of(op, b));
  out.tightness = tightness_of(op);
  return out;
}

Outcome<Operand> Translator::reals(const Expr& at, const std::string& op, Operand a,
                                   const Operand& b) {
  Operand out = like_both(a, b);
  const bool mixed = a.kind != Kind::kReal && b.kind != Kind::kReal;
  out.kind = mixed ? Kind::kNumber : Kind::kReal;
  out.type = TargetType::kDouble;
  if (mixed && op == "/") {
    return no(at,
              "whole numbers divide as INTEGERs in SQLite, and the value alone tells whether this"
              " number is one: multiply one side by 1.0");
  }
  if (mixed) {
    set_bounds(op, a, b, &out);
    const bool exact = a.bounded() && b.bounded() && out.bounded();
    if (!exact && use_ != Use::kView) {
      return no(at,
                "whole numbers beyond 2^53 would be rounded: multiply one side by 1.0, or give the"
                " column a numeric type with a precision");
    }
    if (!exact) {
      note(
          "whole numbers beyond 2^53 are rounded in sums and products with a column that also"
          " holds fractions; SQLite keeps them exact");
    }
  }
  const bool product = op == "*";
  const bool both = can_be_infinite(a) && can_be_infinite(b);
  const bool one = can_be_infinite(a) || can_be_infinite(b);
  const bool finite_factor = (a.constant && !is_zero(a) && std::isfinite(a.low)) ||
                             (b.constant && !is_zero(b) && std::isfinite(b.low));
  const bool infinite_constant =
      (a.constant && std::isinf(a.low)) || (b.constant && std::isinf(b.low));
  const bool maybe_nan = infinite_constant || (product ? one && !finite_factor : both);
  // One double precision makes PostgreSQL compute in it; two numerics, or one and a bigint, do not.
  const auto is_double = [](const Operand& operand) {
    return (operand.kind == Kind::kReal || operand.kind == Kind::kNumber) && !operand.decimal;
  };
  if (!is_double(a) && !is_double(b)) a = as_double(std::move(a));
  out.sql = joined(op, a, op == "/" ? divisor(b) : right_of(op, b));
  out.tightness = tightness_of(op);
  if (op == "/" && !b.constant) out.not_null = false;
  if (maybe_nan) {  // SQLite has no NaN
    out.sql = "NULLIF(" + out.sql + ", 'NaN')";
    out.tightness = Tightness::kAtom;
    out.not_null = false;
  }
  return out;
}

Outcome<Operand> Translator::remainder(const Expr& at, const Operand& a, const Operand& b) {
  Operand out = like_both(a, b);
  out.not_null = out.not_null && b.constant;
  if (a.kind == Kind::kInteger && b.kind == Kind::kInteger) {
    out.kind = Kind::kInteger;
    out.type = TargetType::kBigint;
    set_bounds("%", a, b, &out);
    out.narrow = a.narrow && b.narrow;
    out.sql = joined("%", a, divisor(b));
    out.tightness = Tightness::kProduct;
    return out;
  }
  if (a.kind == Kind::kNumber || b.kind == Kind::kNumber) {
    return no(at,
              "% of whole numbers is an INTEGER in SQLite and of others a REAL, and the value alone"
              " tells which this is: CAST it");
  }
  // A constant is cut here: PostgreSQL would report one beyond 64 bits, SQLite takes the nearest.
  const auto whole = [](const Operand& operand) {
    if (operand.kind == Kind::kInteger) return operand.sql;
    if (!operand.constant) return "trunc(" + operand.sql + ")::bigint";
    if (std::abs(operand.low) < kBigintMax) return fmt::format("{:.0f}", std::trunc(operand.low));
    return std::string(operand.low > 0 ? "9223372036854775807" : "'-9223372036854775808'::bigint");
  };
  out.sql = fmt::format("(({}) % NULLIF({}, 0))::double precision", whole(a), whole(b));
  out.kind = Kind::kReal;
  out.type = TargetType::kDouble;
  out.not_null = false;
  return out;
}

Outcome<Operand> Translator::negative(const Expr& expr) {
  CROSSFADE_TRY(auto operand, translate(*expr.children[0]));
  CROSSFADE_TRY(operand, number_of(*expr.children[0], std::move(operand)));
  if (operand.kind == Kind::kNull) return constant(expr, Value());
  Operand out = operand;
  out.is_column = false;
  out.constant.reset();
  out.affinity.reset();
  out.collation.clear();
  out.low = -operand.high;
  out.high = -operand.low;
  if (operand.kind == Kind::kInteger) {
    out.sql = "-" + within(operand, Tightness::kAtom);
    out.tightness = Tightness::kSign;
    return out;
  }
  out = as_double(std::move(out));
  out.sql = "0 - " + within(out, Tightness::kProduct);  // SQLite's -0.0 is 0.0
  out.tightness = Tightness::kSum;
  out.type = TargetType::kDouble;
  return out;
}

Outcome<Operand> Translator::bits(const Expr& expr) {
  std::vector<Operand> operands;
  for (const ExprPtr& child : expr.children) {
    CROSSFADE_TRY(auto operand, translate(*child));
    CROSSFADE_TRY(operand, number_of(*child, std::move(operand)));
    if (operand.kind == Kind::kNull) return constant(expr, Value());
    if (operand.kind != Kind::kInteger) return no(*child, "bits of a REAL: CAST it to INTEGER");
    operands.push_back(as_bigint(std::move(operand)));
  }
  Operand out = operands.size() == 1 ? like_both(operands[0], operands[0])
                                     : like_both(operands[0], operands[1]);
  out.kind = Kind::kInteger;
  out.type = TargetType::kBigint;
  out.tightness = Tightness::kOther;
  if (operands.size() == 1) {
    out.sql = "~" + within(operands[0], Tightness::kAtom);
    return out;
  }
  std::string right = within(operands[1], Tightness::kSum);
  if (expr.text == "<<" || expr.text == ">>") {
    if (operands[1].low < 0 || operands[1].high > 63) {
      return no(expr, "a shift by other than 0 to 63 bits differs between the two");
    }
    right = within(operands[1], Tightness::kAtom) + "::integer";
  }
  out.sql = fmt::format("{} {} {}", within(operands[0], Tightness::kOther), expr.text, right);
  return out;
}

}  // namespace crossfade::schema::expression
