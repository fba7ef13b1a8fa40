#include "engine/schema/plan.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <tuple>
#include <utility>

#include "engine/core/limits.h"
#include "engine/schema/adopt.h"
#include "engine/schema/check_plan.h"
#include "engine/schema/data_findings.h"
#include "engine/schema/default_value.h"
#include "engine/schema/evidence_declaration.h"
#include "engine/schema/evidence_findings.h"
#include "engine/schema/evidence_references.h"
#include "engine/schema/expression_scope.h"
#include "engine/schema/foreign_key_plan.h"
#include "engine/schema/fts_source.h"
#include "engine/schema/generated_plan.h"
#include "engine/schema/rules_plan.h"
#include "engine/schema/scan.h"
#include "engine/schema/search_plan.h"
#include "engine/schema/table_ddl.h"
#include "engine/schema/table_reader.h"
#include "engine/schema/target_names.h"
#include "engine/schema/type_choice.h"
#include "engine/schema/uncarried_findings.h"
#include "engine/schema/utf8.h"
#include "engine/schema/virtual_tables.h"

namespace crossfade::schema {
namespace {

// In a key, an index or a foreign key. What others refer to is in a unique index here.
bool is_compared(const Table& table, size_t column) {
  const auto indexed = [column](const Index& index) {
    return std::any_of(index.parts.begin(), index.parts.end(),
                       [column](const Index::Part& part) { return part.column == column; });
  };
  const auto refers = [&](const ForeignKey& key) {
    return std::any_of(key.columns.begin(), key.columns.end(), [&](const std::string& name) {
      return same_name(name, table.columns[column].name);
    });
  };
  return std::find(table.key.begin(), table.key.end(), column) != table.key.end() ||
         std::any_of(table.indexes.begin(), table.indexes.end(), indexed) ||
         std::any_of(table.foreign_keys.begin(), table.foreign_keys.end(), refers);
}

class Planner {
 public:
  Planner(sqlite::Connection& connection, const Catalog& catalog, const PlanOptions& options,
          DefaultTranslator defaults, std::vector<FtsSource> searches)
      : connection_(connection),
        catalog_(catalog),
        options_(options),
        defaults_(std::move(defaults)),
        names_(make_target_names(catalog, options.naming)),
        searches_(std::move(searches)) {}

  // The stored values, and the types they lead to if nothing refers to the table.
  Result<TableDraft> draft(const Table& declared, std::vector<Finding>* findings) {
    TableDraft draft;
    draft.table = declared;
    TableEvidence& evidence = draft.evidence;
    evidence.columns.resize(declared.columns.size());
    // Wider ones are refused, and SQLite may have no room in a result set for all columns.
    if (declared.columns.size() <= limits::kPgColumnsMax) {
      CROSSFADE_TRY(evidence, scan_table(connection_, declared, options_.stop));
    }
    if (evidence.null_keys.rows > 0 && draft.table.identity == Identity::kPrimaryKey) {
      findings->push_back(null_key_finding(draft.table, evidence.null_keys));
      add_surrogate(&draft.table);
      ColumnEvidence rowids;
      rowids.storage.integer = evidence.rows;
      evidence.columns.push_back(std::move(rowids));
    }
    choose_types(evidence, &draft.table);
    return draft;
  }

  // Everything about one table but its foreign keys, which need their parents complete.
  TablePlan complete(TableDraft draft, std::vector<Finding>* findings) {
    TablePlan plan;
    plan.table = std::move(draft.table);
    Table& table = plan.table;
    const TableEvidence& evidence = draft.evidence;
    const size_t first = findings->size();
    choose_ruled_types(options_.rules, options_.plain_columns, &table);  // whatever was joined
    if (options_.adopt == nullptr) {
      translate_defaults(&table, findings);
    } else {
      adopt_table(*options_.adopt, options_.rules, evidence, &table, findings);
    }
    find_in_data(table, evidence, findings);
    find_in_forms(table, evidence, findings);
    if (!table.adopted) {
      declare_bounds(evidence, &table);
      plan_generated(options_.rules, options_.plain_columns, evidence, &table, findings);
    }
    set_misfit_policies(options_.rules, &table);
    find_in_rules(options_.rules, table, evidence, first, findings);
    std::vector<Finding> searches;
    plan_searches(searches_, evidence, names_, search_options(), &table, &searches);
    if (table.adopted) {
      leave_searches(std::move(searches), &table, findings);
    } else {
      std::move(searches.begin(), searches.end(), std::back_inserter(*findings));
    }
    find_uncarried(catalog_, table, findings);
    const TableNames& names = names_.at(table.name);
    plan_checks(options_.rules, names, options_.target_schema, &table, findings);
    write_ddl(evidence, names, kept_back_columns(options_.rules, table), options_.target_schema,
              &table, findings);
    if (table.adopted) drop_decided(table, first, findings);
    plan.rows = evidence.rows;
    table.rows_estimate = evidence.rows;
    for (const ColumnEvidence& column : evidence.columns) plan.storage.push_back(column.storage);
    return plan;
  }

