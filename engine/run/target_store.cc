#include "engine/run/target_store.h"

#include <fmt/format.h>

#include <utility>

#include "apply/quarantine.h"
#include "engine/core/backoff.h"
#include "engine/core/limits.h"
#include "engine/observe/fault.h"
#include "engine/postgres/quote.h"
#include "engine/run/dual_numbers.h"
#include "engine/run/lock_wait.h"
#include "engine/run/move.h"
#include "engine/run/put_aside.h"
#include "engine/run/table_json.h"
#include "engine/run/target_fence.h"
#include "engine/run/target_store_schema.h"

namespace crossfade::run {
namespace {

using postgres::quote;
using postgres::quote_literal;

// The advisory lock that a live engine holds; the number is crossfade's own.
constexpr const char* kLeaseLock = "pg_try_advisory_lock(7233104118034862434)";

TableState state_from(const std::string& text) {
  if (text == "live") return TableState::kLive;
  if (text == "catching_up") return TableState::kCatchingUp;
  if (text == "copied") return TableState::kCopied;
  return TableState::kCopying;
}

}  // namespace

const char* to_string(TableState state) {
  switch (state) {
    case TableState::kCopying:
      return "copying";
    case TableState::kCopied:
      return "copied";
    case TableState::kCatchingUp:
      return "catching_up";
    case TableState::kLive:
      return "live";
  }
  return "copying";
}

Result<TargetStore> TargetStore::open(postgres::ConnectOptions options) {
  CROSSFADE_TRY(auto connection, postgres::Connection::open(std::move(options)));
  TargetStore store(std::move(connection));
  CROSSFADE_TRY(const auto encoding, store.connection_.exec("SHOW server_encoding"));
  if (encoding.text(0, 0) != "UTF8") {
    return fail(target_error("target.connect", store.connection_.safe_name(),
                             fmt::format("the database's encoding is {}", encoding.text(0, 0)),
                             "create the target database with ENCODING 'UTF8' TEMPLATE template0"));
  }
  // The fence of a rollback is for everybody else.
  CROSSFADE_TRY(store.connection_.exec(kBecomeWriter));
  store.replica_role_ =
      store.connection_.exec("SET session_replication_role = replica").has_value();
  return store;
}

Result<bool> TargetStore::exists() {
  CROSSFADE_TRY(const auto found,
                connection_.exec("SELECT to_regclass('crossfade.progress') IS NOT NULL"));
  return found.boolean(0, 0);
}

Status TargetStore::ensure(const std::string& source_id, const EngineOptions& options) {
  const std::string& target_schema = options.target_schema;
  const char* const adopts = options.schema_from_target ? "true" : "false";
  CROSSFADE_TRY(const bool present, exists());
  if (!present) {
    CROSSFADE_TRY(connection_.exec(fmt::format(
        "BEGIN; CREATE SCHEMA IF NOT EXISTS {}; {} INSERT INTO crossfade.progress"
        "(format,source_id,target_schema,naming,schema_from_target) "
        "VALUES({},{},{},{},{}); COMMIT",
        quote(target_schema), kCreateTargetSchema, kTargetFormat, quote_literal(source_id),
        quote_literal(target_schema), quote_literal(to_string(options.naming)), adopts)));
    return ok();
  }
  CROSSFADE_TRY(const auto found, progress());
  if (found.source_id != source_id) return fail(of_another());
  if (found.target_schema != target_schema) {
    return fail(target_error("target.open", connection_.safe_name(),
                             fmt::format("this move goes to the schema {}", found.target_schema),
                             fmt::format("use --target-schema {}", found.target_schema)));
  }
  CROSSFADE_TRY(const auto row,
                connection_.exec("SELECT naming,schema_from_target FROM crossfade.progress"));
  if (row.boolean(0, 1) != options.schema_from_target) {
    return fail(target_error(
        "target.open", connection_.safe_name(),
        row.boolean(0, 1) ? "this move loads into the tables that were there before it"
                          : "this move made its tables itself",
        row.boolean(0, 1) ? "use --schema-from-target" : "leave --schema-from-target out"));
  }
  if (const std::string used = row.text(0, 0); used != to_string(options.naming)) {
    return fail(target_error("target.open", connection_.safe_name(),
                             fmt::format("this move's names are those of --naming {}", used),
                             fmt::format("use --naming {}", used)));
  }
  return ok();
}

Error TargetStore::of_another() const {
  return target_error(
      "target.open", connection_.safe_name(), "this database is the target of another source",
      "give another database with --target, or `crossfade finish` the other move first. If the "
      "source file was replaced by another one, put the original back");
}

Status TargetStore::lock_lease(std::chrono::milliseconds patience, StopSource& stop) {
  const Deadline deadline = Deadline::after(patience);
  Backoff backoff(std::chrono::milliseconds(20), std::chrono::milliseconds(250), INT32_MAX);
  while (true) {
    CROSSFADE_TRY(const auto got, connection_.exec(fmt::format("SELECT {}", kLeaseLock)));
    if (got.boolean(0, 0)) return ok();
    if (deadline.expired() || !backoff.next()) break;
    stop.wait_until(Deadline::after(backoff.pause()));
    if (stop.requested()) {
      Error error;
      error.code = ErrorCode::kInterrupted;
      error.op = "target.lease";
      error.object = connection_.safe_name();
      error.native = "stopped while waiting for the lease";
      return fail(std::move(error));
    }
  }
  Error error;
  error.code = ErrorCode::kFenced;
  error.remedy = Remedy::kFenced;
  error.op = "target.lease";
  error.object = connection_.safe_name();
  error.native = "another crossfade engine holds the lease on this target";
  error.hint = "find it with: SELECT holder FROM crossfade.progress; end it, then run again";
  return fail(std::move(error));
}

Result<LeaseToken> TargetStore::take_lease(const std::string& holder, StopSource& stop) {
  CROSSFADE_TRY(lock_lease(limits::kLeaseWait, stop));
  CROSSFADE_TRY(const auto taken,
                connection_.query("UPDATE crossfade.progress SET token=token+1,holder=$1 "
                                  "RETURNING token",
                                  {postgres::text_param(holder)}));
  return LeaseToken{taken.integer(0, 0)};
}

Status TargetStore::resume_lease(LeaseToken token, StopSource& stop) {
  // Another's lease is not waited for. Without a row lock, which the dead session may hold.
  CROSSFADE_TRY(const auto ours, connection_.exec(fmt::format(
                                     "SELECT token={} FROM crossfade.progress", token.value)));
  const bool wait = ours.rows() == 1 && ours.boolean(0, 0);
  CROSSFADE_TRY(lock_lease(wait ? limits::kLeaseResumeWait : limits::kLeaseWait, stop));
  return check_lease(token);
}

Status TargetStore::check_lease(LeaseToken token) {
  CROSSFADE_TRY(connection_.exec(fmt::format("SELECT crossfade.check_lease({})", token.value)));
  return ok();
}

Result<Progress> TargetStore::progress() {
  CROSSFADE_TRY(
      const auto row,
      connection_.exec("SELECT source_id,target_schema,phase,applied_lsn,verified_lsn,"
                       "schema_version,digest_lsn,digest,format FROM crossfade.progress"));
  if (row.rows() != 1 || row.integer(0, 8) != kTargetFormat) {
    return fail(target_error("target.read_progress", connection_.safe_name(),
                             "crossfade.progress is not what this version writes",
                             "use the crossfade version that began this move"));
  }
  Progress out;
  out.source_id = row.text(0, 0);
  out.target_schema = row.text(0, 1);
  out.phase = row.text(0, 2);
  out.applied_lsn = Lsn{row.integer(0, 3)};
  out.verified_lsn = Lsn{row.integer(0, 4)};
  out.schema_version = row.integer(0, 5);
  out.digest_lsn = Lsn{row.integer(0, 6)};
  out.digest = row.text(0, 7);
  return out;
}

Status TargetStore::set_phase(const std::string& phase) {
  fault_point("phase.before");
  CROSSFADE_TRY(connection_.query("UPDATE crossfade.progress SET phase=$1 WHERE phase<>$1",
                                  {postgres::text_param(phase)}));
  return ok();
}

Status TargetStore::set_verified(Lsn verified) {
  fault_point("verify.noted");
  CROSSFADE_TRY(connection_.exec(
      fmt::format("UPDATE crossfade.progress SET verified_lsn={}", verified.value)));
  return ok();
}

Status TargetStore::set_schema_version(int64_t version) {
  CROSSFADE_TRY(
      connection_.exec(fmt::format("UPDATE crossfade.progress SET schema_version={}", version)));
  return ok();
}

Status TargetStore::set_digest(Lsn lsn, const std::string& digest) {
  CROSSFADE_TRY(connection_.exec(fmt::format(
      "UPDATE crossfade.progress SET digest_lsn={},digest={}", lsn.value, quote_literal(digest))));
  return ok();
}

Result<std::vector<TargetTable>> TargetStore::tables() {
  CROSSFADE_TRY(const auto rows,
                connection_.exec("SELECT plan,capture_id,state,base_lsn,consistent_lsn,"
                                 "copy_position,rows_copied,rows_total FROM crossfade.tables "
                                 "ORDER BY name"));
  std::vector<TargetTable> out;
  for (int i = 0; i < rows.rows(); ++i) {
    CROSSFADE_TRY(auto table, table_from_json(rows.text(i, 0)));
    auto position = apply::CopyPosition::from_text(rows.text(i, 5));
    if (!position) {
      return fail(target_error("target.read_plan", table.name, "the copy position is damaged",
                               "delete this table's row in crossfade.tables to copy it anew"));
    }
    TargetTable entry;
    entry.table = std::make_shared<const Table>(std::move(table));
    entry.capture_id = CaptureId{rows.integer(i, 1)};
    entry.state = state_from(rows.text(i, 2));
    entry.base_lsn = Lsn{rows.integer(i, 3)};
    entry.consistent_lsn = Lsn{rows.integer(i, 4)};
    entry.position = std::move(*position);
    entry.rows_copied = rows.integer(i, 6);
    entry.rows_total = rows.integer(i, 7);
    out.push_back(std::move(entry));
  }
  return out;
}

Status TargetStore::set_state(const std::string& table, TableState state) {
  CROSSFADE_TRY(connection_.query(
      fmt::format("UPDATE crossfade.tables SET state='{}' WHERE name=$1", to_string(state)),
      {postgres::text_param(table)}));
  return ok();
}

Result<Route> TargetStore::route() {
  CROSSFADE_TRY(const auto row, connection_.exec("SELECT \"primary\",epoch FROM crossfade.route"));
  Route out;
  if (row.rows() == 1) {
    const std::string primary = row.text(0, 0);
    out.primary = primary == "postgres" ? Primary::kPostgres
                  : primary == "sqlite" ? Primary::kSqlite
                                        : Primary::kNone;
    out.epoch = Epoch{row.integer(0, 1)};
  }
  return out;
}

Status TargetStore::begin_flip(LeaseToken token, Epoch expected, Primary primary) {
  CROSSFADE_TRY(connection_.exec("BEGIN"));
  auto flipped = flip_route(token, expected, primary);
  if (!flipped) connection_.rollback();
  return flipped;
}

Status TargetStore::flip_route(LeaseToken token, Epoch expected, Primary primary) {
  CROSSFADE_TRY(connection_.exec(fmt::format("SELECT crossfade.check_lease({})", token.value)));
  CROSSFADE_TRY(const auto flipped, connection_.exec(fmt::format(
                                        "UPDATE crossfade.route SET \"primary\"='{}',epoch=epoch+1,"
                                        "changed_at=clock_timestamp() WHERE epoch={}",
                                        to_string(primary), expected.value)));
  if (flipped.affected() != 1) {
    return fail(target_error("route.flip", connection_.safe_name(),
                             fmt::format("the route is no longer at epoch {}", expected.value),
                             "look at `crossfade route`; somebody else changed it"));
  }
  return ok();
}

Result<int64_t> TargetStore::quarantined() {
  return apply::quarantined_count(connection_);
}

Result<std::vector<Quarantined>> TargetStore::quarantine_list(int64_t rows_max) {
  CROSSFADE_TRY(const auto rows,
                connection_.exec(fmt::format(
                    "SELECT table_name,key,column_name,reason FROM crossfade.quarantine WHERE NOT "
                    "accepted ORDER BY table_name,at LIMIT {}",
                    rows_max)));
  std::vector<Quarantined> out;
  for (int i = 0; i < rows.rows(); ++i) {
    out.push_back({rows.text(i, 0), rows.text(i, 1), rows.text(i, 2), rows.text(i, 3)});
  }
  return out;
}

Result<std::vector<std::pair<std::string, std::string>>> TargetStore::misfit_columns() {
  CROSSFADE_TRY(const auto rows,
                connection_.exec("SELECT DISTINCT table_name,column_name FROM crossfade.quarantine "
                                 "WHERE NOT accepted AND column_name<>''"));
  std::vector<std::pair<std::string, std::string>> out;
  for (int i = 0; i < rows.rows(); ++i) out.emplace_back(rows.text(i, 0), rows.text(i, 1));
  return out;
}

Result<std::vector<std::string>> TargetStore::quarantined_tables() {
  CROSSFADE_TRY(const auto rows,
                connection_.exec("SELECT DISTINCT table_name FROM crossfade.quarantine"));
  std::vector<std::string> out;
  for (int i = 0; i < rows.rows(); ++i) out.push_back(rows.text(i, 0));
  return out;
}

Result<bool> TargetStore::has_pgvector() {
  CROSSFADE_TRY(
      const auto row,
      connection_.exec("SELECT EXISTS(SELECT 1 FROM pg_extension WHERE extname='vector')"));
  return row.boolean(0, 0);
}

Result<std::string> TargetStore::trgm_schema() {
  CROSSFADE_TRY(
      const auto row,
      connection_.exec("SELECT coalesce((SELECT n.nspname FROM pg_extension e JOIN pg_namespace n"
                       " ON n.oid = e.extnamespace WHERE e.extname = 'pg_trgm'), '')"));
  return row.text(0, 0);
}

Result<int64_t> TargetStore::conflicts() {
  CROSSFADE_TRY(const auto rows, connection_.exec("SELECT count(*) FROM crossfade.conflicts"));
  return rows.integer(0, 0);
}

namespace {

// What holds for what is written, but not for rows of before. `conenforced` is PostgreSQL 18's.
constexpr const char* kNotValidated = R"(
SELECT format('ALTER TABLE %s VALIDATE CONSTRAINT %I', k.conrelid::regclass, k.conname)
FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
     JOIN pg_namespace n ON n.oid = c.relnamespace
     JOIN crossfade.tables t ON t.target_name = c.relname
     JOIN crossfade.progress p ON p.target_schema = n.nspname
WHERE NOT k.convalidated AND coalesce((to_jsonb(k) ->> 'conenforced')::boolean, true)
ORDER BY 1)";

}  // namespace

