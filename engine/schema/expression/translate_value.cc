// What a translated expression becomes at the place it stands: a view's or generated column, an
// index key, a default.
#include <fmt/core.h>

#include <utility>

#include "engine/postgres/quote.h"
#include "engine/schema/default_value.h"
#include "engine/schema/expression/parser.h"
#include "engine/schema/expression/time_format.h"
#include "engine/schema/expression/translator.h"
#include "engine/schema/utf8.h"

namespace crossfade::schema::expression {
namespace {

bool looks_numeric_never(const Operand& operand) {
  return operand.pattern.find_first_of("-:/") != std::string::npos;
}

// What date_trunc() leaves of a time so that the pattern tells all of it.
const char* precision_of(const std::string& pattern) {
  if (pattern.find("%3f") != std::string::npos) return "milliseconds";
  if (pattern.find("%S") != std::string::npos || pattern == "%s") return "second";
  if (pattern.find("%M") != std::string::npos) return "minute";
  return pattern.find("%H") != std::string::npos ? "hour" : "day";
}

// The present time as a value of a column of times; nothing when it is written otherwise there.
std::optional<std::string> time_value(const Operand& operand, const ColumnType& type) {
  const bool same = type.form == SourceForm::kPattern
                        ? operand.pattern == type.pattern
                        : type.form == SourceForm::kEpochSeconds && operand.pattern == "%s";
  if (!same || operand.instant.empty()) return std::nullopt;
  if (type.base == TargetType::kDate) return operand.instant + "::date";
  const std::string cut =
      fmt::format("date_trunc('{}', {})", precision_of(operand.pattern), operand.instant);
  if (type.base == TargetType::kTimestamp) return cut;
  const std::string zone = describe_pattern(type).zone;
  if (!zone.empty() && zone != "+00:00") return std::nullopt;
  return fmt::format("({} AT TIME ZONE 'UTC')", cut);
}

// A column of REAL affinity makes 0.0 of -0.0; an INTEGER is none, nor is what such a column holds.
Operand real_stored(Operand operand, Affinity affinity) {
  const bool never =
      operand.kind == Kind::kInteger || (operand.is_column && operand.affinity == Affinity::kReal);
  if (affinity != Affinity::kReal || never) return operand;
  operand.sql = within(operand, Tightness::kSum) + " + 0";
  operand.tightness = Tightness::kSum;
  return operand;
}

}  // namespace

Outcome<Operand> Translator::result(const Expr& at, Operand operand) {
  if (operand.kind == Kind::kNull) {
    operand.sql = "NULL::text";
    operand.type = TargetType::kText;
    return operand;
  }
  if (operand.kind == Kind::kJson) return plain(at, std::move(operand));
  const bool narrow = operand.kind == Kind::kInteger && operand.narrow;
  const bool decimal = operand.constant && operand.decimal;
  if (narrow) return as_bigint(std::move(operand));
  return decimal ? as_double(std::move(operand)) : operand;
}

Outcome<Operand> Translator::for_key(const Expr& at, Operand operand) {
  const bool json = operand.kind == Kind::kForm && (operand.type.base == TargetType::kJson ||
                                                    operand.type.base == TargetType::kJsonb);
  const bool form = operand.kind == Kind::kForm && !json && operand.collation == "BINARY";
  if (!form) {
    CROSSFADE_TRY(operand, plain(at, std::move(operand)));
  }
  // A literal is left of more than constants too: of coalesce('x', c).
  const bool is_literal = operand.tightness == Tightness::kAtom && operand.sql.starts_with('\'');
  if (operand.kind == Kind::kNull || operand.constant || is_literal) {
    return no(at, "a key that is constant");
  }
  if (operand.kind != Kind::kText) return operand;
  const std::string& collation = operand.collation;
  if (collation == "NOCASE") {
    operand.sql = fmt::format("lower({} COLLATE \"C\")", within(operand, Tightness::kAt));
  } else if (collation == "RTRIM") {
    operand.sql = fmt::format("rtrim({}, ' ')", operand.sql);
  } else if (!collation.empty() && collation != "BINARY") {
    return no(at, "the collation " + printable(collation) + " is the application's own");
  } else if (!operand.is_column) {
    operand.sql = within(operand, Tightness::kAt) + " COLLATE \"C\"";
    operand.tightness = Tightness::kAt;
    return operand;
  }
  operand.tightness = Tightness::kAtom;
  return operand;
}

Outcome<Operand> Translator::stored(const Expr& expr, const ScopeColumn& column) {
  const Affinity affinity = column.affinity.value_or(Affinity::kBlob);
  Operand out;
  out.type = column.type;
  CROSSFADE_TRY(auto operand, translate(expr));
  if (operand.constant) {
    const auto value = constants_.stored(*operand.constant, affinity);
    const auto sql = !value             ? std::nullopt
                     : value->is_null() ? std::optional<std::string>("NULL")
                                        : to_target_literal(*value, column.type);
    if (!sql) return no(expr, "the column's type cannot hold this value");
    out.sql = *sql;
    return out;
  }
  if (const auto time = time_value(operand, column.type)) {
    out.sql = *time;
    out.stable = true;
    return out;
  }
  const auto other = [&] {
    return no(expr,
              "it does not yield what the column's type " + to_string(column.type) + " holds" +
                  (use_ == Use::kGenerated ? "" : ": give the column another type by a rule"));
  };
  if (operand.kind == Kind::kForm && operand.type == column.type) return operand;
  CROSSFADE_TRY(operand, plain(expr, std::move(operand)));
  operand = column.type.base == TargetType::kBoolean ? operand : as_integer(std::move(operand));
  switch (column.type.base) {
    case TargetType::kText:
      if (operand.kind == Kind::kInteger && affinity == Affinity::kText) {
        CROSSFADE_TRY(operand, as_text(expr, std::move(operand)));
      }
      if (operand.kind != Kind::kText) return other();
      if (is_numeric(affinity) && !looks_numeric_never(operand)) return other();
      return operand;
    case TargetType::kBigint:
      if (operand.kind != Kind::kInteger || affinity == Affinity::kReal ||
          affinity == Affinity::kText) {
        return other();
      }
      return operand;
    case TargetType::kDouble:
      if (affinity == Affinity::kText || !operand.number()) return other();
      if (affinity == Affinity::kBlob && operand.kind != Kind::kReal) return other();
      return real_stored(as_double(std::move(operand)), affinity);
    case TargetType::kNumeric:
      if (affinity == Affinity::kText || (operand.kind != Kind::kInteger && !operand.decimal)) {
        return other();
      }
      return operand;
    case TargetType::kBoolean:
      if (column.type.form != SourceForm::kValue || operand.kind != Kind::kBoolean) return other();
      return operand;
    case TargetType::kBytea:
      if (operand.kind != Kind::kBlob) return other();
      return operand;
    default:
      return other();
  }
}

namespace {

TableNames table_of(const Scope& scope) {
  TableNames out;
  out.name = scope.table;
  out.columns = scope.columns;
  out.rowid_column = scope.rowid_column;
  return out;
}

Outcome<Translated> finish(Operand operand, Translator* translator) {
  return Translated{std::move(operand.sql), operand.type, std::move(translator->notes)};
}

}  // namespace

Outcome<Translated> translate_expression(std::string_view sql, const Scope& scope, Use use) {
  CROSSFADE_TRY(auto tree, parse_expression(sql));
  Names names;
  names.tables.push_back(table_of(scope));
  Translator translator(sql, use, nullptr);
  translator.names = &names;
  if (use == Use::kCheck || use == Use::kIndexPredicate) {
    CROSSFADE_TRY(auto condition, translator.condition(*tree));
    return finish(std::move(condition), &translator);
  }
  CROSSFADE_TRY(auto operand, translator.translate(*tree));
  if (use == Use::kIndexKey) {
    CROSSFADE_TRY(operand, translator.for_key(*tree, std::move(operand)));
  } else {
    CROSSFADE_TRY(operand, translator.result(*tree, std::move(operand)));
  }
  return finish(std::move(operand), &translator);
}

Outcome<Translated> translate_value(std::string_view sql, const Scope& scope, Use use,
                                    const ScopeColumn& column) {
  CROSSFADE_TRY(auto tree, parse_expression(sql));
  if (use == Use::kDefault && tree->kind == ExprKind::kName && tree->qualifier.empty() &&
      !is_constant(*tree)) {
    tree->quoted = true;  // DEFAULT x is the text 'x'
  }
  Names names;
  if (use != Use::kDefault) names.tables.push_back(table_of(scope));
  Translator translator(sql, use, nullptr);
  translator.names = &names;
  CROSSFADE_TRY(auto operand, translator.stored(*tree, column));
  return finish(std::move(operand), &translator);
}

}  // namespace crossfade::schema::expression
