#include <algorithm>
#include <cstdlib>

#include "engine/core/limits.h"
#include "engine/schema/catalog.h"
#include "engine/schema/expression/translator.h"
#include "engine/schema/utf8.h"

namespace crossfade::schema::expression {
namespace {

// The collation that COLLATE gives to what is above it, as SQLite's EP_Collate does.
std::string explicit_collation(const Expr& expr) {
  if (expr.kind == ExprKind::kCollate) return ascii_upper(expr.text);
  for (const ExprPtr& child : expr.children) {
    std::string found = explicit_collation(*child);
    if (!found.empty()) return found;
  }
  return {};
}

bool same(const Expr& a, const Expr& b) {
  if (a.kind != b.kind || a.children.size() != b.children.size() || a.select || b.select ||
      a.negated != b.negated || a.has_base != b.has_base || a.has_else != b.has_else ||
      a.distinct != b.distinct || a.star != b.star || a.filter || b.filter) {
    return false;
  }
  const bool text = a.kind == ExprKind::kString;
  if (text ? a.text != b.text : !same_name(a.text, b.text)) return false;
  if (!same_name(a.qualifier, b.qualifier)) return false;
  for (size_t i = 0; i < a.children.size(); ++i) {
    if (!same(*a.children[i], *b.children[i])) return false;
  }
  return true;
}

bool groups_by(const Names* names, const Expr& expr) {
  if (names == nullptr || !names->grouped) return false;
  return std::any_of(names->group_by.begin(), names->group_by.end(),
                     [&](const Expr* each) { return same(*each, expr); });
}

// SQLite takes the words for the column then.
bool hides_truth(const Names* names) {
  for (; names != nullptr; names = names->outer) {
    for (const TableNames& table : names->tables) {
      for (const ScopeColumn& column : table.columns) {
        if (same_name(column.name, "TRUE") || same_name(column.name, "FALSE")) return true;
      }
    }
  }
  return false;
}

}  // namespace

Outcome<Operand> Translator::translate(const Expr& expr) {
  const bool group = !in_group_expression_ && groups_by(names, expr);
  if (group) in_group_expression_ = true;
  auto made = [&]() -> Outcome<Operand> {
    if (is_constant(expr)) {
      if (hides_truth(names)) return no(expr, "a column is called TRUE or FALSE");
      const auto value = constants_.evaluate(sql_.substr(expr.offset, expr.length));
      if (!value) return no(expr, "SQLite refuses it, or its value is out of proportion");
      return constant(expr, *value);
    }
    return dispatch(expr);
  }();
  if (group) in_group_expression_ = false;
  if (!made) return made;
  Operand& out = made.value();
  if (out.sql.size() > limits::kTranslationBytesMax) {
    return no(expr, "its translation would be too long: split it");
  }
  if (expr.kind != ExprKind::kName && !out.explicit_collation) {
    if (std::string found = explicit_collation(expr); !found.empty()) {
      out.collation = std::move(found);
      out.explicit_collation = true;
    }
  }
  if (expr.kind == ExprKind::kCast) out.affinity = affinity_of(expr.text);
  return made;
}

void Translator::note(const std::string& sentence) {
  if (std::find(notes.begin(), notes.end(), sentence) == notes.end()) notes.push_back(sentence);
}

Outcome<Operand> Translator::constant(const Expr& at, const Value& value) {
  const auto sql = literal(value);
  if (!sql) return no(at, "PostgreSQL's text cannot hold its value (a NUL, or not UTF-8)");
  Operand out;
  out.sql = *sql;
  out.constant = value;
  out.not_null = !value.is_null();
  switch (value.storage()) {
    case StorageClass::kNull:
      break;
    case StorageClass::kInteger:
      out.kind = Kind::kInteger;
      out.type = TargetType::kBigint;
      out.low = out.high = static_cast<double>(value.integer());
      out.narrow = std::abs(out.low) < 2147483648.0;
      if (value.integer() < 0) out.tightness = Tightness::kSign;
      if (value.integer() == INT64_MIN) out.sql = "'" + *sql + "'::bigint";
      break;
    case StorageClass::kReal:
      out.kind = Kind::kReal;
      out.type = TargetType::kDouble;
      out.decimal = !std::isinf(value.real());
      out.low = out.high = value.real();
      if (out.decimal && std::signbit(value.real())) out.tightness = Tightness::kSign;
      break;
    case StorageClass::kText:
      out.kind = Kind::kText;
      out.type = TargetType::kText;
      break;
    case StorageClass::kBlob:
      out.kind = Kind::kBlob;
      out.type = TargetType::kBytea;
      break;
  }
  return out;
}

std::optional<Value> Translator::computed(const std::string& sqlite_sql) {
  return constants_.evaluate(sqlite_sql);
}

Outcome<std::optional<Operand>> Translator::settled_by_constants(
    const Expr& at, const std::string& sqlite_sql, const std::vector<Operand>& operands) {
  std::vector<Value> values;
  for (const Operand& each : operands) {
    if (!each.constant) return std::optional<Operand>();
    values.push_back(*each.constant);
  }
  const auto value = constants_.evaluate(sqlite_sql, values);
  if (!value) return no(at, "SQLite refuses it, or its value is out of proportion");
  CROSSFADE_TRY(auto out, constant(at, *value));
  return std::optional<Operand>(std::move(out));
}

Outcome<Operand> Translator::unstable(const Expr& at, Operand operand, const char* what) {
  if (use_ == Use::kGenerated || use_ == Use::kIndexPredicate || use_ == Use::kIndexKey) {
    return no(at, std::string(what) +
                      " is not immutable in PostgreSQL, as an index or a generated column needs:"
                      " compute it in the application");
  }
  operand.stable = true;
  return operand;
}

}  // namespace crossfade::schema::expression
