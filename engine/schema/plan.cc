#include "engine/schema/plan.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "engine/schema/data_findings.h"
#include "engine/schema/default_value.h"
#include "engine/schema/foreign_key_plan.h"
#include "engine/schema/scan.h"
#include "engine/schema/table_ddl.h"
#include "engine/schema/table_reader.h"
#include "engine/schema/target_names.h"
#include "engine/schema/type_choice.h"
#include "engine/schema/uncarried_findings.h"
#include "engine/schema/utf8.h"

namespace crossfade::schema {
namespace {

class Planner {
 public:
  Planner(sqlite::Connection& connection, const Catalog& catalog, const PlanOptions& options,
          DefaultTranslator defaults)
      : connection_(connection),
        catalog_(catalog),
        options_(options),
        defaults_(std::move(defaults)),
        names_(make_target_names(catalog)) {}

  // Everything about one table but its foreign keys, which need their parents' types.
  Result<TablePlan> plan_alone(const Table& declared, std::vector<Finding>* findings) {
    TablePlan plan;
    plan.table = declared;
    Table& table = plan.table;
    CROSSFADE_TRY(auto evidence, scan_table(connection_, declared, options_.stop));
    if (evidence.null_keys.rows > 0 && table.identity == Identity::kPrimaryKey) {
      findings->push_back(null_key_finding(table, evidence.null_keys));
      add_surrogate(&table);
      ColumnEvidence rowids;
      rowids.storage.integer = evidence.rows;
      evidence.columns.insert(evidence.columns.begin(), std::move(rowids));
    }
    choose_types(evidence, &table, findings);
    find_in_data(table, evidence, findings);
    declare_not_null(evidence, &table);
    find_uncarried(catalog_, table, findings);
    write_ddl(evidence, names_.at(table.name), options_.target_schema, &table, findings);
    plan.rows = evidence.rows;
    table.rows_estimate = evidence.rows;
    for (const ColumnEvidence& column : evidence.columns) plan.storage.push_back(column.storage);
    return plan;
  }

  Status add_foreign_keys(const std::vector<const Table*>& parents, Table* table,
                          std::vector<Finding>* findings) {
    return plan_foreign_keys(connection_, parents, names_.at(table->name), options_.target_schema,
                             table, findings);
  }

 private:
  void choose_types(const TableEvidence& evidence, Table* table, std::vector<Finding>* findings) {
    for (size_t i = 0; i < table->columns.size(); ++i) {
      Column& column = table->columns[i];
      const bool rowid_key = table->identity != Identity::kPrimaryKey && table->key.front() == i;
      TypeChoice choice = choose_type(column, evidence.columns[i], rowid_key);
      column.type = choice.type;
      column.reason = std::move(choice.reason);
      if (!column.default_sql || rowid_key) continue;
      column.target_default = defaults_.translate(column);
      if (!column.target_default && !DefaultTranslator::is_null_literal(*column.default_sql)) {
        findings->push_back(default_finding(*table, column));
      }
    }
  }

  static void declare_not_null(const TableEvidence& evidence, Table* table) {
    for (size_t i = 0; i < table->columns.size(); ++i) {
      Column& column = table->columns[i];
      const bool key = std::find(table->key.begin(), table->key.end(), i) != table->key.end();
      column.not_null = key || (column.not_null && evidence.columns[i].storage.null == 0);
    }
  }

  sqlite::Connection& connection_;
  const Catalog& catalog_;
  const PlanOptions& options_;
  DefaultTranslator defaults_;
  std::map<std::string, TableNames> names_;
};

Result<Planner> make_planner(sqlite::Connection& connection, const Catalog& catalog,
                             const PlanOptions& options) {
  CROSSFADE_TRY(auto defaults, DefaultTranslator::open());
  return Planner(connection, catalog, options, std::move(defaults));
}

void sort_findings(std::vector<Finding>* findings) {
  std::stable_sort(findings->begin(), findings->end(), [](const Finding& a, const Finding& b) {
    const bool a_first = a.severity == Severity::kBlocker;
    const bool b_first = b.severity == Severity::kBlocker;
    return std::tie(b_first, a.table) < std::tie(a_first, b.table);
  });
}

void assemble_ddl(Plan* plan) {
  for (const TablePlan& each : plan->tables) plan->ddl.push_back(each.table.create_table_ddl);
  for (const TablePlan& each : plan->tables) plan->ddl.push_back(each.table.primary_key_ddl);
  for (const TablePlan& each : plan->tables) {
    for (const Index& index : each.table.indexes) {
      if (index.target_ddl) plan->ddl.push_back(*index.target_ddl);
    }
  }
  for (const TablePlan& each : plan->tables) {
    for (const ForeignKey& key : each.table.foreign_keys) {
      if (key.target_ddl) plan->ddl.push_back(*key.target_ddl);
    }
  }
}

Error unknown_table(const std::string& table) {
  Error error;
  error.code = ErrorCode::kSource;
  error.op = "schema.plan";
  error.object = table;
  error.hint = "the table is not, or no longer, in the source";
  return error;
}

}  // namespace

bool Plan::blocked() const {
  return std::any_of(findings.begin(), findings.end(),
                     [](const Finding& finding) { return finding.severity == Severity::kBlocker; });
}

Result<Plan> make_plan(sqlite::Connection& connection, const Catalog& catalog,
                       const PlanOptions& options) {
  CROSSFADE_TRY(auto planner, make_planner(connection, catalog, options));
  Plan plan;
  for (const Table& table : catalog.tables) {
    CROSSFADE_TRY(auto planned, planner.plan_alone(table, &plan.findings));
    plan.tables.push_back(std::move(planned));
  }
  std::vector<const Table*> parents;
  for (const TablePlan& each : plan.tables) parents.push_back(&each.table);
  for (TablePlan& each : plan.tables) {
    CROSSFADE_TRY(planner.add_foreign_keys(parents, &each.table, &plan.findings));
  }
  find_uncarried(catalog, &plan.findings);
  sort_findings(&plan.findings);
  assemble_ddl(&plan);
  return plan;
}

Result<TablePlan> plan_table(sqlite::Connection& connection, const Catalog& catalog,
                             const std::string& table, const PlanOptions& options,
                             std::vector<Finding>* findings) {
  const auto find = [&catalog](const std::string& name) {
    return std::find_if(catalog.tables.begin(), catalog.tables.end(),
                        [&name](const Table& each) { return same_name(each.name, name); });
  };
  const auto declared = find(table);
  if (declared == catalog.tables.end()) return fail(unknown_table(table));
  CROSSFADE_TRY(auto planner, make_planner(connection, catalog, options));
  CROSSFADE_TRY(auto planned, planner.plan_alone(*declared, findings));
  std::vector<TablePlan> parents;
  std::vector<Finding> others;  // about parents: not asked for
  for (const ForeignKey& key : declared->foreign_keys) {
    const auto parent = find(key.parent_table);
    const bool known = std::any_of(parents.begin(), parents.end(), [&](const TablePlan& each) {
      return same_name(each.table.name, key.parent_table);
    });
    if (parent == catalog.tables.end() || parent == declared || known) continue;
    CROSSFADE_TRY(auto parent_plan, planner.plan_alone(*parent, &others));
    parents.push_back(std::move(parent_plan));
  }
  std::vector<const Table*> parent_tables;
  for (const TablePlan& each : parents) parent_tables.push_back(&each.table);
  CROSSFADE_TRY(planner.add_foreign_keys(parent_tables, &planned.table, findings));
  return planned;
}

}  // namespace crossfade::schema
