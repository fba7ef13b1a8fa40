#include "engine/run/status.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "apply/source_writer.h"
#include "capture/change_log.h"
#include "engine/core/limits.h"
#include "engine/run/conflict_store.h"
#include "engine/run/target_store.h"
#include "engine/sqlite/connection.h"

namespace crossfade::run {

nlohmann::json to_json(const StatusReport& r) {
  nlohmann::json tables = nlohmann::json::array();
  for (const TableProgress& t : r.tables) {
    tables.push_back(
        {{"name", t.name}, {"rows_copied", t.rows_copied}, {"rows_total", t.rows_total}});
  }
  nlohmann::json reverse;
  if (!r.reverse_applied.empty()) {
    reverse = {{"kind", to_string(r.reverse_kind)},
               {"applied", r.reverse_applied},
               {"retained_bytes",
                r.reverse_retained < 0 ? nlohmann::json() : nlohmann::json(r.reverse_retained)},
               {"set_aside", r.reverse_set_aside}};
  }
  return {{"phase", r.phase},
          {"primary", to_string(r.primary)},
          {"epoch", r.epoch.value},
          {"captured_lsn", r.captured_lsn.value},
          {"applied_lsn", r.applied_lsn.value},
          {"verified_lsn", r.verified_lsn.value},
          {"lag_changes", r.lag_changes},
          {"lag_ms", r.lag_ms},
          {"rows_copied", r.rows_copied},
          {"rows_total", r.rows_total},
          {"rows_per_s", r.rows_per_s},
          {"rows_per_minute", r.rows_per_s * 60},
          {"eta_s", r.eta_s < 0 ? nlohmann::json() : nlohmann::json(r.eta_s)},
          {"rows_compared", r.rows_compared},
          {"quarantined", r.quarantined},
          {"conflicts", r.conflicts},
          {"conflicts_waiting", r.conflicts_waiting},
          {"reverse", reverse},
          {"watch", r.watch ? to_json(*r.watch) : nlohmann::json()},
          {"running", r.running},
          {"target", r.target},
          {"trouble", r.trouble},
          {"tables", tables}};
}

std::string to_text(const StatusReport& r) {
  std::string out = fmt::format("phase      {}{}\n", r.phase, r.running ? "" : " (no engine runs)");
  out += fmt::format("primary    {} (epoch {})\n", to_string(r.primary), r.epoch.value);
  if (!r.target.empty()) out += fmt::format("target     {}\n", r.target);
  if (!r.trouble.empty()) out += fmt::format("TROUBLE    trying again: {}\n", r.trouble);
  out += fmt::format("copied     {} of {} rows\n", r.rows_copied, r.rows_total);
  out += fmt::format("position   captured {}, applied {}, verified {}\n", r.captured_lsn.value,
                     r.applied_lsn.value, r.verified_lsn.value);
  out += fmt::format("lag        {} changes, {} ms\n", r.lag_changes, r.lag_ms);
  out += fmt::format(
      "attention  {} rows in quarantine, {} conflicts{}\n", r.quarantined, r.conflicts,
      r.conflicts_waiting == 0 ? ""
                               : fmt::format(", {} of which wait for a decision: `crossfade "
                                             "conflicts list` names them",
                                             r.conflicts_waiting));
  if (!r.reverse_applied.empty()) {
    out += fmt::format(
        "way back   by {}: SQLite has PostgreSQL's log up to {}{}{}\n",
        r.reverse_kind == WayBackKind::kOutbox ? "an outbox" : "a slot", r.reverse_applied,
        r.reverse_retained < 0
            ? ""
            : fmt::format("; the server keeps {} bytes for it", r.reverse_retained),
        r.reverse_set_aside == 0 ? "" : fmt::format("; {} rows do not fit", r.reverse_set_aside));
  }
  if (r.watch) {
    const bool unwatched = !r.running && !has_ended(r.watch->state);
    out += fmt::format("watch      {}{}\n", to_text(*r.watch),
                       unwatched ? "; NOBODY WATCHES: `crossfade run` goes on with it" : "");
  }
  return out;
}

StatusReport StatusBoard::get() const {
  const std::lock_guard lock(mutex_);
  return report_;
}

Result<StatusReport> read_status(const std::string& database, const std::string& target) {
  StatusReport out;
  CROSSFADE_TRY(auto source, sqlite::Connection::open({database, sqlite::Access::kReadOnly,
                                                       limits::kSourceBusyTimeout}));
  CROSSFADE_TRY(out.captured_lsn, capture::newest_lsn(source));
  CROSSFADE_TRY(const auto way_back, apply::read_reverse_state(source));
  if (way_back) {
    out.reverse_kind = way_back->kind;
    out.reverse_applied = postgres::to_string(way_back->applied);
    CROSSFADE_TRY(out.reverse_set_aside, apply::set_aside_count(source));
  }
  CROSSFADE_TRY(const auto state, StateFolder::of(database));
  CROSSFADE_TRY(out.watch, load_watch(state));
  if (target.empty()) return out;
  CROSSFADE_TRY(auto params, postgres::ConnectionParams::parse(target));
  out.target = params.safe();
  postgres::ConnectOptions options;
  options.params = std::move(params);
  options.connect_timeout = limits::kConnectTimeout;
  options.application_name = "crossfade status";
  CROSSFADE_TRY(auto store, TargetStore::open(std::move(options)));
  CROSSFADE_TRY(const bool present, store.exists());
  if (!present) return out;
  CROSSFADE_TRY(const auto progress, store.progress());
  CROSSFADE_TRY(const auto route, store.route());
  CROSSFADE_TRY(out.quarantined, store.quarantined());
  CROSSFADE_TRY(out.conflicts, store.conflicts());
  CROSSFADE_TRY(out.conflicts_waiting, waiting_conflict_count(store.connection()));
  CROSSFADE_TRY(const auto tables, store.tables());
  out.phase = progress.phase;
  out.primary = route.primary;
  out.epoch = route.epoch;
  out.applied_lsn = progress.applied_lsn;
  out.verified_lsn = progress.verified_lsn;
  for (const TargetTable& t : tables) {
    out.tables.push_back({t.table->name, t.rows_copied, t.rows_total});
    out.rows_copied += t.rows_copied;
    out.rows_total += t.rows_total;
  }
  out.lag_changes = std::max<int64_t>(0, out.captured_lsn.value - out.applied_lsn.value);
  return out;
}

}  // namespace crossfade::run
