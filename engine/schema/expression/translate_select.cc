#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "engine/core/limits.h"
#include "engine/postgres/quote.h"
#include "engine/schema/expression/time_format.h"
#include "engine/schema/expression/translator.h"
#include "engine/schema/utf8.h"

namespace crossfade::schema::expression {
namespace {

Expr part(size_t offset, size_t length) {
  Expr at;
  at.offset = offset;
  at.length = length;
  return at;
}

// "x", "x:1", "x:2": as SQLite tells columns of one name apart.
std::string distinct_name(const std::string& name, const std::vector<ScopeColumn>& taken) {
  std::string out = name;
  for (int i = 1;; ++i) {
    const bool free = std::none_of(taken.begin(), taken.end(), [&](const ScopeColumn& each) {
      return same_name(each.name, out);
    });
    if (free) return out;
    out = fmt::format("{}:{}", name, i);
  }
}

bool has_collation(const Operand& operand) {
  return operand.kind == Kind::kText && !operand.collation.empty() && operand.collation != "BINARY";
}

}  // namespace

Outcome<bool> Translator::add_result(const Expr& at, Operand operand, const std::string& name,
                                     Clauses* out, std::string* list) {
  CROSSFADE_TRY(operand, result(at, std::move(operand)));
  if (operand.kind == Kind::kText && !operand.is_column) {
    // Whoever reads it takes it for a column, which has this collation.
    operand.sql = within(operand, Tightness::kAt) + " COLLATE \"C\"";
    operand.tightness = Tightness::kAt;
  }
  ScopeColumn column;
  column.name = distinct_name(name, out->columns);
  const std::string target = to_target ? to_target(column.name) : column.name;
  column.target_name = std::string(prefix(target, limits::kPgIdentifierBytesMax));
  column.type = operand.type;
  column.affinity = operand.affinity;
  column.collation = operand.collation.empty() ? "BINARY" : operand.collation;
  column.not_null = operand.not_null;
  column.mixed = operand.kind == Kind::kNumber && !operand.decimal;
  *list +=
      (list->empty() ? "" : ",\n  ") + operand.sql + " AS " + postgres::quote(column.target_name);
  out->columns.push_back(std::move(column));
  out->operands.push_back(std::move(operand));
  return true;
}

// As SQLite names the result: by the column, however it was written.
std::string Translator::name_of(const Expr& column) const {
  auto where = locate(column, *names);
  if (!where) where = rowid(column, *names);
  if (!where) return column.text;
  const ScopeColumn& found = names->tables[where->table].columns[where->column];
  return found.hidden ? "rowid" : found.name;
}

Outcome<bool> Translator::result_columns(const SelectCore& core, Clauses* out, std::string* list) {
  for (const ResultColumn& each : core.columns) {
    const Expr at = part(each.offset, each.length);
    if (each.expr) {
      std::string name = each.alias;
      if (name.empty() && each.expr->kind == ExprKind::kName) {
        name = name_of(*each.expr);
      }
      if (name.empty()) name = std::string(sql_.substr(each.offset, each.length));
      if (same_name(name, "TRUE") || same_name(name, "FALSE")) {  // as SQLite names them
        name = fmt::format("column{}", out->columns.size() + 1);
      }
      CROSSFADE_TRY(auto operand, translate(*each.expr));
      CROSSFADE_TRY(add_result(at, std::move(operand), name, out, list));
      continue;
    }
    bool any = false;
    for (size_t t = 0; t < names->tables.size(); ++t) {
      const TableNames& table = names->tables[t];
      if (!each.star_of.empty() && !same_name(each.star_of, table.name)) continue;
      any = true;
      for (size_t c = 0; c < table.columns.size(); ++c) {
        const ScopeColumn& given = table.columns[c];
        const bool merged =
            std::any_of(table.merged.begin(), table.merged.end(),
                        [&](const std::string& name) { return same_name(name, given.name); });
        if (merged && each.star_of.empty()) continue;
        if (given.hidden) continue;
        CROSSFADE_TRY(check_grouped(at, *names, ColumnAt{t, c}));
        CROSSFADE_TRY(auto operand, column(at, table, given));
        CROSSFADE_TRY(add_result(at, std::move(operand), given.name, out, list));
      }
    }
    if (!any) return no(at, "there is no such table in FROM");
  }
  return true;
}

Outcome<std::string> Translator::group_by(const SelectCore& core) {
  std::string sql;
  in_group_expression_ = true;
  for (const ExprPtr& given : core.group_by) {
    const Expr* expr = given.get();
    if (expr->kind == ExprKind::kInteger) {
      const auto at = static_cast<size_t>(std::atoi(expr->text.c_str()));
      if (at < 1 || at > core.columns.size() || !core.columns[at - 1].expr) {
        return no(*expr, "it numbers no column");
      }
      expr = core.columns[at - 1].expr.get();
    } else if (expr->kind == ExprKind::kName && !locate(*expr, *names)) {
      for (const ResultColumn& result : core.columns) {
        if (result.expr && same_name(result.alias, expr->text)) expr = result.expr.get();
      }
    }
    if (is_constant(*expr)) return no(*expr, "GROUP BY a constant");
    CROSSFADE_TRY(auto operand, translate(*expr));
    if (has_collation(operand)) return no(*expr, "GROUP BY under a collation");
    if (operand.kind == Kind::kJson || operand.type.base == TargetType::kJson) {
      CROSSFADE_TRY(operand, plain(*expr, std::move(operand)));
    }
    names->group_by.push_back(expr);
    if (const auto where = locate(*expr, *names)) names->group_columns.push_back(*where);
    sql += (sql.empty() ? "" : ", ") + operand.sql;
  }
  in_group_expression_ = false;
  return sql;
}

Outcome<bool> Translator::check_distinct(const Expr& at, const Clauses& clauses) const {
  for (const Operand& operand : clauses.operands) {
    if (has_collation(operand)) return no(at, "rows would be one under a collation");
    if (operand.type.base == TargetType::kJson) return no(at, "json has no equality");
  }
  return true;
}

Outcome<Translator::Clauses> Translator::core(const SelectCore& core, Names* own) {
  const Expr at = part(core.offset, core.length);
  if (!core.values.empty()) return no(at, "VALUES is not translated: write SELECT");
  Clauses out;
  CROSSFADE_TRY(auto from_sql, from(core, own));
  names = own;
  aggregates_allowed_ = inside_aggregate_ = in_group_expression_ = false;
  own->results = &core.columns;
  std::string tail;
  if (core.where) {
    CROSSFADE_TRY(auto where, condition(*core.where));
    tail += "\nWHERE " + where.sql;
  }
  CROSSFADE_TRY(auto groups, group_by(core));
  if (!groups.empty()) tail += "\nGROUP BY " + groups;
  const bool aggregates =
      (core.having && has_aggregate(*core.having)) ||
      std::any_of(core.columns.begin(), core.columns.end(),
                  [](const ResultColumn& each) { return each.expr && has_aggregate(*each.expr); });
  own->grouped = aggregates || !groups.empty();
  out.one_row = own->grouped && groups.empty();
  aggregates_allowed_ = true;
  if (core.having) {
    if (!own->grouped) return no(*core.having, "HAVING without groups");
    CROSSFADE_TRY(auto having, condition(*core.having));
    tail += "\nHAVING " + having.sql;
    out.one_row = false;
  }
  own->results = nullptr;
  std::string list;
  CROSSFADE_TRY(result_columns(core, &out, &list));
  if (core.distinct) {
    CROSSFADE_TRY(check_distinct(at, out));
  }
  out.sql = fmt::format("SELECT {}{}", core.distinct ? "DISTINCT " : "", list);
  if (!from_sql.empty()) out.sql += "\nFROM " + from_sql;
  out.sql += tail;
  return out;
}

Outcome<std::string> Translator::order_term(const Select& select, const OrderTerm& term,
                                            const Clauses& first) {
  const Expr& expr = *term.expr;
  const bool compound = select.cores.size() > 1;
  std::optional<size_t> at;
  if (expr.kind == ExprKind::kInteger) {
    at = static_cast<size_t>(std::atoi(expr.text.c_str())) - 1;
    if (*at >= first.columns.size()) return no(expr, "it numbers no column");
  }
  for (size_t i = 0; i < first.columns.size() && !at; ++i) {
    const bool named = expr.kind == ExprKind::kName && expr.qualifier.empty() &&
                       same_name(expr.text, first.columns[i].name);
    if (named) at = i;
  }
  Operand operand;
  if (at) {
    operand = first.operands[*at];
  } else if (compound) {
    return no(expr, "ORDER BY of a compound SELECT is translated for its columns' names");
  } else {
    CROSSFADE_TRY(operand, translate(expr));
  }
  const bool nullable = !operand.not_null;
  const Operand before = operand;
  if (operand.kind == Kind::kForm && operand.type.base != TargetType::kUuid &&
      (operand.type.form != SourceForm::kPattern || describe_pattern(operand.type).ordered)) {
    const bool number = operand.type.base == TargetType::kTimestamptz;
    if (operand.type.form != SourceForm::kPattern && !number) {
      CROSSFADE_TRY(operand, plain(expr, std::move(operand)));
    }
  } else if (operand.kind != Kind::kForm || operand.type.base != TargetType::kUuid) {
    CROSSFADE_TRY(operand, for_key(expr, std::move(operand)));
  }
  if ((compound || select.cores[0].distinct) && at && operand.sql != before.sql) {
    return no(expr, "its order needs an expression that the SELECT does not yield");
  }
  std::string sql = at && operand.sql == before.sql ? fmt::format("{}", *at + 1) : operand.sql;
  if (term.descending) sql += " DESC";
  const bool first_by_default = !term.descending;  // SQLite's NULLs are smallest
  const bool nulls_first = term.nulls == OrderTerm::Nulls::kDefault
                               ? first_by_default
                               : term.nulls == OrderTerm::Nulls::kFirst;
  if (nullable) sql += nulls_first ? " NULLS FIRST" : " NULLS LAST";
  return sql;
}

Outcome<std::string> Translator::order_by(const Select& select, const Clauses& first) {
  std::string sql;
  for (const OrderTerm& term : select.order_by) {
    CROSSFADE_TRY(auto one, order_term(select, term, first));
    sql += (sql.empty() ? "\nORDER BY " : ", ") + one;
  }
  return sql;
}

Outcome<std::string> Translator::limits_of(const Select& select) {
  std::string sql;
  for (const bool skip : {false, true}) {
    const ExprPtr& expr = skip ? select.skip : select.limit;
    if (!expr) continue;
    CROSSFADE_TRY(auto operand, translate(*expr));
    if (!operand.constant || operand.kind != Kind::kInteger) {
      return no(*expr, "LIMIT and OFFSET must be constant INTEGERs");
    }
    const int64_t count = operand.constant->integer();
    if (!skip && count >= 0)
      note(
          "which rows LIMIT takes of those that its order has for equal, or of all where it has "
          "none, is any on both sides");
    if (count >= 0) sql += fmt::format("\n{} {}", skip ? "OFFSET" : "LIMIT", count);
  }
  return sql;
}

Outcome<std::string> Translator::with(const Select& select, const Names* outer) {
  std::string sql;
  for (const CommonTable& table : select.with) {
    const size_t at = common_tables_.size();
    common_tables_.emplace_back(table.name, std::nullopt);
    CROSSFADE_TRY(auto selected, this->select(*table.select, outer));
    Relation made;
    made.target_name = table.name;
    made.columns = std::move(selected.columns);
    std::string list;
    for (size_t i = 0; i < table.columns.size() && i < made.columns.size(); ++i) {
      made.columns[i].name = made.columns[i].target_name = table.columns[i];
      list += (list.empty() ? "" : ", ") + postgres::quote(table.columns[i]);
    }
    common_tables_[at].second = std::move(made);
    sql +=
        fmt::format("{}{}{} AS (\n{})", sql.empty() ? "WITH " : ",\n", postgres::quote(table.name),
                    list.empty() ? "" : " (" + list + ")", selected.sql);
  }
  return sql.empty() ? sql : sql + "\n";
}

Outcome<Translator::Selected> Translator::select(const Select& select, const Names* outer) {
  Names* const names_before = names;
  const bool flags[] = {inside_aggregate_, aggregates_allowed_, in_group_expression_};
  const size_t tables_before = common_tables_.size();
  auto made = [&]() -> Outcome<Selected> {
    Selected out;
    CROSSFADE_TRY(auto prologue, with(select, outer));
    Clauses first;
    Names own;  // of the last core; ORDER BY needs them when it is the only one
    for (size_t i = 0; i < select.cores.size(); ++i) {
      own = Names();
      own.outer = outer;
      CROSSFADE_TRY(auto clauses, core(select.cores[i], &own));
      const Expr at = part(select.cores[i].offset, select.cores[i].length);
      if (select.cores.size() > 1 &&
          (i == 0 ? select.operators[0] : select.operators[i - 1]) != "UNION ALL") {
        CROSSFADE_TRY(check_distinct(at, clauses));
      }
      if (i == 0) {
        out.sql = clauses.sql;
        first = std::move(clauses);
        continue;
      }
      if (clauses.columns.size() != first.columns.size()) return no(at, "SQLite refuses it");
      for (size_t c = 0; c < clauses.columns.size(); ++c) {
        if (clauses.columns[c].type == first.columns[c].type &&
            clauses.columns[c].mixed == first.columns[c].mixed) {
          first.columns[c].not_null = first.columns[c].not_null && clauses.columns[c].not_null;
          first.operands[c].not_null = first.columns[c].not_null;
          continue;
        }
        return no(at, "its column " + printable(clauses.columns[c].name) +
                          " is of another type than the first SELECT's: CAST one of them");
      }
      // PostgreSQL's INTERSECT binds tighter than its UNION, SQLite's does not.
      if (i > 1) out.sql = "(" + out.sql + ")";
      out.sql += "\n" + select.operators[i - 1] + "\n" + clauses.sql;
    }
    names = &own;
    own.results = select.cores.size() == 1 ? &select.cores[0].columns : nullptr;
    CROSSFADE_TRY(auto order, order_by(select, first));
    CROSSFADE_TRY(auto limits, limits_of(select));
    out.sql = prologue + out.sql + order + limits;
    out.one_row = first.one_row && select.cores.size() == 1;
    out.columns = std::move(first.columns);
    return out;
  }();
  names = names_before;
  inside_aggregate_ = flags[0];
  aggregates_allowed_ = flags[1];
  in_group_expression_ = flags[2];
  common_tables_.resize(tables_before);
  if (made && made.value().sql.size() > limits::kTranslationBytesMax) {
    return no(part(select.offset, select.length), "its translation would be too long");
  }
  return made;
}

}  // namespace crossfade::schema::expression
