#include "engine/run/own_defaults.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>

#include "engine/postgres/quote.h"
#include "engine/sqlite/statement.h"

namespace crossfade::run {
namespace {

using schema::TablePlan;
using schema::TargetColumn;
using schema::TargetReference;
using schema::TargetRelation;

const TargetRelation* relation_of(const schema::TargetSchema& target, const Table& table) {
  for (const TargetRelation& each : target.relations) {
    if (each.name == table.target_name) return &each;
  }
  return nullptr;
}

// A column that the source has not got, with a default that is the same for all rows.
const TargetColumn* own_constant(const TargetRelation& relation, const Table& table,
                                 const std::string& name) {
  const bool matched = std::any_of(table.columns.begin(), table.columns.end(),
                                   [&](const Column& each) { return each.target_name == name; });
  if (matched) return nullptr;
  for (const TargetColumn& each : relation.columns) {
    if (each.name == name) return each.constant ? &each : nullptr;
  }
  return nullptr;
}

schema::Finding refused(const Table& table, std::string message) {
  schema::Finding finding;
  finding.severity = schema::Severity::kWarning;
  finding.code = "target_constraint_refused";
  finding.table = table.name;
  finding.message = std::move(message);
  finding.remedy =
      "give the column another default, or none, on the target, or drop the constraint there until "
      "the cutover is done; there is no cutover without it";
  return finding;
}

// Of two rows each has the same values.
void find_uniques(const TablePlan& plan, const TargetRelation& relation,
                  std::vector<schema::Finding>* findings) {
  if (plan.rows < 2) return;
  for (const schema::TargetKey& key : relation.keys) {
    if (!key.unique || key.columns.empty()) continue;
    std::string values;
    for (const std::string& name : key.columns) {
      const TargetColumn* const own = own_constant(relation, plan.table, name);
      if (own == nullptr) {
        values.clear();
        break;
      }
      values += fmt::format("{}{} = {}", values.empty() ? "" : ", ", name,
                            postgres::quote_literal(*own->constant));
    }
    if (values.empty()) continue;
    findings->push_back(refused(
        plan.table, fmt::format("all {} rows will hold the default {}, which {} of {} allows once",
                                plan.rows, values, key.name, postgres::quote(relation.name))));
  }
}

// Where the parent's rows are the source's. Nothing: the value is written otherwise there.
Result<bool> source_has(sqlite::Connection& source, const Table& parent, const std::string& name,
                        const std::string& value) {
  const auto column = std::find_if(parent.columns.begin(), parent.columns.end(),
                                   [&](const Column& each) { return each.target_name == name; });
  const bool plain =
      column != parent.columns.end() &&
      (column->type.base == TargetType::kBigint || column->type.base == TargetType::kText) &&
      column->type.form == SourceForm::kValue;
  if (!plain) return true;  // a run finds it
  CROSSFADE_TRY(
      auto found,
      sqlite::Statement::prepare(
          source, fmt::format("SELECT EXISTS(SELECT 1 FROM {} WHERE CAST({} AS TEXT) = ?)",
                              sqlite::quote(parent.name), column->source_sql)));
  found.bind_text(1, value);
  CROSSFADE_TRY(const bool there, found.step());
  return there && found.integer(0) != 0;
}

Status find_references(sqlite::Connection& source, const std::vector<TablePlan>& plans,
                       const TablePlan& plan, const TargetRelation& relation,
                       std::vector<schema::Finding>* findings) {
  if (plan.rows == 0) return ok();
  for (const TargetReference& reference : relation.references) {
    if (reference.columns.size() != 1) continue;
    const TargetColumn* const own = own_constant(relation, plan.table, reference.columns[0]);
    if (own == nullptr) continue;
    bool there = reference.holds_for_default;
    const auto parent = std::find_if(plans.begin(), plans.end(), [&](const TablePlan& each) {
      return reference.same_schema && each.table.target_name == reference.parent;
    });
    if (parent != plans.end()) {
      CROSSFADE_TRY(there,
                    source_has(source, parent->table, reference.parent_columns[0], *own->constant));
    }
    if (there) continue;
    findings->push_back(refused(
        plan.table,
        fmt::format("all {} rows will hold the default {} = {}, for which {} has no row: {}",
                    plan.rows, own->name, postgres::quote_literal(*own->constant), reference.parent,
                    reference.name)));
  }
  return ok();
}

}  // namespace

Status find_broken_by_defaults(sqlite::Connection& source, const std::vector<TablePlan>& plans,
                               const schema::TargetSchema& target,
                               std::vector<schema::Finding>* findings) {
  for (const TablePlan& plan : plans) {
    const TargetRelation* const relation = relation_of(target, plan.table);
    if (!plan.table.adopted || relation == nullptr || relation->known) continue;
    find_uniques(plan, *relation, findings);
    CROSSFADE_TRY(find_references(source, plans, plan, *relation, findings));
  }
  return ok();
}

}  // namespace crossfade::run
