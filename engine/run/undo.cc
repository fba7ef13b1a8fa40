#include "engine/run/undo.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <algorithm>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "apply/reverse_state.h"
#include "apply/source_writer.h"
#include "capture/change_log.h"
#include "capture/undo_table.h"
#include "engine/core/limits.h"
#include "engine/observe/fault.h"
#include "engine/observe/log.h"
#include "engine/run/audit.h"
#include "engine/run/route_file.h"
#include "engine/run/source_opening.h"
#include "engine/run/state_folder.h"
#include "engine/schema/catalog.h"
#include "engine/schema/rules.h"
#include "engine/schema/table_reader.h"
#include "engine/schema/utf8.h"
#include "engine/sqlite/connection.h"
#include "engine/sqlite/sqlite_error_map.h"
#include "engine/sqlite/statement.h"
#include "engine/sqlite/transaction.h"

namespace crossfade::run {
namespace {

using capture::undo_refused;

// Rows come to be as they were, whatever a CHECK that was added later says of them.
Status silence(sqlite::Connection& source) {
  for (const int option : {SQLITE_DBCONFIG_ENABLE_TRIGGER, SQLITE_DBCONFIG_ENABLE_FKEY}) {
    const int rc = sqlite3_db_config(source.handle(), option, 0, nullptr);
    if (rc != SQLITE_OK) {
      return fail(sqlite::make_error(rc, source.handle(), "undo.open", source.path()));
    }
  }
  sqlite3_db_config(source.handle(), SQLITE_DBCONFIG_TRUSTED_SCHEMA, 1, nullptr);
  return source.exec("PRAGMA synchronous=FULL; PRAGMA ignore_check_constraints=ON");
}

Error not_primary(const std::string& database) {
  return undo_refused(database, "SQLite takes no writes: PostgreSQL is the primary, or about to be",
                      "`crossfade rollback` brings the writers back; what they wrote to PostgreSQL "
                      "is not in the change log");
}

Error capture_differs(const std::string& table) {
  return undo_refused(table,
                      "the table, or the triggers that capture it, are not what they were when the "
                      "capture was installed",
                      "`crossfade run` takes that up; from then on positions can be gone back to");
}

class Undoer {
 public:
  Undoer(const EngineOptions& options, const UndoOptions& undo_options, const StateFolder& state,
         sqlite::Connection& source)
      : options_(options), undo_(undo_options), state_(state), source_(source) {}

  Result<UndoReport> run() {
    CROSSFADE_TRY(auto transaction, sqlite::Transaction::begin(source_, sqlite::Begin::kImmediate));
    CROSSFADE_TRY(check_primary());
    CROSSFADE_TRY(const auto reach, capture::read_reach(source_));
    report_.dry_run = undo_.dry_run;
    report_.from = report_.now = reach.newest;
    report_.to = undo_.to;
    CROSSFADE_TRY(const auto shapes, read_shapes());
    CROSSFADE_TRY(capture::check_reach(source_, reach, undo_.to));
    CROSSFADE_TRY(report_.undone, capture::undo_changes(source_, shapes, undo_.to));
    CROSSFADE_TRY(report_.now, capture::newest_lsn(source_));
    CROSSFADE_TRY(look_around());
    if (undo_.dry_run) return std::move(report_);
    fault_point("undo.before_commit");
    CROSSFADE_TRY(transaction.commit());
    fault_point("undo.after_commit");
    return std::move(report_);
  }

 private:
  // Asked under the write lock: a cutover raises its fence under it.
  Status check_primary() {
    CROSSFADE_TRY(const auto identity, capture::read_identity(source_));
    if (!identity) {
      return fail(undo_refused(state_.database(), "no move of this database is on",
                               "the change log begins with `crossfade run`"));
    }
    CROSSFADE_TRY(const bool fenced, capture::fence_is_up(source_));
    CROSSFADE_TRY(const auto noted, read_route_file(state_.route()));
    if (fenced || noted.primary == Primary::kPostgres) return fail(not_primary(state_.database()));
    CROSSFADE_TRY(const auto way_back, apply::read_reverse_state(source_));
    if (way_back && way_back->live) {
      return fail(undo_refused(state_.database(),
                               "PostgreSQL's writes come to this file too, and the change log has "
                               "not got them",
                               "end the dual writes first: `crossfade run --mode follow`"));
    }
    return ok();
  }

  // The captured tables as they are, which must be what they were.
  Result<capture::Shapes> read_shapes() {
    CROSSFADE_TRY(const auto whole, schema::read_catalog(source_));
    CROSSFADE_TRY(auto carried,
                  schema::read_carried_catalog(source_, options_.naming, options_.rules.get()));
    std::vector<capture::TriggerRow> triggers;
    for (const schema::Trigger& t : carried.triggers) {
      triggers.push_back({t.name, t.table, t.sql, t.schema_rowid});
    }
    CROSSFADE_TRY(const auto captured, capture::read_captured(source_));
    capture::Shapes shapes;
    for (const capture::Captured& each : captured) {
      const Table* const table = find(carried.tables, each.table);
      if (table == nullptr) return fail(capture_differs(each.table));
      CROSSFADE_TRY(check_whole(*table, *find(whole.tables, each.table), each.id));
      // The plan takes the rowid for the key where the declared one holds NULLs.
      Table by_rowid = *table;
      if (table->identity != Identity::kSurrogate) schema::add_surrogate(&by_rowid);
      const Table* const as_installed = capture::triggers_intact(*table, each, triggers) ? table
                                        : capture::triggers_intact(by_rowid, each, triggers)
                                            ? &by_rowid
                                            : nullptr;
      if (as_installed == nullptr || table->shape != each.shape) {
        return fail(capture_differs(each.table));
      }
      shapes[each.id] = {std::make_shared<const Table>(*as_installed), each.base_lsn};
    }
    return shapes;
  }

