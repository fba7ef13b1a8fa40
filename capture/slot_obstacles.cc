#include <fmt/format.h>

#include <utility>

#include "capture/target_slot.h"
#include "engine/postgres/quote.h"

namespace crossfade::capture {
namespace {

using Obstacles = std::vector<Obstacle>;

// Amazon's servers give the right by a role of theirs, as nobody has the attribute there.
constexpr const char* kServerSql = R"(
SELECT pg_is_in_recovery(), current_setting('wal_level'), current_user, current_database(),
       r.rolsuper OR r.rolreplication OR EXISTS(
         SELECT 1 FROM pg_roles g
         WHERE g.rolname = 'rds_replication' AND pg_has_role(g.oid, 'MEMBER')),
       has_database_privilege(current_database(), 'CREATE'),
       current_setting('max_replication_slots')::int,
       (SELECT count(*) FROM pg_replication_slots),
       current_setting('max_wal_senders')::int,
       (SELECT count(*) FROM pg_stat_get_wal_senders()),
       EXISTS(SELECT 1 FROM pg_publication p
              WHERE p.pubname = {} AND NOT pg_has_role(p.pubowner, 'USAGE'))
FROM pg_roles r WHERE r.rolname = current_user)";

std::string set_and_restart(const std::string& setting, const std::string& value) {
  return fmt::format(
      "as a superuser: ALTER SYSTEM SET {} = '{}', then restart the server; where it is managed, "
      "set it as one of its parameters",
      setting, value);
}

void check_standby(bool standby, Obstacles* out) {
  if (!standby) return;
  out->push_back({"the server is a standby, where no publication can be made",
                  "give the primary's address with --target"});
}

void check_server(const postgres::QueryResult& row, Obstacles* out) {
  if (const std::string level = row.text(0, 1); level != "logical") {
    out->push_back({fmt::format("wal_level is {}: the server's log does not tell rows", level),
                    set_and_restart("wal_level", "logical") +
                        " (rds.logical_replication, cloudsql.logical_decoding)"});
  }
  const int64_t slots_max = row.integer(0, 6);
  if (row.integer(0, 7) >= slots_max) {
    out->push_back(
        {fmt::format("all {} replication slots are taken (max_replication_slots)", slots_max),
         "drop one that is no longer used, SELECT pg_drop_replication_slot('...'), see "
         "pg_replication_slots; or, " +
             set_and_restart("max_replication_slots", fmt::format("{}", slots_max + 1))});
  }
  const int64_t senders_max = row.integer(0, 8);
  if (row.integer(0, 9) >= senders_max) {
    out->push_back(
        {fmt::format("all {} replication connections are taken (max_wal_senders)", senders_max),
         "end one that is no longer used, see pg_stat_replication; or, " +
             set_and_restart("max_wal_senders", fmt::format("{}", senders_max + 1))});
  }
}

void check_role(const postgres::QueryResult& row, Obstacles* out) {
  const std::string role = postgres::quote(row.text(0, 2));
  const std::string database = postgres::quote(row.text(0, 3));
  if (!row.boolean(0, 4)) {
    out->push_back({fmt::format("{} may not use replication slots", role),
                    fmt::format("as a superuser: ALTER ROLE {} REPLICATION", role)});
  }
  if (!row.boolean(0, 5)) {
    out->push_back(
        {fmt::format("{} may not create a publication in {}", role, database),
         fmt::format("as its owner: GRANT CREATE ON DATABASE {} TO {}", database, role)});
  }
  if (row.boolean(0, 10)) {
    out->push_back(
        {fmt::format("the publication {} belongs to another role", postgres::quote(kPublication)),
         fmt::format("as a superuser: ALTER PUBLICATION {} OWNER TO {}",
                     postgres::quote(kPublication), role)});
  }
}

Status check_tables(postgres::Connection& target, const std::string& target_schema,
                    const std::vector<std::shared_ptr<const Table>>& tables, bool decoded,
                    Obstacles* out) {
  std::string names;
  for (const auto& table : tables) {
    names += (names.empty() ? "" : ",") + postgres::quote_literal(table->target_name);
  }
  if (names.empty()) return ok();
  CROSSFADE_TRY(const auto rows,
                target.exec(fmt::format(R"(
      SELECT c.relname, pg_has_role(c.relowner, 'USAGE'), c.relpersistence = 'p', current_user
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE n.nspname = {} AND c.relkind IN ('r', 'p') AND c.relname IN ({})
        AND (NOT pg_has_role(c.relowner, 'USAGE') OR c.relpersistence <> 'p')
      ORDER BY c.relname)",
                                        postgres::quote_literal(target_schema), names)));
  for (int i = 0; i < rows.rows(); ++i) {
    const std::string name = postgres::quote(target_schema, rows.text(i, 0));
    if (!rows.boolean(i, 1)) {
      const std::string role = postgres::quote(rows.text(i, 3));
      out->push_back(
          {fmt::format("{} belongs to a role that {} is no member of, and only an owner may "
                       "{}",
                       name, role, decoded ? "publish a table" : "make its triggers"),
           fmt::format("as the owner or a superuser: ALTER TABLE {} OWNER TO {}", name, role)});
    }
    if (!rows.boolean(i, 2)) {
      out->push_back({fmt::format("{} is unlogged: {}", name,
                                  decoded ? "the server's log does not have its rows"
                                          : "a crash of the server empties it"),
                      fmt::format("ALTER TABLE {} SET LOGGED", name)});
    }
  }
  return ok();
}

}  // namespace

Result<std::vector<Obstacle>> find_obstacles(
    postgres::Connection& target, const std::string& target_schema,
    const std::vector<std::shared_ptr<const Table>>& tables) {
  Obstacles out;
  CROSSFADE_TRY(const auto row,
                target.exec(fmt::format(kServerSql, postgres::quote_literal(kPublication))));
  check_standby(row.boolean(0, 0), &out);
  check_server(row, &out);
  check_role(row, &out);
  CROSSFADE_TRY(check_tables(target, target_schema, tables, /*decoded=*/true, &out));
  return out;
}

Result<std::optional<Obstacle>> find_stream_obstacle(postgres::ConnectOptions options) {
  options.replication = true;
  const auto connection = postgres::Connection::open(std::move(options));
  if (connection) return std::optional<Obstacle>();
  const Error& error = connection.error();
  if (error.code != ErrorCode::kTarget) return fail(error);  // it may pass
  return std::optional(
      Obstacle{"no connection for replication is taken: " + error.native, error.hint});
}

Result<std::vector<Obstacle>> find_outbox_obstacles(
    postgres::Connection& target, const std::string& target_schema,
    const std::vector<std::shared_ptr<const Table>>& tables) {
  Obstacles out;
  CROSSFADE_TRY(const auto row, target.exec("SELECT pg_is_in_recovery()"));
  check_standby(row.boolean(0, 0), &out);
  CROSSFADE_TRY(check_tables(target, target_schema, tables, /*decoded=*/false, &out));
  return out;
}

}  // namespace crossfade::capture