  Status add_foreign_keys(const std::vector<const Table*>& parents, Table* table,
                          std::vector<Finding>* findings) {
    if (!table->adopted) {
      return plan_foreign_keys(connection_, parents, names_.at(table->name), options_.target_schema,
                               table, findings);
    }
    leave_to_target(*options_.adopt, table, findings);
    return ok();
  }

  // What is about no table.
  Status find_virtual(const std::vector<const Table*>& tables,
                      std::vector<Finding>* findings) const {
    find_unplaced_searches(searches_, tables, names_, search_options(), findings);
    return find_virtual_tables(connection_, catalog_, findings);
  }

 private:
  [[nodiscard]] SearchOptions search_options() const {
    return {options_.target_schema, options_.trgm_schema};
  }

  void choose_types(const TableEvidence& evidence, Table* table) {
    for (size_t i = 0; i < table->columns.size(); ++i) {
      Column& column = table->columns[i];
      const ColumnPlace place{.rowid_key = is_rowid_key(*table, i),
                              .compared = is_compared(*table, i),
                              .plain = options_.plain_columns.contains({table->name, column.name}),
                              .has_pgvector = options_.has_pgvector};
      TypeChoice choice = choose_type(column, evidence.columns[i], place);
      if (!has_values(evidence.columns[i].storage)) {
        auto declared = choose_declared_form(column, place, choice, &defaults_);
        if (declared) choice = std::move(*declared);
      }
      column.type = choice.type;
      column.reason = std::move(choice.reason);
    }
    choose_ruled_types(options_.rules, options_.plain_columns, table);
  }

  void translate_defaults(Table* table, std::vector<Finding>* findings) {
    const expression::Scope scope = expression_scope(*table);
    for (size_t i = 0; i < table->columns.size(); ++i) {
      Column& column = table->columns[i];
      if (!column.default_sql || is_rowid_key(*table, i)) continue;
      if (DefaultTranslator::is_null_literal(*column.default_sql)) continue;
      column.target_default = defaults_.translate(column);
      if (column.target_default) continue;
      auto made = expression::translate_value(*column.default_sql, expression::Scope(),
                                              expression::Use::kDefault, scope.columns[i]);
      if (made) {
        column.target_default = std::move(made.value().sql);
      } else {
        findings->push_back(
            default_finding(*table, column, describe(made.error(), *column.default_sql)));
      }
    }
  }

  static void declare_bounds(const TableEvidence& evidence, Table* table) {
    for (size_t i = 0; i < table->columns.size(); ++i) {
      Column& column = table->columns[i];
      const bool key = std::find(table->key.begin(), table->key.end(), i) != table->key.end();
      column.not_null = key || (column.not_null && evidence.columns[i].storage.null == 0);
      // A form was chosen because all values had it; one that has not says that it was no rule.
      // And where nothing is stored, the declaration was all there was to go by.
      const StorageCounts& storage = evidence.columns[i].storage;
      const bool nothing = storage.integer + storage.real + storage.text + storage.blob == 0;
      if (has_form(column.type) || nothing) column.on_misfit = OnMisfit::kWiden;
    }
  }