  static const Table* find(const std::vector<Table>& tables, const std::string& name) {
    const auto at = std::find_if(tables.begin(), tables.end(),
                                 [&](const Table& table) { return table.name == name; });
    return at == tables.end() ? nullptr : &*at;
  }

  // Columns that a rule leaves behind are not in the log.
  Status check_whole(const Table& carried, const Table& whole, CaptureId id) {
    if (carried.columns.size() == whole.columns.size()) return ok();
    CROSSFADE_TRY(
        const int64_t touched,
        source_.query_int(fmt::format("SELECT EXISTS(SELECT 1 FROM {} WHERE lsn>{} AND tbl={})",
                                      capture::kLogTable, undo_.to.value, id.value)));
    if (touched == 0) return ok();
    return fail(undo_refused(carried.name, "rules leave columns of this table out of the log",
                             "its rows cannot be told as they were; choose a newer position"));
  }

  // What triggers and foreign keys would have done, had they not been silent.
  Status look_around() {
    std::vector<std::string> written;
    for (const capture::UndoneTable& table : report_.undone.tables) written.push_back(table.name);
    CROSSFADE_TRY(report_.stale_searches, refresh_searches_of(source_, written));
    CROSSFADE_TRY(const auto catalog, schema::read_catalog(source_));
    const auto is_written = [&](const std::string& name) {
      return std::any_of(written.begin(), written.end(),
                         [&](const std::string& each) { return schema::same_name(each, name); });
    };
    for (const Table& table : catalog.tables) {
      const bool concerned =
          std::any_of(table.foreign_keys.begin(), table.foreign_keys.end(),
                      [&](const ForeignKey& key) { return is_written(key.parent_table); }) ||
          (!table.foreign_keys.empty() && is_written(table.name));
      if (!concerned) continue;
      auto counted = count_orphans(table.name);
      // A key that refers to no column of its parent's is an error to SQLite whenever it is used.
      if (!counted) log::warn(describe(counted.error()));
    }
    return ok();
  }

  Status count_orphans(const std::string& table) {
    CROSSFADE_TRY(auto rows, sqlite::Statement::prepare(
                                 source_, fmt::format("PRAGMA main.foreign_key_check({})",
                                                      sqlite::quote(table))));
    std::map<std::string, int64_t> by_parent;
    while (true) {
      CROSSFADE_TRY(const bool there, rows.step());
      if (!there) break;
      ++by_parent[std::string(rows.bytes(2))];
    }
    for (const auto& [parent, count] : by_parent) {
      report_.orphans.push_back({table, parent, count});
    }
    return ok();
  }

  const EngineOptions& options_;
  const UndoOptions undo_;
  const StateFolder& state_;
  sqlite::Connection& source_;
  UndoReport report_;
};

}  // namespace

nlohmann::json to_json(const UndoReport& r) {
  nlohmann::json out = {{"dry_run", r.dry_run},
                        {"undone_changes", r.undone.changes},
                        {"from_lsn", r.from.value},
                        {"to_lsn", r.to.value},
                        {"new_lsn", r.now.value},
                        {"stale_searches", r.stale_searches},
                        {"tables", nlohmann::json::array()},
                        {"orphans", nlohmann::json::array()}};
  for (const capture::UndoneTable& table : r.undone.tables) {
    out["tables"].push_back({{"name", table.name},
                             {"rows_inserted", table.rows_inserted},
                             {"rows_updated", table.rows_updated},
                             {"rows_deleted", table.rows_deleted}});
  }
  for (const Orphans& each : r.orphans) {
    out["orphans"].push_back({{"table", each.table}, {"parent", each.parent}, {"rows", each.rows}});
  }
  return out;
}

std::string to_text(const UndoReport& r) {
  if (r.from == r.to) {
    return fmt::format("{} is the newest position; nothing to undo\n", r.to.value);
  }
  std::string out = fmt::format("{} changes above position {} {} given up; ", r.undone.changes,
                                r.to.value, r.dry_run ? "would be" : "are");
  out += fmt::format("the log {} at {}\n", r.dry_run ? "would then end" : "now ends", r.now.value);
  for (const capture::UndoneTable& table : r.undone.tables) {
    out += fmt::format("  {}: {} rows put back, {} set back, {} removed\n", table.name,
                       table.rows_inserted, table.rows_updated, table.rows_deleted);
  }
  if (r.undone.tables.empty()) out += "  every row is as it was\n";
  for (const Orphans& each : r.orphans) {
    out += fmt::format("  {}: {} rows refer to no row of {}\n", each.table, each.rows, each.parent);
  }
  for (const std::string& each : r.stale_searches) {
    out += fmt::format("  {}: full text of its own, left as it is\n", each);
  }
  return out;
}

Result<UndoReport> undo(const EngineOptions& options, const UndoOptions& undo_options) {
  CROSSFADE_TRY(const auto state, StateFolder::of(options.database));
  CROSSFADE_TRY(auto source, sqlite::Connection::open({state.database(), sqlite::Access::kReadWrite,
                                                       limits::kSourceBusyTimeout}));
  CROSSFADE_TRY(silence(source));
  CROSSFADE_TRY(auto report, Undoer(options, undo_options, state, source).run());
  if (!report.dry_run && report.from != report.to) {
    AuditLog(state.audit()).record("undone", to_json(report));
  }
  return report;
}

}  // namespace crossfade::run