Result<Removal> TargetStore::remove(const KeepAside& keep, const std::string& fence_for) {
  Removal out;
  CROSSFADE_TRY(const bool present, exists());
  if (!present) return out;
  CROSSFADE_TRY(const bool fenced, target_fence_is_up(connection_));
  const bool keeps_fence = fenced && !fence_for.empty();
  if (!keeps_fence) {
    CROSSFADE_TRY(out.removed, drop_target_fence(connection_, limits::kTargetLockWait));
  }
  CROSSFADE_TRY(const auto schema,
                connection_.exec("SELECT target_schema FROM crossfade.progress"));
  CROSSFADE_TRY(until_unlocked(
      connection_, schema.text(0, 0), limits::kLockPatience, [&](const LockWait& wait) -> Status {
        auto done = remove_at_once(wait, keep, keeps_fence ? fence_for : "", &out);
        if (!done) connection_.rollback();
        return done;
      }));
  out.removed.emplace_back(
      "schema crossfade (progress, tables, views, put_aside, route, quarantine, conflicts)");
  return out;
}

Status TargetStore::remove_at_once(const LockWait& wait, const KeepAside& keep,
                                   const std::string& fence_for, Removal* out) {
  CROSSFADE_TRY(connection_.exec("BEGIN"));
  CROSSFADE_TRY(wait.bound(connection_));
  CROSSFADE_TRY(const auto aside,
                connection_.exec("SELECT to_regclass('crossfade.put_aside') IS NOT NULL"));
  if (aside.boolean(0, 0)) {
    CROSSFADE_TRY(out->not_put_back, put_all_back(connection_));
  }
  CROSSFADE_TRY(const auto not_valid, connection_.exec(kNotValidated));
  out->not_valid.clear();
  for (int i = 0; i < not_valid.rows(); ++i) out->not_valid.push_back(not_valid.text(i, 0));
  if (!out->not_put_back.empty()) {
    CROSSFADE_TRY(keep(out->not_put_back));
  }
  if (!fence_for.empty()) {
    CROSSFADE_TRY(const auto known, progress());
    CROSSFADE_TRY(const auto now, route());
    CROSSFADE_TRY(out->fence_lifted_by,
                  keep_target_fence(connection_, known.target_schema, {fence_for, now.epoch}));
  }
  CROSSFADE_TRY(join_numbers(connection_));
  CROSSFADE_TRY(connection_.exec("DROP SCHEMA crossfade CASCADE"));
  return connection_.commit();
}

}  // namespace crossfade::run
