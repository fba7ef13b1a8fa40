// What stays as it is on either side when tables are adopted.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "engine/postgres/quote.h"
#include "engine/schema/adopt.h"
#include "engine/schema/search_plan.h"
#include "engine/schema/utf8.h"

namespace crossfade::schema {
namespace {

std::string comma_list(const std::vector<std::string>& names) {
  return fmt::format("{}", fmt::join(names, ", "));
}

const TargetRelation* find_relation(const TargetSchema& target, const Table& table) {
  for (const TargetRelation& each : target.relations) {
    if (each.name == table.target_name) return &each;
  }
  return nullptr;
}

Finding only_in_source(const Table& table, Severity severity, const char* code, std::string message,
                       std::string remedy) {
  Finding finding;
  finding.severity = severity;
  finding.code = code;
  finding.table = table.name;
  finding.message = std::move(message);
  finding.remedy = std::move(remedy);
  return finding;
}

bool has_equal(const TargetRelation& relation, const Table& table, const Index& index) {
  std::vector<std::string> columns;
  for (const Index::Part& part : index.parts) {
    columns.push_back(table.columns[part.column].target_name);
  }
  return std::any_of(relation.keys.begin(), relation.keys.end(), [&](const TargetKey& key) {
    return key.columns == columns && (key.unique || !index.unique);
  });
}

bool has_equal(const TargetRelation& relation, const Table& table, const ForeignKey& key) {
  std::set<std::string> columns;
  for (const Column& column : table.columns) {
    const auto named = [&](const std::string& name) { return same_name(name, column.name); };
    if (std::any_of(key.columns.begin(), key.columns.end(), named)) {
      columns.insert(column.target_name);
    }
  }
  return std::any_of(
      relation.references.begin(), relation.references.end(), [&](const TargetReference& each) {
        return std::set<std::string>(each.columns.begin(), each.columns.end()) == columns;
      });
}

constexpr const char* kByMigration =
    "nothing, if the application does without it there; else add it by a migration";

}  // namespace

void leave_to_target(const TargetSchema& target, Table* table, std::vector<Finding>* findings) {
  const TargetRelation* relation = find_relation(target, *table);
  // While a move loads it, part of what it has is put aside.
  const bool tell = relation != nullptr && !relation->known;
  for (Index& index : table->indexes) {
    if (!index.target_ddl) continue;
    if (tell && !has_equal(*relation, *table, index)) {
      findings->push_back(only_in_source(*table, Severity::kInfo, "index_only_in_source",
                                         fmt::format("the target has no equal of the {} {}: {}",
                                                     index.unique ? "unique index" : "index",
                                                     printable(index.name), *index.target_ddl),
                                         kByMigration));
    }
    index.target_ddl.reset();
  }
  for (const ForeignKey& key : table->foreign_keys) {
    if (!tell || has_equal(*relation, *table, key)) continue;
    findings->push_back(only_in_source(*table, Severity::kInfo, "foreign_key_only_in_source",
                                       fmt::format("the target has no foreign key on ({}) of {}",
                                                   comma_list(key.columns), printable(table->name)),
                                       kByMigration));
  }
  for (Check& check : table->checks) {
    if (tell && check.target_ddl && !relation->has_checks) {
      findings->push_back(
          only_in_source(*table, Severity::kInfo, "check_only_in_source",
                         fmt::format("the target's table has no CHECKs, the source's has {}",
                                     printable(check.source_sql)),
                         kByMigration));
    }
    check.target_ddl.reset();
  }
  table->create_table_ddl.clear();
  table->primary_key_ddl.clear();
}

void leave_searches(std::vector<Finding> planned, Table* table, std::vector<Finding>* findings) {
  for (Finding& finding : planned) {
    // How the target's column is searched is of no use where there is none.
    const bool about_column =
        finding.code == "full_text_rewritten" || finding.code == "full_text_differs";
    if (!about_column) findings->push_back(std::move(finding));
  }
  for (const Search& search : table->searches) {
    findings->push_back(
        search_finding(search.source, "the target's tables are left as they are",
                       "add it by a migration, if the target has nothing for these searches: " +
                           (search.add_ddl.empty() ? search.index_ddl
                                                   : search.add_ddl + "; " + search.index_ddl)));
  }
  table->searches.clear();
}

void drop_decided(const Table& table, size_t first, std::vector<Finding>* findings) {
  static const std::set<std::string> kAboutTheType = {"boolean_beyond_0_1",
                                                      "boolean_words",
                                                      "dates_invalid",
                                                      "dates_mixed",
                                                      "decimal_beyond_declared",
                                                      "default_not_carried",
                                                      "enumeration",
                                                      "epoch_numbers",
                                                      "float_array",
                                                      "json_invalid",
                                                      "longer_than_declared",
                                                      "mixed_storage",
                                                      "null_in_not_null",
                                                      "uuid_mixed"};
  const auto decided = [&](const Finding& finding) {
    if (finding.table != table.name) return false;
    if (finding.code == "rule_misfit") return true;  // each value is tried, and misfits are named
    return finding.severity != Severity::kBlocker && kAboutTheType.contains(finding.code);
  };
  findings->erase(std::remove_if(findings->begin() + static_cast<std::ptrdiff_t>(first),
                                 findings->end(), decided),
                  findings->end());
}

void find_only_on_target(const TargetSchema& target, const std::vector<const Table*>& tables,
                         std::vector<Finding>* findings) {
  std::map<std::string, const Table*> takers;
  for (const Table* table : tables) {
    const auto [first, alone] = takers.emplace(table->target_name, table);
    if (alone) continue;
    findings->push_back(
        only_in_source(*table, Severity::kBlocker, "name_collision",
                       fmt::format("it and {} would both be loaded into {}",
                                   printable(first->second->name), printable(table->target_name)),
                       "choose another with a rule (rename), or leave one out (exclude = true)"));
  }
  for (const TargetRelation& each : target.relations) {
    const bool matched = std::any_of(tables.begin(), tables.end(), [&](const Table* table) {
      return table->target_name == each.name;
    });
    if (matched || !each.table) continue;
    Finding finding;
    finding.code = "table_only_on_target";
    finding.message = fmt::format("the source has no table for {}, which is left alone",
                                  postgres::quote(target.name, each.name));
    finding.remedy = "nothing, if it is to stay as it is";
    findings->push_back(std::move(finding));
  }
}

}  // namespace crossfade::schema
