// Names, and columns whose type has a form of its own.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "engine/postgres/quote.h"
#include "engine/schema/expression/time_format.h"
#include "engine/schema/expression/translator.h"
#include "engine/schema/utf8.h"

namespace crossfade::schema::expression {
namespace {

bool is_rowid(const std::string& name) {
  return same_name(name, "rowid") || same_name(name, "_rowid_") || same_name(name, "oid");
}

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::any_of(names.begin(), names.end(),
                     [&](const std::string& each) { return same_name(each, name); });
}

bool has_form(const ColumnType& type) {
  switch (type.base) {
    case TargetType::kBoolean:
    case TargetType::kBigint:
    case TargetType::kText:
    case TargetType::kBytea:
      return type.form != SourceForm::kValue;
    case TargetType::kDouble:
    case TargetType::kNumeric:
    case TargetType::kVariant:
      return false;
    default:
      return true;
  }
}

bool rounds_to_integer(const ScopeColumn& column) {
  return column.mixed || (column.affinity && (*column.affinity == Affinity::kInteger ||
                                              *column.affinity == Affinity::kNumeric));
}

void describe_number(const ScopeColumn& column, Operand* out) {
  out->kind = Kind::kInteger;
  if (column.type.base == TargetType::kBigint) return;
  // REAL affinity keeps REALs; the others make an INTEGER of one that is whole.
  const bool real = column.type.base == TargetType::kDouble ? !rounds_to_integer(column)
                                                            : column.affinity == Affinity::kReal;
  out->kind = real ? Kind::kReal : Kind::kNumber;
  if (column.type.base != TargetType::kNumeric) return;
  out->decimal = true;
  if (column.type.precision > 0) {
    out->high = std::pow(10.0, column.type.precision - column.type.scale);
    out->low = -out->high;
  }
}

}  // namespace

Outcome<Operand> Translator::column(const Expr&, const TableNames& table,
                                    const ScopeColumn& column) {
  Operand out;
  out.sql = column.sql.empty() ? postgres::quote(column.target_name) : column.sql;
  if (!table.qualifier.empty()) out.sql = table.qualifier + "." + out.sql;
  out.type = column.type;
  out.affinity = column.affinity;
  out.collation = ascii_upper(column.collation);
  out.not_null = column.not_null;
  out.is_column = true;
  if (has_form(column.type)) {
    out.kind = Kind::kForm;
    return out;
  }
  switch (column.type.base) {
    case TargetType::kBoolean:
      out.kind = Kind::kBoolean;
      out.low = 0;
      out.high = 1;
      break;
    case TargetType::kText:
      out.kind = Kind::kText;
      break;
    case TargetType::kBytea:
      out.kind = Kind::kBlob;
      break;
    case TargetType::kVariant:
      out.kind = Kind::kVariant;
      break;
    default:
      describe_number(column, &out);
      break;
  }
  return out;
}

std::optional<ColumnAt> Translator::rowid(const Expr& name, const Names& in) {
  if (!is_rowid(name.text)) return std::nullopt;
  for (size_t t = 0; t < in.tables.size(); ++t) {
    const TableNames& table = in.tables[t];
    if (!name.qualifier.empty() && !same_name(name.qualifier, table.name)) continue;
    for (size_t c = 0; c < table.columns.size(); ++c) {
      if (!table.rowid_column.empty() && same_name(table.columns[c].name, table.rowid_column)) {
        return ColumnAt{t, c};
      }
    }
  }
  return std::nullopt;
}

// Nothing: no table of this statement has such a column.
Outcome<std::optional<Operand>> Translator::find(const Expr& expr, const Names& in) {
  std::optional<ColumnAt> found;
  for (size_t t = 0; t < in.tables.size(); ++t) {
    const TableNames& table = in.tables[t];
    if (!expr.qualifier.empty() && !same_name(expr.qualifier, table.name)) continue;
    if (expr.qualifier.empty() && contains(table.merged, expr.text)) continue;
    for (size_t c = 0; c < table.columns.size(); ++c) {
      if (table.columns[c].hidden || !same_name(table.columns[c].name, expr.text)) continue;
      if (found) return no(expr, "its name is ambiguous");
      found = ColumnAt{t, c};
    }
  }
  if (!found) found = rowid(expr, in);
  if (!found) return std::optional<Operand>();
  CROSSFADE_TRY(check_grouped(expr, in, *found));
  const TableNames& table = in.tables[found->table];
  CROSSFADE_TRY(auto out, column(expr, table, table.columns[found->column]));
  return std::optional<Operand>(std::move(out));
}

Outcome<bool> Translator::check_grouped(const Expr& at, const Names& in, ColumnAt where) {
  if (!in.grouped || inside_aggregate_ || in_group_expression_) return true;
  const auto is_grouped = [&](ColumnAt each) {
    return std::find(in.group_columns.begin(), in.group_columns.end(), each) !=
           in.group_columns.end();
  };
  if (is_grouped(where)) return true;
  const TableNames& table = in.tables[where.table];
  bool whole_key = !table.primary_key.empty();
  for (const std::string& part : table.primary_key) {
    bool there = false;
    for (size_t c = 0; c < table.columns.size(); ++c) {
      there =
          there || (same_name(table.columns[c].name, part) && is_grouped(ColumnAt{where.table, c}));
    }
    whole_key = whole_key && there;
  }
  if (whole_key) return true;
  return no(at,
            "it is neither grouped by nor inside an aggregate, and SQLite takes it from any row of"
            " the group: add it to GROUP BY or put it into min() or max()");
}

