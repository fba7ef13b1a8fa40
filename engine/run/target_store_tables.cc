// The target's tables as they are made, anew or for the first time.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

#include "engine/core/limits.h"
#include "engine/postgres/quote.h"
#include "engine/run/create_table.h"
#include "engine/run/lock_wait.h"
#include "engine/run/put_aside.h"
#include "engine/run/table_json.h"
#include "engine/run/target_checks.h"
#include "engine/run/target_fence.h"
#include "engine/run/target_searches.h"
#include "engine/run/target_store.h"
#include "engine/run/target_store_schema.h"
#include "engine/schema/table_ddl.h"

namespace crossfade::run {
namespace {

using postgres::quote;

// For this transaction: DDL names pgvector's type without the schema it happens to be in.
constexpr const char* kFindVectorType = R"(
SELECT set_config('search_path', concat_ws(', ', 'pg_catalog',
  (SELECT quote_ident(n.nspname) FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
   WHERE e.extname = 'vector')), true)
)";

Error name_taken(const std::string& name) {
  return target_error("target.create_table", name,
                      "a table of this name is there already, and crossfade did not make it",
                      "give an empty database with --target, or another schema with "
                      "--target-schema; or, when the application's own migrations made it, "
                      "--schema-from-target to load into it");
}

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

}  // namespace crossfade::run
