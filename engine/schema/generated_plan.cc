#include "engine/schema/generated_plan.h"

#include <fmt/core.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "engine/schema/expression/split.h"
#include "engine/schema/expression_scope.h"
#include "engine/schema/find_column.h"
#include "engine/schema/rules.h"
#include "engine/schema/sql_lexer.h"
#include "engine/schema/utf8.h"

namespace crossfade::schema {
namespace {

using expression::GeneratedClause;
using expression::ScopeColumn;
using expression::Use;

bool is_rule_made(const Rules* rules, const Table& table, const Column& column) {
  const ColumnRule* rule = rules == nullptr ? nullptr : rules->find(table.name, column.name);
  return rule != nullptr && (rule->type || rule->mask);
}

bool is_in_key(const Table& table, size_t column) {
  return std::find(table.key.begin(), table.key.end(), column) != table.key.end() ||
         std::any_of(table.foreign_keys.begin(), table.foreign_keys.end(),
                     [&](const ForeignKey& key) {
                       return std::any_of(key.columns.begin(), key.columns.end(),
                                          [&](const std::string& name) {
                                            return same_name(name, table.columns[column].name);
                                          });
                     });
}

// What a column holds, where it cannot be named.
std::string in_place_of(const Column& column) {
  return fmt::format("(({})::{}{})", *column.target_generated, to_string(column.type),
                     column.type.base == TargetType::kText ? " COLLATE \"C\"" : "");
}

class GeneratedPlanner {
 public:
  GeneratedPlanner(const Rules* rules, const PlainColumns& plain, const TableEvidence& evidence,
                   Table* table, std::vector<Finding>* findings)
      : rules_(rules),
        plain_(plain),
        evidence_(evidence),
        table_(*table),
        findings_(*findings),
        kept_back_(kept_back_columns(rules, *table)),
        scope_(expression_scope(*table)),
        seen_(table->columns.size(), false) {
    auto parts = expression::split_create_table(table->source_sql);
    if (parts) {
      clauses_ = std::move(parts.value().generated);
    } else {
      unreadable_ = describe(parts.error(), table->source_sql);
    }
  }

  // Those that its expression names go first.
  void plan(size_t i) {
    Column& column = table_.columns[i];
    if (seen_[i] || !column.generated) return;
    seen_[i] = true;
    const auto clause = find_clause(column);
    if (clause) plan_named(clause->expression);
    const std::string why = clause                ? obstacle(i, clause->expression)
                            : unreadable_.empty() ? "the CREATE TABLE can be read in two ways"
                                                  : unreadable_;
    if (column.target_generated) {
      column.target_default.reset();
      column.on_misfit = OnMisfit::kWiden;
      scope_.columns[i].sql = in_place_of(column);
      return;
    }
    findings_.push_back(generated_finding(table_, column, why));
    if (is_rule_made(rules_, table_, column)) findings_.back().severity = Severity::kInfo;
  }

 private:
  std::optional<GeneratedClause> find_clause(const Column& column) const {
    for (const GeneratedClause& clause : clauses_) {
      if (same_name(clause.column, column.name)) return clause;
    }
    return std::nullopt;
  }

  void plan_named(const std::string& sql) {
    for (const Token& token : tokenize(sql)) {
      if (token.kind != TokenKind::kWord && token.kind != TokenKind::kQuoted) continue;
      if (const auto named = find_column(table_, meaning(token))) plan(*named);
    }
  }

  // Why the column stays plain; nothing, and it has its expression.
  std::string obstacle(size_t i, const std::string& sql) {
    Column& column = table_.columns[i];
    if (is_in_key(table_, i)) return "it is in a key, by which rows are told apart or refer";
    if (is_rule_made(rules_, table_, column)) return "a rule says what it holds";
    if (plain_.contains({table_.name, column.name})) {
      return "the target could not compute it for every row as SQLite did";
    }
    if (const auto named = find_named(sql, kept_back_)) {
      return fmt::format("a rule keeps back or changes {}", printable(*named));
    }
    ScopeColumn into = scope_.columns[i];
    if (const auto type = type_of_empty(i, sql)) into.type = *type;
    auto made = expression::translate_value(sql, scope_, Use::kGenerated, into);
    if (!made) return describe(made.error(), sql);
    if (!made.value().notes.empty()) return made.value().notes.front();
    column.target_generated = std::move(made.value().sql);
    if (!(column.type == into.type)) column.reason = "no values are stored; its expression says so";
    column.type = into.type;
    scope_.columns[i] = std::move(into);
    return {};
  }

  // What the expression yields, where neither values nor a declaration tell.
  std::optional<ColumnType> type_of_empty(size_t i, const std::string& sql) const {
    const StorageCounts& storage = evidence_.columns[i].storage;
    if (!table_.columns[i].declared_type.empty() ||
        storage.integer + storage.real + storage.text + storage.blob > 0) {
      return std::nullopt;
    }
    const auto made = expression::translate_expression(sql, scope_, Use::kGenerated);
    if (!made || made.value().type.form != SourceForm::kValue) return std::nullopt;
    const TargetType base = made.value().type.base;
    return base == TargetType::kBoolean ? TargetType::kBigint : base;
  }

  const Rules* const rules_;
  const PlainColumns& plain_;
  const TableEvidence& evidence_;
  Table& table_;
  std::vector<Finding>& findings_;
  const std::vector<std::string> kept_back_;
  expression::Scope scope_;
  std::vector<GeneratedClause> clauses_;
  std::string unreadable_;
  std::vector<bool> seen_;
};

}  // namespace

Finding generated_finding(const Table& table, const Column& column, const std::string& why) {
  Finding finding = about(table, column, Severity::kWarning, "generated_as_plain");
  finding.message =
      fmt::format("becomes a plain column that holds the values SQLite computed, because {}: {}",
                  why, printable(column.generated_sql));
  finding.remedy =
      "nothing computes it after the cutover: have the application or a trigger on the target fill"
      " it from then on";
  return finding;
}

void plan_generated(const Rules* rules, const PlainColumns& plain, const TableEvidence& evidence,
                    Table* table, std::vector<Finding>* findings) {
  if (std::none_of(table->columns.begin(), table->columns.end(),
                   [](const Column& column) { return column.generated; })) {
    return;
  }
  GeneratedPlanner planner(rules, plain, evidence, table, findings);
  for (size_t i = 0; i < table->columns.size(); ++i) planner.plan(i);
}

}  // namespace crossfade::schema
