#include "engine/run/target_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

#include "apply/quarantine.h"
#include "engine/core/backoff.h"
#include "engine/core/limits.h"
#include "engine/observe/fault.h"
#include "engine/postgres/quote.h"
#include "engine/run/create_table.h"
#include "engine/run/dual_numbers.h"
#include "engine/run/lock_wait.h"
#include "engine/run/move.h"
#include "engine/run/put_aside.h"
#include "engine/run/table_json.h"
#include "engine/run/target_checks.h"
#include "engine/run/target_fence.h"
#include "engine/run/target_searches.h"
#include "engine/schema/table_ddl.h"

namespace crossfade::run {
namespace {

using postgres::quote;
using postgres::quote_literal;

constexpr int kFormat = 4;
// The advisory lock that a live engine holds; the number is crossfade's own.
constexpr const char* kLeaseLock = "pg_try_advisory_lock(7233104118034862434)";

// For this transaction: DDL names pgvector's type without the schema it happens to be in.
constexpr const char* kFindVectorType = R"(
SELECT set_config('search_path', concat_ws(', ', 'pg_catalog',
  (SELECT quote_ident(n.nspname) FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
   WHERE e.extname = 'vector')), true)
)";

constexpr const char* kCreateSchema = R"(
CREATE SCHEMA crossfade;
CREATE TABLE crossfade.progress(
  one boolean PRIMARY KEY DEFAULT true CHECK(one),
  format integer NOT NULL,
  source_id text NOT NULL,
  target_schema text NOT NULL,
  naming text NOT NULL,
  schema_from_target boolean NOT NULL,
  token bigint NOT NULL DEFAULT 0,
  holder text,
  phase text NOT NULL DEFAULT 'inspecting',
  applied_lsn bigint NOT NULL DEFAULT 0,
  verified_lsn bigint NOT NULL DEFAULT 0,
  schema_version bigint NOT NULL DEFAULT 0,
  digest_lsn bigint NOT NULL DEFAULT 0,
  digest text NOT NULL DEFAULT '',
  updated_at timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE TABLE crossfade.tables(
  name text COLLATE "C" PRIMARY KEY,
  target_name text NOT NULL,
  capture_id bigint NOT NULL,
  state text NOT NULL,
  base_lsn bigint NOT NULL,
  consistent_lsn bigint NOT NULL,
  copy_position text NOT NULL DEFAULT '',
  rows_copied bigint NOT NULL DEFAULT 0,
  rows_total bigint NOT NULL DEFAULT 0,
  plan text NOT NULL);
CREATE TABLE crossfade.put_aside(
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  table_name text NOT NULL,
  kind text NOT NULL,
  relation text NOT NULL,
  name text NOT NULL,
  ddl text NOT NULL,
  unvalidated boolean NOT NULL DEFAULT false,
  cause text NOT NULL DEFAULT '');
CREATE TABLE crossfade.views(
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  target_name text NOT NULL,
  made oid NOT NULL);
CREATE TABLE crossfade.route(
  one boolean PRIMARY KEY DEFAULT true CHECK(one),
  "primary" text NOT NULL CHECK("primary" IN ('sqlite','postgres','none')),
  epoch bigint NOT NULL,
  changed_at timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE TABLE crossfade.quarantine(
  id bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  table_name text NOT NULL,
  key_id text NOT NULL,
  key text NOT NULL,
  key_bytes bytea NOT NULL,
  column_name text NOT NULL,
  reason text NOT NULL,
  lsn bigint NOT NULL,
  source_row jsonb NOT NULL,
  accepted boolean NOT NULL DEFAULT false,
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY(table_name, key_id));
CREATE TABLE crossfade.conflicts(
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  table_name text NOT NULL,
  kind text NOT NULL,
  state text NOT NULL DEFAULT 'resolved' CHECK(state IN ('resolved','waiting')),
  resolution text,
  why text NOT NULL DEFAULT '',
  by_person boolean NOT NULL DEFAULT false,
  resolved_at timestamptz,
  lsn bigint NOT NULL,
  rows_expected bigint,
  rows_found bigint,
  key text,
  key_id text,
  key_bytes bytea,
  target_key text,
  target_key_bytes bytea,
  base_row jsonb,
  source_row jsonb,
  target_row jsonb,
  result_row jsonb,
  source_at timestamptz,
  target_at timestamptz,
  decision text CHECK(decision IN ('source','target','row')),
  decision_row jsonb,
  decision_bytes bytea,
  decided_at timestamptz,
  CHECK(state = 'resolved' OR key_id IS NOT NULL),
  CHECK(state = 'waiting' OR resolution IS NOT NULL),
  CHECK((decision = 'row') = (decision_bytes IS NOT NULL)));
CREATE UNIQUE INDEX conflicts_waiting ON crossfade.conflicts(table_name, key_id)
  WHERE state = 'waiting';
CREATE FUNCTION crossfade.check_lease(p_token bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM crossfade.progress WHERE token = p_token FOR SHARE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'another crossfade engine has taken over' USING ERRCODE = 'CF001';
  END IF;
END $$;
CREATE FUNCTION crossfade.advance(p_token bigint, p_from bigint, p_to bigint)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  UPDATE crossfade.progress SET applied_lsn = p_to, updated_at = clock_timestamp()
   WHERE token = p_token AND applied_lsn = p_from;
  IF NOT FOUND THEN
    PERFORM crossfade.check_lease(p_token);
    RAISE EXCEPTION 'progress is not at %', p_from USING ERRCODE = 'CF002';
  END IF;
END $$;
INSERT INTO crossfade.route("primary", epoch) VALUES('sqlite', 0);
)";

Error target_error(std::string op, std::string object, std::string native, std::string hint) {
  Error error;
  error.code = ErrorCode::kTarget;
  error.op = std::move(op);
  error.object = std::move(object);
  error.native = std::move(native);
  error.hint = std::move(hint);
  return error;
}

Error name_taken(const std::string& name) {
  return target_error("target.create_table", name,
                      "a table of this name is there already, and crossfade did not make it",
                      "give an empty database with --target, or another schema with "
                      "--target-schema; or, when the application's own migrations made it, "
                      "--schema-from-target to load into it");
}

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
        quote(target_schema), kCreateSchema, kFormat, quote_literal(source_id),
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

Status TargetStore::check_room(const std::string& target_schema,
                               const std::vector<schema::TablePlan>& plans) {
  CROSSFADE_TRY(const auto may, connection_.query(R"(
      SELECT has_database_privilege(current_database(), 'CREATE'),
             coalesce(has_schema_privilege(to_regnamespace($1), 'CREATE'), true),
             current_user, current_database())",
                                                  {postgres::text_param(quote(target_schema))}));
  const bool creates = std::any_of(plans.begin(), plans.end(), [](const schema::TablePlan& plan) {
    return !plan.table.adopted;
  });
  if (!may.boolean(0, 0) || (creates && !may.boolean(0, 1))) {
    const std::string role = quote(may.text(0, 2));
    const std::string where =
        may.boolean(0, 0) ? "SCHEMA " + quote(target_schema) : "DATABASE " + quote(may.text(0, 3));
    return fail(target_error("target.open", connection_.safe_name(),
                             fmt::format("permission denied: {} may not create in {}", role, where),
                             fmt::format("as the owner: GRANT CREATE ON {} TO {}", where, role)));
  }
  CROSSFADE_TRY(const auto lift, kept_target_fence(connection_, target_schema));
  if (!lift.empty()) {
    return fail(target_error("target.open", connection_.safe_name(),
                             fmt::format("tables of {} are fenced still, since `crossfade finish "
                                         "--keep-fence` of an earlier move: applications could not "
                                         "write to them after a cutover",
                                         quote(target_schema)),
                             "take the fence away: " + lift));
  }
  for (const schema::TablePlan& plan : plans) {
    if (plan.table.adopted) continue;
    const std::string name = quote(target_schema, plan.table.target_name);
    CROSSFADE_TRY(const auto there, connection_.query("SELECT to_regclass($1) IS NOT NULL",
                                                      {postgres::text_param(name)}));
    if (there.boolean(0, 0)) return fail(name_taken(name));
  }
  return ok();
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
  if (row.rows() != 1 || row.integer(0, 8) != kFormat) {
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

namespace {

Status insert_table(postgres::Connection& connection, const TargetTable& entry,
                    const Table& table) {
  const std::string plan = table_to_json(table);
  const std::string id = fmt::format("{}", entry.capture_id.value);
  const std::string base = fmt::format("{}", entry.base_lsn.value);
  const std::string total = fmt::format("{}", entry.rows_total);
  CROSSFADE_TRY(connection.query(
      "INSERT INTO crossfade.tables(name,target_name,capture_id,state,base_lsn,consistent_lsn,"
      "rows_total,plan) VALUES($1,$2,$3::bigint,'copying',$4::bigint,$4::bigint,$5::bigint,$6)",
      {postgres::text_param(entry.table->name), postgres::text_param(entry.table->target_name),
       postgres::text_param(id), postgres::text_param(base), postgres::text_param(total),
       postgres::text_param(plan)}));
  return ok();
}

// Drops a target table if it is ours, and forgets it. True: it was there, and the rows are gone.
// One that is adopted stays, with its rows.
Result<bool> drop_if_ours(postgres::Connection& connection, const std::string& target_schema,
                          const Table& table) {
  const std::string& name = table.name;
  CROSSFADE_TRY(const auto gone,
                connection.query("DELETE FROM crossfade.tables WHERE name=$1 RETURNING target_name",
                                 {postgres::text_param(name)}));
  if (gone.rows() == 0) return false;
  CROSSFADE_TRY(connection.query("DELETE FROM crossfade.quarantine WHERE table_name=$1",
                                 {postgres::text_param(name)}));
  CROSSFADE_TRY(
      connection.query("UPDATE crossfade.conflicts SET state='resolved',resolution='source',"
                       "why='the table was copied anew',resolved_at=clock_timestamp() "
                       "WHERE table_name=$1 AND state='waiting'",
                       {postgres::text_param(name)}));
  if (table.adopted) return true;
  // CASCADE takes foreign keys of other tables along; they are added again when all is live.
  CROSSFADE_TRY(connection.exec(
      fmt::format("DROP TABLE IF EXISTS {} CASCADE", quote(target_schema, gone.text(0, 0)))));
  return true;
}

Status make_table(postgres::Connection& connection, const std::string& target_schema, Table* table,
                  std::vector<schema::Finding>* findings) {
  const std::string name = quote(target_schema, table->target_name);
  CROSSFADE_TRY(const auto there, connection.query("SELECT to_regclass($1) IS NOT NULL",
                                                   {postgres::text_param(name)}));
  if (there.boolean(0, 0)) return fail(name_taken(name));
  const std::string comment = schema::comment_ddl(*table, target_schema);
  CROSSFADE_TRY(auto plain, create_table(connection, target_schema, table));
  std::move(plain.begin(), plain.end(), std::back_inserter(*findings));
  if (comment.empty()) return ok();
  CROSSFADE_TRY(connection.exec(comment));
  return ok();
}

// A table's changes lie above its base. What was logged before the oldest base may be gone from the
// log: it was given up.
Status skip_what_no_table_needs(postgres::Connection& connection) {
  CROSSFADE_TRY(connection.exec(
      "UPDATE crossfade.progress SET applied_lsn=greatest(applied_lsn,(SELECT min(base_lsn) FROM "
      "crossfade.tables))"));
  return ok();
}

}  // namespace

Result<std::vector<schema::Finding>> TargetStore::create_tables(
    const std::vector<TargetTable>& created, const std::vector<TargetTable>& dropped,
    const std::string& target_schema, int64_t schema_version) {
  std::vector<schema::Finding> refused;
  CROSSFADE_TRY(until_unlocked(
      connection_, target_schema, limits::kLockPatience, [&](const LockWait& wait) -> Status {
        CROSSFADE_TRY(connection_.exec("BEGIN"));
        CROSSFADE_TRY(wait.bound(connection_));
        auto made = replace_tables(created, dropped, target_schema);
        auto done = made ? set_schema_version(schema_version) : fail(made.error());
        if (done) done = skip_what_no_table_needs(connection_);
        if (!done) {
          connection_.rollback();
          return done;
        }
        refused = std::move(made).value();
        return connection_.commit();
      }));
  return refused;
}

Result<std::vector<schema::Finding>> TargetStore::replace_tables(
    const std::vector<TargetTable>& created, const std::vector<TargetTable>& dropped,
    const std::string& target_schema) {
  std::vector<schema::Finding> refused;
  const bool makes = std::any_of(created.begin(), created.end(),
                                 [](const TargetTable& entry) { return !entry.table->adopted; });
  // Not while what adopted tables have is read: names in the search path would come without their
  // schema.
  if (makes) {
    CROSSFADE_TRY(connection_.exec(kFindVectorType));
  }
  for (const TargetTable& entry : dropped) {
    CROSSFADE_TRY(drop_if_ours(connection_, target_schema, *entry.table));
  }
  std::set<std::string> ours;
  for (const TargetTable& entry : created) {
    CROSSFADE_TRY(const bool was_ours, drop_if_ours(connection_, target_schema, *entry.table));
    if (was_ours) ours.insert(entry.table->name);
  }
  FencedTables fenced{target_schema, {}};
  for (const TargetTable& entry : created) {
    Table table = *entry.table;
    CROSSFADE_TRY(table.adopted
                      ? make_room(connection_, target_schema, table, ours.contains(table.name))
                      : make_table(connection_, target_schema, &table, &refused));
    CROSSFADE_TRY(auto findings, try_checks(connection_, &table));
    std::move(findings.begin(), findings.end(), std::back_inserter(refused));
    CROSSFADE_TRY(auto searches, add_searches(connection_, &table));
    std::move(searches.begin(), searches.end(), std::back_inserter(refused));
    CROSSFADE_TRY(insert_table(connection_, entry, table));
    fenced.names.push_back(table.target_name);
  }
  CROSSFADE_TRY(fence_new_tables(connection_, fenced));
  return refused;
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
