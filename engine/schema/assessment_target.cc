#include "engine/schema/assessment_target.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "engine/schema/assessment_format.h"
#include "engine/schema/utf8.h"

namespace crossfade::schema {
namespace {

Finding about_target(Severity severity, const char* code, std::string message, std::string remedy) {
  Finding finding;
  finding.severity = severity;
  finding.code = code;
  finding.message = std::move(message);
  finding.remedy = std::move(remedy);
  return finding;
}

bool has_float_vectors(const Plan& plan, std::string* where) {
  for (const TablePlan& each : plan.tables) {
    for (const Column& column : each.table.columns) {
      if (column.type.form != SourceForm::kFloat32Bytes) continue;
      *where = each.table.name + "." + column.name;
      return true;
    }
  }
  return false;
}

const VirtualTable* find_module(const Catalog& catalog, std::string_view prefix) {
  const auto at = std::find_if(catalog.virtual_tables.begin(), catalog.virtual_tables.end(),
                               [prefix](const VirtualTable& table) {
                                 return ascii_upper(table.module).starts_with(prefix);
                               });
  return at == catalog.virtual_tables.end() ? nullptr : &*at;
}

// SpatiaLite's and GeoPackage's own catalogs.
const Table* find_spatial_catalog(const Catalog& catalog) {
  const auto at =
      std::find_if(catalog.tables.begin(), catalog.tables.end(), [](const Table& table) {
        return same_name(table.name, "geometry_columns") ||
               same_name(table.name, "gpkg_geometry_columns");
      });
  return at == catalog.tables.end() ? nullptr : &*at;
}

Finding lacking(const ExtensionAdvice& advice, const Extension& state) {
  std::string remedy = fmt::format("CREATE EXTENSION {};", advice.name);
  std::string message = fmt::format("{} would serve {}; ", advice.name, advice.why);
  if (state.available.empty()) {
    message += "the server does not have it";
    remedy = "install its package on the server, then " + remedy;
  } else {
    message += fmt::format("the server has version {}, this database has not", state.available);
  }
  return about_target(Severity::kInfo, "extension_lacking", std::move(message), std::move(remedy));
}

}  // namespace

const std::vector<std::string>& known_extensions() {
  static const std::vector<std::string> kNames{"vector", "pg_trgm", "postgis"};
  return kNames;
}

std::vector<ExtensionAdvice> advise_extensions(const Plan& plan, const Catalog& catalog) {
  std::vector<ExtensionAdvice> out;
  std::string where;
  if (has_float_vectors(plan, &where)) {
    out.push_back({"vector", fmt::format("the float arrays in {}: distance search and its indexes",
                                         printable(where))});
  }
  if (const VirtualTable* fts = find_module(catalog, "FTS")) {
    out.push_back({"pg_trgm", fmt::format("what {} ({}) searches: substrings and near matches",
                                          printable(fts->name), printable(fts->module))});
  }
  const VirtualTable* spatial = find_module(catalog, "RTREE");
  if (spatial == nullptr) spatial = find_module(catalog, "VIRTUALSPATIAL");
  if (spatial == nullptr) spatial = find_module(catalog, "GEOPOLY");
  const Table* geometry = find_spatial_catalog(catalog);
  if (spatial != nullptr || geometry != nullptr) {
    const std::string& name = spatial != nullptr ? spatial->name : geometry->name;
    out.push_back(
        {"postgis", fmt::format("the positions and shapes that {} is about", printable(name))});
  }
  return out;
}

std::vector<Finding> find_in_target(const Assessment& assessment, const Plan& plan,
                                    const Catalog& catalog, const std::string& target_schema) {
  const TargetFacts& target = assessment.target;
  std::vector<Finding> out;
  if (target.url.empty()) return out;
  if (!target.reachable) {
    if (!target.problem.empty()) {
      out.push_back(about_target(Severity::kWarning, "target_unreachable", target.problem,
                                 "mend it before `run`; inspect has judged the source alone"));
    }
    return out;
  }
  if (target.encoding != "UTF8") {
    out.push_back(about_target(
        Severity::kWarning, "target_not_utf8",
        fmt::format("the target database stores {}, which does not hold every text",
                    target.encoding),
        "make a database with CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0"));
  }
  if (!target.may_create_schema || !target.may_create_tables) {
    const std::string what = target.may_create_schema
                                 ? fmt::format("tables in the schema {}", printable(target_schema))
                                 : std::string("schemas in the target database");
    out.push_back(about_target(Severity::kWarning, "target_may_not_create",
                               fmt::format("the role may not create {}, and `run` needs to", what),
                               target.may_create_schema
                                   ? "GRANT CREATE ON SCHEMA ... TO the role"
                                   : "GRANT CREATE ON DATABASE ... TO the role"));
  }
  if (!target.no_way_back.empty() && target.outbox) {
    out.push_back(about_target(
        Severity::kInfo, "no_way_back",
        fmt::format(
            "no way back by decoding PostgreSQL's log: {}. After a cutover the way back goes "
            "by triggers that write each change into an outbox table, and writers pay for "
            "it until the rollback or `finish`; both sides cannot be written to (`run --mode "
            "dual`)",
            fmt::join(target.no_way_back, "; ")),
        "none is needed; mend it before the cutover to have writers pay nothing"));
  } else if (!target.no_way_back.empty()) {
    out.push_back(about_target(
        Severity::kWarning, "no_way_back",
        fmt::format("after a cutover there could be no rollback: {}",
                    fmt::join(target.no_way_back, "; ")),
        "mend it before the cutover, or do without a way back: `cutover --no-rollback`"));
  }
  if (target.disk_free_bytes && *target.disk_free_bytes < assessment.copy.target_bytes) {
    out.push_back(about_target(
        Severity::kWarning, "target_disk_short",
        fmt::format("the target has {} of free disk, and the move may need {} ({})",
                    format_bytes(*target.disk_free_bytes),
                    format_bytes(assessment.copy.target_bytes), assessment.copy.target_bytes_basis),
        "provide more disk before the copy begins"));
  }
  for (const ExtensionAdvice& advice : advise_extensions(plan, catalog)) {
    const auto at = target.extensions.find(advice.name);
    const Extension state = at == target.extensions.end() ? Extension{} : at->second;
    if (state.installed.empty()) out.push_back(lacking(advice, state));
  }
  return out;
}

}  // namespace crossfade::schema