Outcome<Operand> Translator::name(const Expr& expr) {
  if (!expr.schema.empty()) return no(expr, "names with a database's name are not translated");
  bool outer = false;
  for (const Names* at = names; at != nullptr; at = at->outer, outer = true) {
    CROSSFADE_TRY(auto found, find(expr, *at));
    if (found) return *std::move(found);
    if (outer || at->results == nullptr || !expr.qualifier.empty()) continue;
    for (const ResultColumn& result : *at->results) {
      if (result.expr && !result.alias.empty() && same_name(result.alias, expr.text)) {
        Names* const here = names;
        const std::vector<ResultColumn>* const results = std::exchange(here->results, nullptr);
        auto made = translate(*result.expr);  // an alias of an alias is none
        here->results = results;
        return made;
      }
    }
  }
  if (in_join_condition_ && expr.quoted) {
    return no(expr, "it may be a column of a table that is joined later, or a text");
  }
  if (expr.quoted && expr.qualifier.empty()) return constant(expr, Value(Text{expr.text}));
  return no(expr, "there is no column " + printable(expr.text) + " that is carried");
}

Operand Translator::plain_uuid(Operand operand) {
  operand.kind = operand.type.form == SourceForm::kUuidBytes ? Kind::kBlob : Kind::kText;
  const std::string text = operand.sql + "::text";
  switch (operand.type.form) {
    case SourceForm::kUuidUpper:
      operand.sql = "upper(" + text + ")";
      break;
    case SourceForm::kUuidHex:
      operand.sql = "replace(" + text + ", '-', '')";
      break;
    case SourceForm::kUuidBytes:
      operand.sql = "uuid_send(" + operand.sql + ")";
      break;
    default:
      operand.sql = text;
      break;
  }
  operand.type = operand.kind == Kind::kBlob ? TargetType::kBytea : TargetType::kText;
  return operand;
}

// The text or the INTEGER that the time was written as.
Outcome<Operand> Translator::plain_time(const Expr& at, Operand operand) {
  const ColumnType type = operand.type;
  const auto utc = fmt::format("({} AT TIME ZONE 'UTC')", operand.sql);
  if (type.form == SourceForm::kPattern) {
    const TimePattern pattern = describe_pattern(type);
    if (pattern.to_char.empty()) return no(at, "the text of its times has no format in PostgreSQL");
    std::string time = operand.sql;
    if (type.base == TargetType::kTimestamptz) {
      time = pattern.zone == "+00:00"
                 ? utc
                 : fmt::format("({} AT TIME ZONE INTERVAL '{}')", operand.sql, pattern.zone);
    }
    operand.sql =
        fmt::format("to_char({}, {})", time,
                    postgres::quote_literal(pattern.to_char + to_char_literal(pattern.zone_text)));
    operand.kind = Kind::kText;
    operand.type = TargetType::kText;
    operand.is_column = false;
    return unstable(at, std::move(operand), "the text of a time");
  }
  const auto epoch = fmt::format("extract(epoch FROM {})", utc);
  switch (type.form) {
    case SourceForm::kEpochSeconds:
      operand.sql = epoch + "::bigint";
      break;
    case SourceForm::kEpochMillis:
      operand.sql = fmt::format("({} * 1000)::bigint", epoch);
      break;
    case SourceForm::kEpochMicros:
      operand.sql = fmt::format("({} * 1000000)::bigint", epoch);
      break;
    case SourceForm::kEpochNanos:
      operand.sql = fmt::format("(({} * 1000000)::bigint * 1000)", epoch);
      break;
    case SourceForm::kWebkitMicros:
      operand.sql = fmt::format("(({} * 1000000)::bigint + 11644473600000000)", epoch);
      break;
    case SourceForm::kFiletime:
      operand.sql = fmt::format("((({} * 1000000)::bigint + 11644473600000000) * 10)", epoch);
      break;
    default:
      return no(at, "the REAL that its times were written as cannot be had back inside PostgreSQL");
  }
  operand.kind = Kind::kInteger;
  operand.type = TargetType::kBigint;
  return operand;
}

Outcome<Operand> Translator::plain(const Expr& at, Operand operand) {
  if (operand.kind == Kind::kVariant) {
    return no(at,
              "the column holds values of several classes (jsonb): give it one type by a rule, or"
              " write the expression again on the target");
  }
  if (operand.kind == Kind::kJson) {
    return no(at,
              "a value from JSON may be of any class: compare it with a text, or write the"
              " expression again on the target");
  }
  if (operand.kind != Kind::kForm) return operand;
  switch (operand.type.base) {
    case TargetType::kBoolean: {
      const size_t slash = operand.type.words.find('/');
      const std::string yes = postgres::quote_literal(operand.type.words.substr(0, slash));
      const std::string no_word = postgres::quote_literal(operand.type.words.substr(slash + 1));
      operand.sql = operand.not_null
                        ? fmt::format("CASE WHEN {} THEN {} ELSE {} END", operand.sql, yes, no_word)
                        : fmt::format("CASE WHEN {0} THEN {1} WHEN NOT {0} THEN {2} END",
                                      operand.sql, yes, no_word);
      break;
    }
    case TargetType::kUuid:
      return plain_uuid(std::move(operand));
    case TargetType::kJson:
    case TargetType::kJsonb:
      operand.sql += "::text";
      break;
    case TargetType::kTimestamp:
    case TargetType::kTimestamptz:
    case TargetType::kDate:
      return plain_time(at, std::move(operand));
    case TargetType::kBigint:
    case TargetType::kText:
    case TargetType::kBytea:
      return no(at, "a rule has the column hold something else than the source's values");
    default:
      return no(at, "arrays of floats have no equal of the blob they were");
  }
  operand.kind = Kind::kText;
  operand.type = TargetType::kText;
  operand.is_column = false;
  return operand;
}

}  // namespace crossfade::schema::expression
