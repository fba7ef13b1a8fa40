// Comparisons: SQLite applies affinities, then orders numbers before texts before blobs.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "engine/postgres/quote.h"
#include "engine/schema/expression/translator.h"
#include "engine/schema/utf8.h"

namespace crossfade::schema::expression {
namespace {

std::string target_operator(const std::string& op) {
  if (op == "IS") return "IS NOT DISTINCT FROM";
  if (op == "IS NOT") return "IS DISTINCT FROM";
  return op;
}

// What SQLite applies to both sides (sqlite3CompareAffinity).
std::optional<Affinity> applied(std::optional<Affinity> a, std::optional<Affinity> b) {
  if (a && b) {
    if (is_numeric(*a) || is_numeric(*b)) return Affinity::kNumeric;
    return Affinity::kBlob;
  }
  return a ? a : b;
}

int rank(Kind kind) {
  if (kind == Kind::kText) return 1;
  return kind == Kind::kBlob ? 2 : 0;
}

// ASCII letters only, as SQLite's NOCASE. A constant is folded here: in a generated column
// PostgreSQL computes what is constant before it knows the collation, and refuses (42P22).
Operand folded(Operand operand, const std::string& collation) {
  if (operand.constant && (collation == "NOCASE" || collation == "RTRIM")) {
    std::string text = operand.constant->text();
    if (collation == "RTRIM") text.erase(text.find_last_not_of(' ') + 1);
    for (char& c : text) {
      if (collation == "NOCASE" && c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    operand.sql = postgres::quote_literal(text);
    operand.constant = Value(Text{std::move(text)});
    return operand;
  }
  if (collation == "NOCASE") {
    operand.sql = fmt::format("lower({} COLLATE \"C\")", within(operand, Tightness::kAt));
  } else if (collation == "RTRIM") {
    operand.sql = fmt::format("rtrim({}, ' ')", operand.sql);
  } else {
    return operand;
  }
  operand.tightness = Tightness::kAtom;
  return operand;
}

}  // namespace

Operand truth(std::string sql, Tightness tightness) {
  Operand out;
  out.sql = std::move(sql);
  out.tightness = tightness;
  out.kind = Kind::kBoolean;
  out.type = TargetType::kBoolean;
  out.low = 0;
  out.high = 1;
  return out;
}

bool is_ordering(const std::string& op) {
  return op[0] == '<' ? op != "<>" : op[0] == '>';
}

Operand Translator::compared(const std::string& op, const Operand& a, const Operand& b) const {
  Operand out = truth("", Tightness::kComparison);
  out.left = within(a, Tightness::kOther);
  out.right = within(b, Tightness::kOther);
  const bool both = a.not_null && b.not_null;
  out.not_null = both || op == "IS" || op == "IS NOT";
  out.stable = a.stable || b.stable;
  std::string sql_op = target_operator(op);
  if (both && op == "IS") sql_op = "=";
  if (both && op == "IS NOT") sql_op = "<>";
  if (sql_op[0] == 'I') out.tightness = Tightness::kIs;
  out.sql = fmt::format("{} {} {}", out.left, sql_op, out.right);
  return out;
}

// The sides are of different classes, so that only NULLs leave the answer open.
Operand Translator::settled(const std::string& op, const Operand& a, const Operand& b, bool value) {
  const std::string null_a = within(a, Tightness::kComparison);
  const std::string null_b = within(b, Tightness::kComparison);
  const std::string word = value ? "true" : "false";
  Operand out = truth(word, Tightness::kAtom);
  out.not_null = true;
  out.stable = a.stable || b.stable;
  if (op == "IS" || op == "IS NOT") {
    if (a.not_null || b.not_null) return out;
    out.sql = value ? null_a + " IS NOT NULL OR " + null_b + " IS NOT NULL"
                    : null_a + " IS NULL AND " + null_b + " IS NULL";
    out.tightness = value ? Tightness::kOr : Tightness::kAnd;
    return out;
  }
  if (a.not_null && b.not_null) return out;
  out.not_null = false;
  std::string there;
  if (!a.not_null) there = null_a + " IS NOT NULL";
  if (!b.not_null) there += (there.empty() ? "" : " AND ") + null_b + " IS NOT NULL";
  out.sql = fmt::format("CASE WHEN {} THEN {} END", there, word);
  return out;
}

Outcome<Operand> Translator::compare(const Expr& at, const std::string& op, Operand a, Operand b,
                                     Affinities rule) {
  const bool is = op == "IS" || op == "IS NOT";
  if (a.kind == Kind::kNull || b.kind == Kind::kNull) {
    if (!is) return truth("NULL::boolean", Tightness::kAtom);
    const Operand& other = a.kind == Kind::kNull ? b : a;
    Operand out = truth(within(other, Tightness::kComparison) + " " + op + " NULL", Tightness::kIs);
    out.not_null = true;
    out.stable = other.stable;
    return out;
  }
  for (const bool swap : {false, true}) {
    if ((swap ? b : a).kind != Kind::kJson) continue;
    CROSSFADE_TRY(auto done, compare_json(at, op, swap ? b : a, swap ? a : b));
    if (done) return *std::move(done);
  }
  const std::string collation = !a.explicit_collation && b.explicit_collation ? b.collation
                                : !a.collation.empty()                        ? a.collation
                                                                              : b.collation;
  for (const bool swap : {false, true}) {
    const Operand& form = swap ? b : a;
    const Operand& other = swap ? a : b;
    if (form.kind != Kind::kForm || !other.constant) continue;
    std::string turned = op;
    if (swap && is_ordering(op)) turned[0] = op[0] == '<' ? '>' : '<';
    auto value = other.constant;
    const auto affinity = applied(form.affinity, other.affinity);
    if (rule != Affinities::kNone && affinity) value = constants_.stored(*value, *affinity);
    if (!value) return no(at, "SQLite refuses it");
    CROSSFADE_TRY(auto done, compare_form(at, turned, form, *value, collation));
    if (done) return *std::move(done);
  }
  const bool same_form = a.kind == Kind::kForm && b.kind == Kind::kForm && a.type == b.type;
  if (same_form && a.type.base != TargetType::kJson && collation == "BINARY" &&
      (!is_ordering(op) || a.type.base == TargetType::kUuid)) {
    return compared(op, a, b);
  }
  CROSSFADE_TRY(a, plain(at, std::move(a)));
  CROSSFADE_TRY(b, plain(at, std::move(b)));
  return compare_plain(at, op, std::move(a), std::move(b), rule);
}

Outcome<Operand> Translator::compare_plain(const Expr& at, const std::string& op, Operand a,
                                           Operand b, Affinities rule) {
  std::optional<Affinity> affinity;
  if (rule == Affinities::kBoth) affinity = applied(a.affinity, b.affinity);
  if (rule == Affinities::kLeft) affinity = a.affinity;
  // 0 and 1 are known: the comparison is made for both.
  if (a.kind == Kind::kBoolean && b.constant) {
    return compare_two_valued(at, op, a, *b.constant, affinity, {});
  }
  if (b.kind == Kind::kBoolean && a.constant) {
    std::string turned = op;
    if (is_ordering(op)) turned[0] = op[0] == '<' ? '>' : '<';
    return compare_two_valued(at, turned, b, *a.constant, affinity, {});
  }
  CROSSFADE_TRY(a, apply(at, std::move(a), affinity));
  CROSSFADE_TRY(b, apply(at, std::move(b), affinity));
  if (rank(a.kind) != rank(b.kind)) {
    const bool less = rank(a.kind) < rank(b.kind);
    const bool value = is_ordering(op) ? (op[0] == '<') == less : op == "<>" || op == "IS NOT";
    return settled(op, a, b, value);
  }
  if (a.kind == Kind::kText) return compare_texts(at, op, std::move(a), std::move(b));
  if (a.kind == Kind::kBlob) return compared(op, a, b);
  return compare_numbers(at, op, std::move(a), std::move(b));
}

Outcome<Operand> Translator::apply(const Expr& at, Operand operand,
                                   std::optional<Affinity> affinity) {
  if (!affinity || *affinity == Affinity::kBlob) return operand;
  if (operand.constant) {
    // A numeric affinity only turns texts into numbers here; it rounds no INTEGER to a REAL.
    if (is_numeric(*affinity) && operand.kind != Kind::kText) return operand;
    const auto value = constants_.stored(*operand.constant,
                                         is_numeric(*affinity) ? Affinity::kNumeric : *affinity);
    if (!value) return no(at, "SQLite refuses it");
    CROSSFADE_TRY(auto out, constant(at, *value));
    out.collation = operand.collation;
    out.explicit_collation = operand.explicit_collation;
    return out;
  }
  if (*affinity == Affinity::kText) {
    if (!operand.number()) return operand;
    CROSSFADE_TRY(auto out, as_text(at, std::move(operand)));
    return out;
  }
  // A column of numeric affinity has already made numbers of the texts that look like one.
  const bool was_applied = operand.affinity && is_numeric(*operand.affinity);
  if (operand.kind == Kind::kText && !was_applied) {
    return no(at,
              "SQLite compares the number that the text looks like: CAST one side, or give the"
              " column a numeric type by a rule");
  }
  return operand;
}

Outcome<Operand> Translator::exact_numbers(const Expr& at, Operand made, bool exact) {
  if (exact) return made;
  if (use_ != Use::kView) {
    return no(at,
              "SQLite compares an INTEGER beyond 2^53 with a REAL exactly, PostgreSQL rounds it:"
              " write it with CAST(... AS REAL) on the INTEGER's side");
  }
  note("whole numbers beyond 2^53 are rounded when they are compared with a REAL");
  return made;
}

Outcome<Operand> Translator::compare_numbers(const Expr& at, const std::string& op, Operand a,
                                             Operand b) {
  if (a.kind == Kind::kBoolean && b.kind == Kind::kBoolean) return compared(op, a, b);
  a = as_integer(std::move(a));
  b = as_integer(std::move(b));
  if (a.constant && b.constant) {
    const auto answer = constants_.compare(*a.constant, op, *b.constant, {});
    if (!answer) return no(at, "SQLite refuses it");
    return settled(op, a, b, *answer);
  }
  for (Operand* each : {&a, &b}) {
    const Operand& other = each == &a ? b : a;
    if (!each->constant || each->kind != Kind::kReal) continue;
    const double value = each->low;
    if (other.kind == Kind::kInteger && value == std::trunc(value) && std::abs(value) < 1e15) {
      each->sql = fmt::format("{}", static_cast<int64_t>(value));
    }
  }
  const bool integers = a.kind == Kind::kInteger && b.kind == Kind::kInteger;
  const bool literal = a.constant || b.constant;
  bool exact = integers;
  if (!integers && literal) {
    const Operand& constant = a.constant ? a : b;
    const Operand& other = a.constant ? b : a;
    exact = other.kind == Kind::kInteger || constant.bounded() || std::isinf(constant.low) ||
            (constant.kind == Kind::kReal && other.kind == Kind::kReal && !other.decimal);
  } else if (!integers) {
    const bool doubles = a.kind == Kind::kReal && b.kind == Kind::kReal && !a.decimal && !b.decimal;
    exact = doubles || (a.exact_as_double() && b.exact_as_double()) ||
            (a.decimal && a.bounded() && b.kind == Kind::kInteger) ||
            (b.decimal && b.bounded() && a.kind == Kind::kInteger);
  }
  return exact_numbers(at, compared(op, a, b), exact);
}

Outcome<Operand> Translator::compare_texts(const Expr& at, const std::string& op, Operand a,
                                           Operand b) {
  const std::string collation = !a.explicit_collation && b.explicit_collation ? b.collation
                                : !a.collation.empty()                        ? a.collation
                                                                              : b.collation;
  if (!collation.empty() && collation != "BINARY" && collation != "NOCASE" &&
      collation != "RTRIM") {
    return no(at, "the collation " + printable(collation) + " is the application's own");
  }
  if (a.constant && b.constant) {
    const auto answer = constants_.compare(*a.constant, op, *b.constant, collation);
    if (!answer) return no(at, "SQLite refuses it");
    return settled(op, a, b, *answer);
  }
  a = folded(std::move(a), collation);
  b = folded(std::move(b), collation);
  if (is_ordering(op) && !(a.is_column || b.is_column)) {
    a.sql = within(a, Tightness::kAt) + " COLLATE \"C\"";
    a.tightness = Tightness::kAt;
  }
  return compared(op, a, b);
}

// `a` is a boolean that stands for 0 and 1.
Outcome<Operand> Translator::compare_two_valued(const Expr& at, const std::string& op,
                                                const Operand& a, const Value& constant,
                                                std::optional<Affinity> affinity,
                                                const std::string& collation) {
  std::optional<Value> values[2] = {Value(int64_t{0}), Value(int64_t{1})};
  std::optional<Value> other = constant;
  if (a.kind == Kind::kForm) {
    const size_t slash = a.type.words.find('/');
    values[0] = Value(Text{a.type.words.substr(slash + 1)});
    values[1] = Value(Text{a.type.words.substr(0, slash)});
  } else if (affinity) {
    for (auto& value : values) value = constants_.stored(*value, *affinity);
    other = constants_.stored(constant, *affinity);
  }
  if (!other || !values[0] || !values[1]) return no(at, "SQLite refuses it");
  const auto when_false = constants_.compare(*values[0], op, *other, collation);
  const auto when_true = constants_.compare(*values[1], op, *other, collation);
  if (!when_false || !when_true) return no(at, "SQLite refuses it");
  Operand none;
  none.not_null = true;
  if (*when_true == *when_false) return settled(op, a, none, *when_true);
  const bool is = op == "IS" || op == "IS NOT";
  Operand out = a;
  out.kind = Kind::kBoolean;
  out.type = TargetType::kBoolean;
  out.affinity.reset();
  out.collation.clear();
  out.is_column = false;
  if (is && !a.not_null) {
    // NULL IS 1 is false, NULL IS NOT 1 is true.
    const std::string word = op == "IS" ? (*when_true ? "IS TRUE" : "IS FALSE")
                                        : (*when_true ? "IS NOT FALSE" : "IS NOT TRUE");
    out.sql = within(a, Tightness::kComparison) + " " + word;
    out.tightness = Tightness::kIs;
    out.not_null = true;
    return out;
  }
  if (*when_true) return out;
  out.sql = "NOT " + within(a, Tightness::kNot);
  out.tightness = Tightness::kNot;
  return out;
}

}  // namespace crossfade::schema::expression
