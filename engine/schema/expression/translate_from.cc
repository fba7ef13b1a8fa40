// The FROM clause, and what a SELECT's names mean.
#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "engine/postgres/quote.h"
#include "engine/schema/expression/translator.h"
#include "engine/schema/utf8.h"

namespace crossfade::schema::expression {
namespace {

Expr part(const Source& source) {
  Expr at;
  at.offset = source.offset;
  at.length = source.length;
  return at;
}

const ScopeColumn* column_called(const TableNames& table, const std::string& name) {
  for (const ScopeColumn& column : table.columns) {
    if (!column.hidden && same_name(column.name, name)) return &column;
  }
  return nullptr;
}

bool is_merged(const TableNames& table, const std::string& name) {
  return std::any_of(table.merged.begin(), table.merged.end(),
                     [&](const std::string& each) { return same_name(each, name); });
}

const char* join_word(const Source& source, bool has_condition) {
  switch (source.join) {
    case Source::Join::kLeft:
      return "LEFT JOIN ";
    case Source::Join::kRight:
      return "RIGHT JOIN ";
    case Source::Join::kFull:
      return "FULL JOIN ";
    default:
      return has_condition ? "JOIN " : "CROSS JOIN ";
  }
}

}  // namespace

std::optional<ColumnAt> Translator::locate(const Expr& name, const Names& in) {
  if (name.kind != ExprKind::kName) return std::nullopt;
  for (size_t t = 0; t < in.tables.size(); ++t) {
    const TableNames& table = in.tables[t];
    if (!name.qualifier.empty() && !same_name(name.qualifier, table.name)) continue;
    if (name.qualifier.empty() && is_merged(table, name.text)) continue;
    for (size_t c = 0; c < table.columns.size(); ++c) {
      if (table.columns[c].hidden || !same_name(table.columns[c].name, name.text)) continue;
      return ColumnAt{t, c};
    }
  }
  return std::nullopt;
}

std::optional<Relation> Translator::relation(const std::string& name) const {
  const auto found = std::find_if(common_tables_.rbegin(), common_tables_.rend(),
                                  [&](const auto& each) { return same_name(each.first, name); });
  if (found != common_tables_.rend()) return found->second;
  return resolver_ != nullptr ? (*resolver_)(name) : std::nullopt;
}

Outcome<std::string> Translator::source(const Source& source, Names* out) {
  TableNames table;
  std::string sql;
  if (source.select) {
    CROSSFADE_TRY(auto selected, select(*source.select, out->outer));
    table.columns = std::move(selected.columns);
    table.name =
        source.alias.empty() ? fmt::format("subquery_{}", out->tables.size() + 1) : source.alias;
    sql = "(" + selected.sql + ") AS " + postgres::quote(table.name);
  } else {
    const auto found = relation(source.table);
    if (!found) {
      return no(part(source), printable(source.table) +
                                  " is not carried, or is a view or a recursive table that is not"
                                  " translated");
    }
    table.columns = found->columns;
    table.rowid_column = found->rowid_column;
    table.primary_key = found->primary_key;
    table.name = source.alias.empty() ? source.table : source.alias;
    sql = found->schema.empty() ? postgres::quote(found->target_name)
                                : postgres::quote(found->schema, found->target_name);
    if (table.name != found->target_name) sql += " AS " + postgres::quote(table.name);
  }
  table.qualifier = postgres::quote(table.name);
  out->tables.push_back(std::move(table));
  return sql;
}

// left.name = right.name of USING and NATURAL. The name then means the left one.
Outcome<Operand> Translator::shared_column(const Source& source, const std::string& name,
                                           Names* out) {
  const Expr at = part(source);
  if (source.join == Source::Join::kRight || source.join == Source::Join::kFull) {
    return no(at, "USING in a RIGHT or FULL JOIN: write ON, and coalesce() of the two columns");
  }
  TableNames& right = out->tables.back();
  for (size_t t = 0; t + 1 < out->tables.size(); ++t) {
    const TableNames& left = out->tables[t];
    const ScopeColumn* const theirs = column_called(left, name);
    const ScopeColumn* const ours = column_called(right, name);
    if (theirs == nullptr || ours == nullptr || is_merged(left, name)) continue;
    CROSSFADE_TRY(auto a, column(at, left, *theirs));
    CROSSFADE_TRY(auto b, column(at, right, *ours));
    right.merged.push_back(name);
    return compare(at, "=", std::move(a), std::move(b));
  }
  return no(at, "no column " + printable(name) + " to join by");
}

Outcome<std::string> Translator::join_condition(const Source& source, Names* out) {
  std::vector<std::string> shared = source.using_columns;
  if (source.natural) {
    for (const ScopeColumn& column : out->tables.back().columns) {
      for (size_t t = 0; t + 1 < out->tables.size(); ++t) {
        const bool there = column_called(out->tables[t], column.name) != nullptr;
        const bool listed = std::find(shared.begin(), shared.end(), column.name) != shared.end();
        if (there && !listed) shared.push_back(column.name);
      }
    }
  }
  std::string sql;
  for (const std::string& name : shared) {
    CROSSFADE_TRY(auto equal, shared_column(source, name, out));
    sql += (sql.empty() ? "" : " AND ") + within(equal, Tightness::kNot);
  }
  if (source.on) {
    names = out;
    in_join_condition_ = true;
    auto on = condition(*source.on);
    in_join_condition_ = false;
    CROSSFADE_TRY(const auto joined, std::move(on));
    sql = joined.sql;
  }
  return sql;
}

Outcome<std::string> Translator::from(const SelectCore& core, Names* out) {
  std::string sql;
  const bool outer_join = std::any_of(core.from.begin(), core.from.end(), [](const Source& each) {
    return each.join != Source::Join::kFirst && each.join != Source::Join::kInner;
  });
  for (const Source& each : core.from) {
    Names* const before = names;
    CROSSFADE_TRY(auto table, source(each, out));
    if (outer_join) {
      for (ScopeColumn& column : out->tables.back().columns) column.not_null = false;
    }
    CROSSFADE_TRY(auto on, join_condition(each, out));
    names = before;
    if (each.join == Source::Join::kFirst) {
      sql = table;
      continue;
    }
    const bool inner = each.join == Source::Join::kInner;
    sql += "\n  " + std::string(join_word(each, !on.empty())) + table;
    if (!on.empty() || !inner) sql += " ON " + (on.empty() ? "true" : on);
  }
  return sql;
}

}  // namespace crossfade::schema::expression
