#include "engine/schema/expression_scope.h"

#include <fmt/core.h>

#include <algorithm>

#include "engine/schema/rules.h"
#include "engine/schema/sql_lexer.h"
#include "engine/schema/utf8.h"

namespace crossfade::schema {
namespace {

bool is_changed(SourceForm form) {
  return form == SourceForm::kTextBytes || form == SourceForm::kTextEscaped ||
         form == SourceForm::kTextStripped || form == SourceForm::kTextLatin1 ||
         form == SourceForm::kMasked;
}

}  // namespace

expression::Scope expression_scope(const Table& table) {
  expression::Scope out;
  out.table = table.name;
  for (const Column& column : table.columns) {
    expression::ScopeColumn each;
    each.name = column.name;
    each.target_name = column.target_name;
    each.type = column.type;
    each.affinity = column.affinity;
    each.collation = column.collation;
    each.not_null = column.not_null;
    each.hidden = column.synthetic;
    out.columns.push_back(std::move(each));
  }
  if (table.identity != Identity::kPrimaryKey) {
    out.rowid_column = table.columns[table.key.front()].name;
  }
  return out;
}

std::vector<std::string> kept_back_columns(const Rules* rules, const Table& table) {
  std::vector<std::string> out;
  for (const Column& column : table.columns) {
    if (is_changed(column.type.form)) out.push_back(column.name);
  }
  const TableRule* rule = rules == nullptr ? nullptr : rules->find(table.name);
  if (rule == nullptr) return out;
  for (const ColumnRule& column : rule->columns) {
    if (column.exclude || column.mask) out.push_back(column.column);
  }
  return out;
}

std::optional<std::string> find_named(std::string_view sql,
                                      const std::vector<std::string>& columns) {
  for (const Token& token : tokenize(sql)) {
    // SQLite takes a string for a name where only a name can stand.
    if (token.kind != TokenKind::kWord && token.kind != TokenKind::kQuoted &&
        token.kind != TokenKind::kString) {
      continue;
    }
    const std::string name = meaning(token);
    const auto found =
        std::find_if(columns.begin(), columns.end(),
                     [&name](const std::string& column) { return same_name(column, name); });
    if (found != columns.end()) return *found;
  }
  return std::nullopt;
}

std::string describe(const expression::Refusal& refusal, std::string_view sql) {
  const size_t offset = std::min(refusal.offset, sql.size());
  const std::string_view part = sql.substr(offset, refusal.length);
  if (part.empty() || part.size() == sql.size()) return refusal.reason;
  return fmt::format("{} (at {})", refusal.reason, printable(part));
}

}  // namespace crossfade::schema
