#include "engine/schema/inspect_report.h"

#include <fmt/core.h>

#include <nlohmann/json.hpp>
#include <string_view>
#include <vector>

#include "engine/schema/assessment_effort.h"
#include "engine/schema/utf8.h"

namespace crossfade::schema {
namespace {

// Names and SQL keep their control characters in JSON, which escapes them itself.
std::string clean(const std::string& text) {
  return printable(text, false);
}

const char* identity_name(Identity identity) {
  switch (identity) {
    case Identity::kRowidAlias:
      return "rowid_alias";
    case Identity::kPrimaryKey:
      return "primary_key";
    case Identity::kSurrogate:
      return "surrogate";
  }
  return "surrogate";
}

nlohmann::json table_json(const TablePlan& plan) {
  nlohmann::json columns = nlohmann::json::array();
  for (size_t i = 0; i < plan.table.columns.size(); ++i) {
    const Column& column = plan.table.columns[i];
    if (column.synthetic) continue;
    const StorageCounts& storage = plan.storage[i];
    columns.push_back({{"name", clean(column.name)},
                       {"declared_type", clean(column.declared_type)},
                       {"storage",
                        {{"null", storage.null},
                         {"integer", storage.integer},
                         {"real", storage.real},
                         {"text", storage.text},
                         {"blob", storage.blob}}},
                       {"target_type", to_string(column.type)},
                       {"reason", clean(column.reason)}});
    if (column.target_generated) {
      columns.back()["target_generated"] = clean(*column.target_generated);
    }
  }
  nlohmann::json key = nlohmann::json::array();
  for (const size_t column : plan.table.key) key.push_back(clean(plan.table.columns[column].name));
  return {{"name", clean(plan.table.name)},
          {"rows", plan.rows},
          {"identity", identity_name(plan.table.identity)},
          {"key", std::move(key)},
          {"columns", std::move(columns)}};
}

nlohmann::json finding_json(const Finding& finding) {
  const EffortEstimate effort = effort_of(finding);
  nlohmann::json samples = nlohmann::json::array();
  for (const std::string& sample : finding.samples) samples.push_back(clean(sample));
  return {{"severity", to_string(finding.severity)},
          {"code", finding.code},
          {"table", clean(finding.table)},
          {"column", clean(finding.column)},
          {"rows", finding.rows},
          {"message", clean(finding.message)},
          {"samples", std::move(samples)},
          {"remedy", clean(finding.remedy)},
          {"effort", to_string(effort.effort)},
          {"effort_reason", effort.reason}};
}

nlohmann::json database_json(const Assessment& assessment) {
  const DatabaseFacts& d = assessment.database;
  return {{"path", clean(d.path)},
          {"bytes", d.file_bytes},
          {"wal_bytes", d.wal_bytes},
          {"wal_frames", d.wal_frames},
          {"wal_frames_pending", d.wal_frames_pending},
          {"journal_bytes", d.journal_bytes},
          {"page_bytes", d.page_bytes},
          {"pages", d.pages},
          {"free_pages", d.free_pages},
          {"journal_mode", clean(d.journal_mode)},
          {"auto_vacuum", d.auto_vacuum},
          {"encoding", d.encoding},
          {"application_id", d.application_id},
          {"user_version", d.user_version},
          {"schema_version", d.schema_version},
          {"triggers", d.triggers},
          {"views", d.views},
          {"virtual_tables", d.virtual_tables.size()}};
}

nlohmann::json totals_json(const Plan& plan, const Assessment& assessment) {
  const PlanTotals totals = totals_of(plan);
  return {{"tables", plan.tables.size()},
          {"columns", totals.columns},
          {"rows", totals.rows},
          {"indexes", totals.indexes},
          {"foreign_keys", totals.foreign_keys},
          {"table_bytes", assessment.table_bytes()},
          {"index_bytes", assessment.index_bytes()},
          {"other_bytes", assessment.sizes.other_bytes},
          {"bytes_basis", assessment.sizes.basis}};
}

nlohmann::json target_json(const TargetFacts& t) {
  nlohmann::json out{{"origin", t.origin}, {"url", clean(t.url)}, {"reachable", t.reachable}};
  if (!t.problem.empty()) out["problem"] = clean(t.problem);
  out["disk_free_bytes"] = nullptr;
  if (t.disk_free_bytes) out["disk_free_bytes"] = *t.disk_free_bytes;
  out["disk_basis"] = clean(t.disk_basis);
  if (!t.reachable) return out;
  out["server_version"] = clean(t.server_version);
  out["encoding"] = clean(t.encoding);
  out["wal_level"] = clean(t.wal_level);
  out["database_bytes"] = t.database_bytes;
  out["may_create_schema"] = t.may_create_schema;
  out["may_create_tables"] = t.may_create_tables;
  nlohmann::json extensions = nlohmann::json::object();
  for (const auto& [name, state] : t.extensions) {
    extensions[name] = {{"installed", clean(state.installed)},
                        {"available", clean(state.available)}};
  }
  out["extensions"] = std::move(extensions);
  return out;
}

}  // namespace

const char* to_string(Severity severity) {
  switch (severity) {
    case Severity::kInfo:
      return "info";
    case Severity::kWarning:
      return "warning";
    case Severity::kBlocker:
      return "blocker";
  }
  return "info";
}

nlohmann::json to_json(const Plan& plan) {
  nlohmann::json tables = nlohmann::json::array();
  nlohmann::json findings = nlohmann::json::array();
  nlohmann::json ddl = nlohmann::json::array();
  for (const TablePlan& table : plan.tables) tables.push_back(table_json(table));
  for (const Finding& finding : plan.findings) findings.push_back(finding_json(finding));
  for (const std::string& statement : plan.ddl) ddl.push_back(clean(statement));
  return {{"tables", std::move(tables)},
          {"findings", std::move(findings)},
          {"ddl", std::move(ddl)},
          {"blocked", plan.blocked()}};
}

nlohmann::json to_json(const Plan& plan, const Assessment& assessment) {
  nlohmann::json out = to_json(plan);
  for (size_t i = 0; i < assessment.sizes.tables.size(); ++i) {
    const TableSize& size = assessment.sizes.tables[i];
    out["tables"][i]["bytes"] = size.table_bytes;
    out["tables"][i]["index_bytes"] = size.index_bytes;
    out["tables"][i]["bytes_measured"] = size.measured;
  }
  const EffortTotals effort = effort_totals(plan);
  out["grade"] = to_string(assessment.grade);
  out["effort"] = {{"none", effort.none}, {"minutes", effort.minutes}, {"hours", effort.hours}};
  out["totals"] = totals_json(plan, assessment);
  out["database"] = database_json(assessment);
  const WriteRate& writes = assessment.writes;
  out["writes"] = {{"commits", writes.commits},
                   {"seconds", writes.seconds},
                   {"commits_per_s", writes.commits_per_s()},
                   {"at_least", writes.at_least},
                   {"basis", writes.basis}};
  const CopyEstimate& copy = assessment.copy;
  out["copy"] = {
      {"scan_seconds", copy.scan_seconds},   {"copy_seconds", copy.copy_seconds},
      {"total_seconds", copy.total_seconds}, {"basis", copy.basis},
      {"target_bytes", copy.target_bytes},   {"target_bytes_basis", copy.target_bytes_basis}};
  out["target"] = target_json(assessment.target);
  return out;
}

const char* grade_title(Grade grade) {
  switch (grade) {
    case Grade::kReady:
      return "ready";
    case Grade::kReadyWithDecisions:
      return "ready with decisions";
    case Grade::kBlocked:
      return "blocked";
  }
  return "blocked";
}

std::string grade_meaning(const Plan& plan) {
  const int64_t blockers = count_findings(plan, Severity::kBlocker);
  const int64_t warnings = count_findings(plan, Severity::kWarning);
  switch (grade_of(plan)) {
    case Grade::kReady:
      return "Everything stored can be carried exactly, and nothing needs a decision.";
    case Grade::kReadyWithDecisions:
      return fmt::format(
          "Every stored value can be carried exactly. {} something around the data that is not "
          "carried over, or that will mean something else on PostgreSQL: read and decide, then "
          "move.",
          warnings == 1 ? "1 warning names" : fmt::format("{} warnings name", warnings));
    case Grade::kBlocked:
      return fmt::format(
          "{} decided first: what {} could not be carried exactly, and the move refuses to start "
          "until it is settled.{}",
          blockers == 1 ? "1 finding must be" : fmt::format("{} findings must be", blockers),
          blockers == 1 ? "it names" : "they name",
          warnings == 0 ? ""
                        : fmt::format(" Besides, there {} to read.",
                                      warnings == 1 ? "is 1 warning"
                                                    : fmt::format("are {} warnings", warnings)));
  }
  return "";
}

}  // namespace crossfade::schema
