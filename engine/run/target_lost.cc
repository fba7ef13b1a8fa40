#include "engine/run/target_lost.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <utility>

#include "capture/change_log.h"
#include "engine/core/limits.h"
#include "engine/observe/fault.h"
#include "engine/run/reachable_target.h"
#include "engine/run/source_opening.h"

namespace crossfade::run {
namespace {

Error refuse(const std::string& database, std::string native, std::string hint) {
  Error error;
  error.code = ErrorCode::kBlocked;
  error.remedy = Remedy::kDecide;
  error.op = "rollback";
  error.object = database;
  error.native = std::move(native);
  error.hint = std::move(hint);
  return error;
}

Error no_move_begun(const std::string& database) {
  return refuse(database, "no move of this database has begun", "begin one with `crossfade run`");
}

// A server that answers is there, whatever it answers; but for a database that is gone.
bool means_lost(const Error& error) {
  return error.sqlstate == "3D000" ||
         (error.code == ErrorCode::kTargetUnreachable && error.sqlstate.empty());
}

// A target that an earlier attempt has given up is not, whatever it says.
Result<bool> is_primary(const ReachableTarget& target, const StateFolder& state,
                        const std::string& source_id) {
  postgres::ConnectOptions connect;
  CROSSFADE_TRY(connect.params, postgres::ConnectionParams::parse(target.url()));
  connect.connect_timeout = limits::kConnectTimeout;
  auto store = TargetStore::open(std::move(connect));
  if (!store && means_lost(store.error())) return false;
  if (!store) return fail(std::move(store).error());
  CROSSFADE_TRY(const bool present, store.value().exists());
  if (!present) return false;
  CROSSFADE_TRY(const auto progress, store.value().progress());
  CROSSFADE_TRY(const auto route, store.value().route());
  return progress.source_id == source_id && route.primary == Primary::kPostgres &&
         !is_given_up(state, route);
}

Status check_lost(const EngineOptions& options, const StateFolder& state, const Route& noted,
                  const std::string& source_id) {
  CROSSFADE_TRY(auto target, ReachableTarget::find(options, state));
  if (target.url().empty()) return ok();
  CROSSFADE_TRY(const bool primary, is_primary(target, state, source_id));
  CROSSFADE_TRY(target.close(primary));
  if (!primary) return ok();
  return fail(refuse(state.database(),
                     fmt::format("PostgreSQL is the primary and answers at {}", noted.url),
                     "`crossfade rollback` without --target-lost loses nothing"));
}

std::string utc_text(int64_t committed_us) {
  return fmt::format("{:%FT%TZ}", fmt::gmtime(static_cast<std::time_t>(committed_us / 1'000'000)));
}

std::string key_text(const Row& key) {
  std::string out;
  for (const Value& value : key) out += (out.empty() ? "" : ", ") + to_literal(value);
  return out;
}

}  // namespace

bool is_given_up(const StateFolder& state, const Route& on_target) {
  const auto noted = read_route_file(state.route());
  return noted && noted.value().primary == Primary::kSqlite &&
         on_target.primary == Primary::kPostgres && noted.value().epoch > on_target.epoch;
}

Error given_up_error(const std::string& database, const std::string& target) {
  return refuse(database,
                fmt::format("{} was given up with `rollback --target-lost`: SQLite is the primary, "
                            "and what this target has beyond it is nowhere else",
                            target),
                "keep applications away from it, and look there for what is missing; `crossfade "
                "finish` ends this move, and another one can begin");
}

Result<TargetGivenUp> give_up_target(const EngineOptions& options) {
  CROSSFADE_TRY(auto state, StateFolder::of(options.database));
  if (!std::filesystem::exists(state.folder())) return fail(no_move_begun(state.database()));
  CROSSFADE_TRY(state.lock());
  CROSSFADE_TRY(auto source, SourceFile::open(state.database()));
  return give_up_target(options, state, source);
}

Result<TargetGivenUp> give_up_target(const EngineOptions& options, const StateFolder& state,
                                     SourceFile& source) {
  CROSSFADE_TRY(const auto identity, capture::read_identity(source.connection()));
  if (!identity) return fail(no_move_begun(state.database()));
  CROSSFADE_TRY(const auto noted, read_route_file(state.route()));
  CROSSFADE_TRY(const bool fenced, capture::fence_is_up(source.connection()));
  TargetGivenUp report;
  report.epoch = noted.epoch;
  // A fence that is gone while the file says PostgreSQL: an earlier attempt came that far.
  if (!fenced && noted.primary != Primary::kPostgres) return report;
  CROSSFADE_TRY(const auto reverse, apply::read_reverse_state(source.connection()));
  if (!reverse) {
    return fail(refuse(state.database(),
                       "the file was not kept in step since the cutover: it is as it was then",
                       "restore PostgreSQL from its backup; that is where the data is"));
  }
  CROSSFADE_TRY(check_lost(options, state, noted, identity->source_id));
  report.changed = true;
  report.epoch = noted.epoch.next();
  report.applied = reverse->applied;
  report.committed_us = reverse->committed_us;
  CROSSFADE_TRY(auto writer, apply::SourceWriter::open(state.database()));
  CROSSFADE_TRY(report.set_aside, writer.set_aside_count());
  CROSSFADE_TRY(report.samples, writer.set_aside(static_cast<int64_t>(limits::kSamplesMax)));
  AuditLog(state.audit()).record("target_given_up", to_json(report));
  CROSSFADE_TRY(mark_reopened(source.connection()));
  // In this order: the file refuses a target that comes back, and SQLite is not opened before it
  // does. What ends between the two leaves SQLite closed, and this is done again.
  CROSSFADE_TRY(write_route_file(state.route(), {Primary::kSqlite, report.epoch, ""}));
  fault_point("target_lost.noted");
  CROSSFADE_TRY(capture::lower_fence(source.connection()));
  return report;
}

nlohmann::json to_json(const TargetGivenUp& r) {
  nlohmann::json out = {{"primary", "sqlite"},
                        {"epoch", r.epoch.value},
                        {"target_lost", true},
                        {"changed", r.changed},
                        {"write_pause_ms", 0.0},
                        {"verified_rows", 0},
                        {"drained_lsn", postgres::to_string(r.applied)},
                        {"set_aside", r.set_aside},
                        {"set_aside_rows", nlohmann::json::array()}};
  if (r.committed_us != 0) out["committed_at"] = utc_text(r.committed_us);
  for (const apply::SetAside& row : r.samples) {
    out["set_aside_rows"].push_back({{"table", row.table},
                                     {"key", key_text(row.key)},
                                     {"column", row.column},
                                     {"reason", row.reason}});
  }
  return out;
}

std::string to_text(const TargetGivenUp& r) {
  if (!r.changed) return "SQLite is primary; nothing to do\n";
  std::string out = fmt::format(
      "SQLite is primary (epoch {}). It has what PostgreSQL had committed up to {}{}; what was "
      "committed there later is missing\n",
      r.epoch.value, postgres::to_string(r.applied),
      r.committed_us == 0 ? "" : fmt::format(", the newest at {}", utc_text(r.committed_us)));
  if (r.set_aside > 0) {
    out += fmt::format("{} rows did not fit SQLite, which has older versions of them, or none:\n",
                       r.set_aside);
  }
  for (const apply::SetAside& row : r.samples) {
    out += fmt::format("  {} {}: {}\n", row.table, key_text(row.key), row.reason);
  }
  return out;
}

}  // namespace crossfade::run
