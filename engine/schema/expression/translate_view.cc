// A SELECT inside an expression, and CREATE VIEW.
#include <fmt/core.h>

#include <utility>

#include "engine/core/limits.h"
#include "engine/postgres/quote.h"
#include "engine/schema/expression/parser.h"
#include "engine/schema/expression/translator.h"
#include "engine/schema/utf8.h"

namespace crossfade::schema::expression {

Outcome<Operand> Translator::subquery(const Expr& expr) {
  if (use_ != Use::kView) return no(expr, "a subquery cannot stand here");
  CROSSFADE_TRY(auto selected, select(*expr.select, names));
  if (selected.columns.size() != 1) return no(expr, "SQLite refuses it");
  CROSSFADE_TRY(auto out, column(expr, TableNames(), selected.columns[0]));
  // SQLite takes the first row, PostgreSQL refuses a second one.
  if (expr.select->limit) {
    CROSSFADE_TRY(const auto limit, translate(*expr.select->limit));
    if (!limit.constant || limit.kind != Kind::kInteger ||
        (limit.constant->integer() != 0 && limit.constant->integer() != 1)) {
      return no(expr, "a value cannot be made of several rows: write LIMIT 1");
    }
  } else if (!selected.one_row) {
    note("a subquery that stands for a value takes any of its rows where there are several");
    selected.sql += "\nLIMIT 1";
  }
  out.sql = "(" + selected.sql + ")";
  out.tightness = Tightness::kAtom;
  out.not_null = out.is_column = false;
  out.stable = true;
  return out;
}

Outcome<Operand> Translator::exists(const Expr& expr) {
  if (use_ != Use::kView) return no(expr, "a subquery cannot stand here");
  CROSSFADE_TRY(auto selected, select(*expr.select, names));
  Operand out;
  out.kind = Kind::kBoolean;
  out.type = TargetType::kBoolean;
  out.low = 0;
  out.high = 1;
  out.not_null = true;
  out.stable = true;
  out.sql = "EXISTS (" + selected.sql + ")";
  return out;
}

Outcome<Operand> Translator::in_select(const Expr& expr) {
  if (use_ != Use::kView) return no(expr, "a subquery cannot stand here");
  CROSSFADE_TRY(auto value, translate(*expr.children[0]));
  CROSSFADE_TRY(auto selected, select(*expr.select, names));
  if (selected.columns.size() != 1) return no(expr, "SQLite refuses it");
  CROSSFADE_TRY(auto element, column(expr, TableNames(), selected.columns[0]));
  element.sql = "\x01";  // where the row's value would stand
  element.collation.clear();
  const bool not_null = value.not_null && element.not_null;
  CROSSFADE_TRY(auto equal, compare(expr, "=", std::move(value), std::move(element)));
  if (equal.right != "\x01" || equal.sql != equal.left + " = \x01") {
    return no(expr, "the sides of IN are of different types: CAST one of them");
  }
  Operand out;
  out.kind = Kind::kBoolean;
  out.type = TargetType::kBoolean;
  out.tightness = Tightness::kIn;
  out.not_null = not_null;
  out.stable = true;
  out.sql = fmt::format("{}{} IN ({})", equal.left, expr.negated ? " NOT" : "", selected.sql);
  return out;
}

Outcome<TranslatedView> translate_view(std::string_view create_view_sql, const Resolver& resolver,
                                       const ViewNames& view_names) {
  CROSSFADE_TRY(auto view, parse_create_view(create_view_sql));
  Translator translator(create_view_sql, Use::kView, &resolver);
  translator.to_target = view_names.to_target;
  CROSSFADE_TRY(auto selected, translator.select(*view.select, nullptr));
  if (!view.columns.empty() && view.columns.size() != selected.columns.size()) {
    return refuse(0, create_view_sql.size(), "its column list does not fit its SELECT");
  }
  TranslatedView out;
  out.name = view.name;
  std::string list;
  for (size_t i = 0; i < view.columns.size(); ++i) {
    ScopeColumn& column = selected.columns[i];
    column.name = view.columns[i];
    const std::string target =
        view_names.to_target ? view_names.to_target(column.name) : column.name;
    column.target_name = std::string(prefix(target, limits::kPgIdentifierBytesMax));
    list += (list.empty() ? " (" : ", ") + postgres::quote(column.target_name);
  }
  if (!list.empty()) list += ")";
  out.relation.schema = view_names.schema;
  out.relation.target_name =
      std::string(prefix(view_names.to_target ? view_names.to_target(view.name) : view.name,
                         limits::kPgIdentifierBytesMax));
  const std::string name = view_names.schema.empty()
                               ? postgres::quote(out.relation.target_name)
                               : postgres::quote(view_names.schema, out.relation.target_name);
  out.sql = "CREATE VIEW " + name + list + " AS\n" + selected.sql;
  out.relation.columns = std::move(selected.columns);
  out.notes = std::move(translator.notes);
  return out;
}

}  // namespace crossfade::schema::expression
