#include "engine/run/reconcile.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <utility>

#include "capture/change_log.h"
#include "engine/core/backoff.h"
#include "engine/core/limits.h"
#include "engine/observe/fault.h"
#include "engine/observe/log.h"
#include "engine/run/put_aside.h"
#include "engine/run/target_misfits.h"
#include "engine/run/target_reader.h"
#include "engine/schema/plan.h"
#include "engine/schema/uncarried_findings.h"
#include "engine/sqlite/transaction.h"

namespace crossfade::run {
namespace {

struct Seen {
  schema::Catalog catalog;
  std::vector<capture::Captured> captured;
  std::vector<capture::TriggerRow> triggers;
};

Result<Seen> look_at_source(Move& move) {
  sqlite::Connection& source = move.source.connection();
  CROSSFADE_TRY(auto snapshot, sqlite::Transaction::begin(source, sqlite::Begin::kDeferred));
  Seen seen;
  CROSSFADE_TRY(seen.catalog, schema::read_carried_catalog(source, move.options.naming,
                                                           move.options.rules.get()));
  CROSSFADE_TRY(seen.captured, capture::read_captured(source));
  for (const schema::Trigger& t : seen.catalog.triggers) {
    seen.triggers.push_back({t.name, t.table, t.sql, t.schema_rowid});
  }
  return seen;
}

template <typename Items, typename Name>
auto find_by(Items& items, Name name) {
  return std::find_if(items.begin(), items.end(), name);
}

// Whether what is on the target is still what this source table needs.
bool is_settled(const Table& now, const TargetTable& entry, const Seen& seen, bool schema_moved) {
  const auto captured = find_by(seen.captured, [&](const capture::Captured& c) {
    return c.id == entry.capture_id && c.table == now.name;
  });
  if (captured == seen.captured.end() || entry.table->shape != now.shape ||
      entry.table->rules != now.rules) {
    return false;
  }
  if (!capture::triggers_intact(*entry.table, *captured, seen.triggers)) return false;
  if (!schema_moved) return true;
  // A VACUUM moves the schema version too, and renumbers rowids that are nobody's key.
  const bool copying = entry.state == TableState::kCopying;
  return entry.table->identity != Identity::kSurrogate &&
         (!copying || apply::copy_order_is_stable(*entry.table));
}

Error blocked(const std::vector<schema::Finding>& findings) {
  Error error;
  error.code = ErrorCode::kBlocked;
  error.remedy = Remedy::kDecide;
  error.op = "run.plan";
  for (const schema::Finding& f : findings) {
    if (f.severity != schema::Severity::kBlocker) continue;
    error.object += fmt::format("{}{}{}{}", error.object.empty() ? "" : ", ", f.table,
                                f.column.empty() ? "" : ".", f.column);
    error.native += fmt::format("\n    {}: {}", f.code, f.message);
    for (const std::string& sample : f.samples) error.native += "\n      " + sample;
    error.hint = f.remedy;
  }
  return error;
}

// Rows that do not fit can be set aside; a table that cannot be told row by row cannot.
bool can_be_quarantined(const schema::Finding& finding) {
  static const std::set<std::string> kAboutRows = {"text_nul", "text_invalid_utf8", "rule_misfit",
                                                   "target_misfit"};
  return kAboutRows.contains(finding.code);
}

Status check_blockers(const EngineOptions& options, const std::vector<schema::Finding>& findings,
                      bool following) {
  for (const schema::Finding& finding : findings) {
    if (finding.severity != schema::Severity::kBlocker) continue;
    if (can_be_quarantined(finding) && (options.quarantine || following)) continue;
    return fail(blocked(findings));
  }
  return ok();
}

// The plan made before anything was written, if it still is of the same tables.
std::optional<std::vector<schema::TablePlan>> take_prepared(Move& move, const Seen& seen) {
  std::vector<schema::TablePlan> plans = std::exchange(move.prepared, {});
  if (plans.size() != seen.catalog.tables.size()) return std::nullopt;
  for (const schema::TablePlan& plan : plans) {
    const auto now =
        find_by(seen.catalog.tables, [&](const Table& t) { return t.name == plan.table.name; });
    if (now == seen.catalog.tables.end() || now->shape != plan.table.shape) return std::nullopt;
  }
  return plans;
}

// Tables are scanned one by one, without a lock: one that was dropped or renamed meanwhile is no
// failure, but a reason to look again.
Error retry_if_moved(sqlite::Connection& source, int64_t schema_version, Error error) {
  const auto now = source.query_int("PRAGMA schema_version");
  if (error.code == ErrorCode::kSource && now && now.value() != schema_version) {
    error.remedy = Remedy::kRetry;
  }
  return error;
}

// The tables that are to be loaded into; nothing when we make our own.
Result<std::optional<schema::TargetSchema>> tables_there(const EngineOptions& options,
                                                         TargetStore& target) {
  if (!options.schema_from_target) return std::optional<schema::TargetSchema>();
  std::set<std::string> known;
  CROSSFADE_TRY(const bool begun, target.exists());
  if (begun) {
    CROSSFADE_TRY(const auto tables, target.tables());
    for (const TargetTable& entry : tables) known.insert(entry.table->target_name);
  }
  CROSSFADE_TRY(auto there, read_target_schema(target.connection(), options.target_schema, known));
  return std::optional(std::move(there));
}

Result<std::vector<schema::TablePlan>> plan_tables(Move& move, const Seen& seen,
                                                   const std::vector<std::string>& names) {
  if (names.size() == seen.catalog.tables.size()) {
    if (auto prepared = take_prepared(move, seen)) return std::move(*prepared);
  }
  schema::PlanOptions options;
  options.target_schema = move.options.target_schema;
  options.stop = &move.stop;
  options.plain_columns = move.plain_columns;
  options.naming = move.options.naming;
  options.rules = move.options.rules.get();
  CROSSFADE_TRY(options.has_pgvector, move.target.has_pgvector());
  CROSSFADE_TRY(options.trgm_schema, move.target.trgm_schema());
  CROSSFADE_TRY(const auto there, tables_there(move.options, move.target));
  if (there) options.adopt = &*there;
  std::vector<schema::TablePlan> plans;
  std::vector<schema::Finding> findings;
  for (const std::string& name : names) {
    CROSSFADE_TRY(auto plan, schema::plan_table(move.source.connection(), seen.catalog, name,
                                                options, &findings));
    plans.push_back(std::move(plan));
  }
  CROSSFADE_TRY(check_blockers(move.options, findings, true));
  for (schema::Finding& finding : findings) move.findings.push_back(std::move(finding));
  return plans;
}

Status install_and_create(Move& move, const Seen& seen, std::vector<schema::TablePlan> plans,
                          const std::vector<TargetTable>& dropped) {
  std::vector<Table> tables;
  for (const schema::TablePlan& plan : plans) tables.push_back(plan.table);
  std::vector<CaptureId> retire;
  for (const TargetTable& gone : dropped) retire.push_back(gone.capture_id);
  CROSSFADE_TRY(auto installed, capture::install(move.source.connection(), tables, retire,
                                                 seen.catalog.schema_version));
  std::vector<TargetTable> created;
  for (size_t i = 0; i < tables.size(); ++i) {
    const capture::Captured& captured = installed.captured[i];
    TargetTable entry;
    entry.table = std::make_shared<const Table>(std::move(tables[i]));
    entry.capture_id = captured.id;
    entry.base_lsn = captured.base_lsn;
    entry.consistent_lsn = captured.base_lsn;
    entry.rows_total = plans[i].rows;
    created.push_back(std::move(entry));
  }
  fault_point("reconcile.before_create");
  CROSSFADE_TRY(auto refused,
                move.target.create_tables(created, dropped, move.options.target_schema,
                                          installed.schema_version));
  for (schema::Finding& finding : refused) move.findings.push_back(std::move(finding));
  for (const TargetTable& gone : dropped) {
    if (!gone.table->adopted) continue;
    log::warn(fmt::format("{} is gone on the source, and stays on the target as it is",
                          gone.table->name));
    CROSSFADE_TRY(put_back(move, AsideKind::kUnique, gone.table->name));
  }
  fault_point("reconcile.after_create");
  move.schema_version = installed.schema_version;
  return ok();
}

// Somebody altered it on the target since it was planned; or it is gone.
bool was_altered(const schema::TargetSchema& there, const Table& table) {
  const auto relation = find_by(there.relations, [&](const schema::TargetRelation& each) {
    return each.name == table.target_name;
  });
  if (relation == there.relations.end()) return true;
  return std::any_of(table.columns.begin(), table.columns.end(), [&](const Column& column) {
    const auto now = find_by(relation->columns, [&](const schema::TargetColumn& each) {
      return each.name == column.target_name;
    });
    return now == relation->columns.end() || now->type.spelling != column.type.spelling ||
           now->not_null != column.not_null;
  });
}

Status reconcile_once(Move& move) {
  CROSSFADE_TRY(const auto seen, look_at_source(move));
  std::vector<schema::Finding> reserved;
  schema::find_reserved_names(seen.catalog, &reserved);
  CROSSFADE_TRY(check_blockers(move.options, reserved, true));
  CROSSFADE_TRY(const auto progress, move.target.progress());
  CROSSFADE_TRY(const auto known, move.target.tables());
  const bool first = known.empty();
  const bool schema_moved = progress.schema_version != seen.catalog.schema_version;
  move.utf8 = seen.catalog.encoding == "UTF-8";
  move.source_views = seen.catalog.views;
  move.views.reset();
  CROSSFADE_TRY(const auto there, tables_there(move.options, move.target));
  std::vector<std::string> to_do;
  for (const Table& now : seen.catalog.tables) {
    const auto entry =
        find_by(known, [&](const TargetTable& t) { return t.table->name == now.name; });
    if (entry == known.end() || move.to_rebuild.contains(now.name) ||
        !is_settled(now, *entry, seen, schema_moved) ||
        (there && was_altered(*there, *entry->table))) {
      to_do.push_back(now.name);
    }
  }
  std::vector<TargetTable> dropped;
  for (const TargetTable& entry : known) {
    const auto still =
        find_by(seen.catalog.tables, [&](const Table& t) { return t.name == entry.table->name; });
    if (still == seen.catalog.tables.end()) dropped.push_back(entry);
  }
  if (to_do.empty() && dropped.empty()) {
    if (schema_moved) {
      CROSSFADE_TRY(move.target.set_schema_version(seen.catalog.schema_version));
    }
    move.schema_version = seen.catalog.schema_version;
  } else {
    if (!first) {
      log::warn(fmt::format("a schema or the rules changed: {} to copy anew, {} gone",
                            fmt::join(to_do, ", "), dropped.size()));
      move.audit.record("schema_changed", {{"copy_anew", to_do}, {"gone", dropped.size()}});
    }
    auto plans = plan_tables(move, seen, to_do);
    if (!plans) {
      return fail(retry_if_moved(move.source.connection(), seen.catalog.schema_version,
                                 std::move(plans).error()));
    }
    CROSSFADE_TRY(install_and_create(move, seen, std::move(plans).value(), dropped));
    move.to_rebuild.clear();
  }
  CROSSFADE_TRY(move.tables, move.target.tables());
  return ok();
}

Backoff retries() {
  return Backoff(std::chrono::milliseconds(20), std::chrono::milliseconds(500), 50);
}

// The schema moved on while we looked, or a writer held the lock: look again.
bool is_retry(const Error& error) {
  return error.code == ErrorCode::kSource && error.remedy == Remedy::kRetry;
}

}  // namespace

Result<schema::Plan> plan_first(const EngineOptions& options, SourceFile& source,
                                TargetStore& target, StopSource& stop) {
  schema::PlanOptions plan_options;
  plan_options.target_schema = options.target_schema;
  plan_options.stop = &stop;
  CROSSFADE_TRY(plan_options.has_pgvector, target.has_pgvector());
  CROSSFADE_TRY(plan_options.trgm_schema, target.trgm_schema());
  CROSSFADE_TRY(const auto there, tables_there(options, target));
  if (there) plan_options.adopt = &*there;
  plan_options.naming = options.naming;
  plan_options.rules = options.rules.get();
  Backoff backoff = retries();
  while (true) {
    CROSSFADE_TRY(auto catalog, schema::read_carried_catalog(source.connection(), options.naming,
                                                             options.rules.get()));
    auto plan = schema::make_plan(source.connection(), catalog, plan_options);
    if (plan) {
      auto tried = find_target_misfits(source.connection(), plan.value().tables, &stop,
                                       &plan.value().findings);
      if (!tried) plan = fail(std::move(tried).error());
    }
    if (plan) {
      CROSSFADE_TRY(check_blockers(options, plan.value().findings, false));
      return plan;
    }
    Error error =
        retry_if_moved(source.connection(), catalog.schema_version, std::move(plan).error());
    if (!is_retry(error) || !backoff.next()) return fail(std::move(error));
    stop.wait_until(Deadline::after(backoff.pause()));
    if (stop.requested()) return fail(std::move(error));
  }
}

Status reconcile(Move& move) {
  Backoff backoff = retries();
  while (true) {
    auto done = reconcile_once(move);
    if (done || !is_retry(done.error()) || !backoff.next()) return done;
    move.stop.wait_until(Deadline::after(backoff.pause()));
    if (move.stop.requested()) return done;
  }
}

Result<bool> capture_is_intact(Move& move) {
  CROSSFADE_TRY(const auto seen, look_at_source(move));
  if (seen.catalog.schema_version != move.schema_version) return false;
  return std::all_of(seen.catalog.tables.begin(), seen.catalog.tables.end(), [&](const Table& now) {
    const auto entry =
        find_by(move.tables, [&](const TargetTable& t) { return t.table->name == now.name; });
    return entry != move.tables.end() && is_settled(now, *entry, seen, false);
  });
}

}  // namespace crossfade::run