  sqlite::Connection& connection_;
  const Catalog& catalog_;
  const PlanOptions& options_;
  DefaultTranslator defaults_;
  std::map<std::string, TableNames> names_;
  std::vector<FtsSource> searches_;
};

// `about`: the one table that is planned; null: all are.
Result<Planner> make_planner(sqlite::Connection& connection, const Catalog& catalog,
                             const PlanOptions& options, const Table* about) {
  CROSSFADE_TRY(auto defaults, DefaultTranslator::open());
  CROSSFADE_TRY(auto searches, find_fts_sources(connection, catalog, about, options.stop));
  return Planner(connection, catalog, options, std::move(defaults), std::move(searches));
}

void sort_findings(std::vector<Finding>* findings) {
  std::stable_sort(findings->begin(), findings->end(), [](const Finding& a, const Finding& b) {
    const bool a_first = a.severity == Severity::kBlocker;
    const bool b_first = b.severity == Severity::kBlocker;
    return std::tie(b_first, a.table) < std::tie(a_first, b.table);
  });
}

void assemble_ddl(const std::string& target_schema, Plan* plan) {
  for (const TablePlan& each : plan->tables) {
    if (!each.table.adopted) plan->ddl.push_back(each.table.create_table_ddl);
  }
  for (const TablePlan& each : plan->tables) {
    std::string comment = comment_ddl(each.table, target_schema);
    if (!comment.empty()) plan->ddl.push_back(std::move(comment));
    for (const Search& search : each.table.searches) {
      if (!search.add_ddl.empty()) plan->ddl.push_back(search.add_ddl);
    }
  }
  for (const TablePlan& each : plan->tables) {
    if (!each.table.adopted) plan->ddl.push_back(each.table.primary_key_ddl);
  }
  for (const TablePlan& each : plan->tables) {
    for (const Index& index : each.table.indexes) {
      if (index.target_ddl) plan->ddl.push_back(*index.target_ddl);
    }
    for (const Search& search : each.table.searches) plan->ddl.push_back(search.index_ddl);
  }
  for (const TablePlan& each : plan->tables) {
    for (const ForeignKey& key : each.table.foreign_keys) {
      if (key.target_ddl) plan->ddl.push_back(*key.target_ddl);
    }
  }
  for (const TablePlan& each : plan->tables) {
    for (const Check& check : each.table.checks) {
      if (check.target_ddl) plan->ddl.push_back(*check.target_ddl);
    }
  }
  for (const ViewPlan& view : plan->views) {
    plan->ddl.push_back(view.target_ddl);
    plan->ddl.push_back(comment_ddl(view, target_schema));
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
  CROSSFADE_TRY(auto planner, make_planner(connection, catalog, options, nullptr));
  Plan plan;
  std::vector<TableDraft> drafts;
  for (const Table& table : catalog.tables) {
    CROSSFADE_TRY(auto draft, planner.draft(table, &plan.findings));
    drafts.push_back(std::move(draft));
  }
  join_references(options.plain_columns, &drafts);
  for (TableDraft& draft : drafts) {
    plan.tables.push_back(planner.complete(std::move(draft), &plan.findings));
  }
  std::vector<const Table*> parents;
  for (const TablePlan& each : plan.tables) parents.push_back(&each.table);
  for (TablePlan& each : plan.tables) {
    CROSSFADE_TRY(planner.add_foreign_keys(parents, &each.table, &plan.findings));
  }
  plan.views = plan_views(catalog.views, parents,
                          {options.target_schema, options.naming, options.rules}, &plan.findings);
  CROSSFADE_TRY(planner.find_virtual(parents, &plan.findings));
  find_uncarried(catalog, &plan.findings);
  if (options.adopt != nullptr) find_only_on_target(*options.adopt, parents, &plan.findings);
  sort_findings(&plan.findings);
  assemble_ddl(options.target_schema, &plan);
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
  CROSSFADE_TRY(auto planner, make_planner(connection, catalog, options, &*declared));
  std::vector<TableDraft> drafts;
  std::vector<Finding> others;  // about the tables it is connected with: not asked for
  for (const Table* each : connected_tables(catalog, *declared)) {
    CROSSFADE_TRY(auto draft, planner.draft(*each, drafts.empty() ? findings : &others));
    drafts.push_back(std::move(draft));
  }
  join_references(options.plain_columns, &drafts);
  TablePlan planned = planner.complete(std::move(drafts.front()), findings);
  std::vector<TablePlan> connected;
  for (size_t i = 1; i < drafts.size(); ++i) {
    connected.push_back(planner.complete(std::move(drafts[i]), &others));
  }
  std::vector<const Table*> parent_tables;
  for (const TablePlan& each : connected) parent_tables.push_back(&each.table);
  CROSSFADE_TRY(planner.add_foreign_keys(parent_tables, &planned.table, findings));
  return planned;
}

}  // namespace crossfade::schema
