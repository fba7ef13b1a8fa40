#include "engine/run/target_locks.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "engine/core/limits.h"
#include "engine/postgres/quote.h"

namespace crossfade::run {
namespace {

using postgres::quote;
using std::chrono::milliseconds;

// $1: the schema, $2: a JSON array of names.
constexpr const char* kWithHeirs = R"(
WITH RECURSIVE heir(oid, name) AS (
  SELECT to_regclass(format('%I.%I', $1::text, name))::oid, name
  FROM json_array_elements_text($2::json) AS name
  UNION
  SELECT i.inhrelid, heir.name FROM heir JOIN pg_inherits i ON i.inhparent = heir.oid)
SELECT h.oid, h.name, n.nspname, c.relname, c.relkind = 'p'
FROM heir h LEFT JOIN pg_class c ON c.oid = h.oid LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IS NULL OR c.relkind IN ('r', 'p', 'S')
ORDER BY h.oid)";

// $1: a JSON array of oids, $2: whether those who only read count. A role that may not see other
// roles' sessions does not see backend_type: an autovacuum is known by having no role then. A
// prepared transaction's locks name it by the lock that it has on its own id.
constexpr const char* kWhoBlocks = R"(
SELECT coalesce(l.pid, 0), coalesce(p.gid, ''), coalesce(a.application_name, ''),
       coalesce(a.usename, p.owner, ''), coalesce(a.state, ''),
       coalesce(left(nullif(a.query, '<insufficient privilege>'), 200), ''),
       min(format('%s.%s', quote_ident(n.nspname), quote_ident(c.relname))),
       coalesce(extract(epoch FROM clock_timestamp() -
                        min(coalesce(a.xact_start, p.prepared)))::bigint, 0),
       bool_or(a.pid IS NOT NULL AND coalesce(a.backend_type = 'autovacuum worker',
                                              a.usesysid IS NULL))
FROM pg_locks l JOIN pg_class c ON c.oid = l.relation JOIN pg_namespace n ON n.oid = c.relnamespace
     LEFT JOIN pg_stat_activity a ON a.pid = l.pid
     LEFT JOIN pg_locks x ON l.pid IS NULL AND x.pid IS NULL AND x.locktype = 'transactionid'
          AND x.virtualtransaction = l.virtualtransaction
     LEFT JOIN pg_prepared_xacts p ON p.transaction = x.transactionid
WHERE l.locktype = 'relation' AND l.granted AND l.pid IS DISTINCT FROM pg_backend_pid()
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND l.relation IN (SELECT o::oid FROM json_array_elements_text($1::json) AS o)
  AND ($2::boolean OR l.mode <> 'AccessShareLock')
GROUP BY 1, 2, 3, 4, 5, 6
ORDER BY 8 DESC, 1)";

// What the server itself waits before it looks for deadlocks, and cancels an autovacuum.
Result<milliseconds> deadlock_timeout(postgres::Connection& target) {
  CROSSFADE_TRY(const auto row, target.exec("SELECT setting::bigint FROM pg_settings WHERE name = "
                                            "'deadlock_timeout'"));
  return milliseconds(row.integer(0, 0));
}

bool is_busy(const Error& error) {
  return error.sqlstate == "55P03" || error.sqlstate == "40P01" || error.sqlstate == "57014";
}

Error gone(const std::string& schema, const std::string& name) {
  Error error;
  error.code = ErrorCode::kTarget;
  error.remedy = Remedy::kDecide;
  error.op = "target.lock";
  error.object = quote(schema, name);
  error.native = "a table of this move is not there any more, or has another name";
  error.hint = "rename it back, or restore it";
  return error;
}

}  // namespace

Result<std::vector<LockedTable>> with_heirs(postgres::Connection& target,
                                            const FencedTables& tables) {
  const std::string names = nlohmann::json(tables.names).dump();
  CROSSFADE_TRY(const auto rows, target.query(kWithHeirs, {postgres::text_param(tables.schema),
                                                           postgres::text_param(names)}));
  std::vector<LockedTable> out;
  for (int i = 0; i < rows.rows(); ++i) {
    if (rows.is_null(i, 0)) return fail(gone(tables.schema, rows.text(i, 1)));
    const int64_t oid = rows.integer(i, 0);
    // A table and its heir may both be listed.
    if (!out.empty() && out.back().oid == oid) continue;
    const std::string schema = rows.text(i, 2);
    const std::string name = rows.text(i, 3);
    out.push_back({oid, schema, name, quote(schema, name), rows.boolean(i, 4)});
  }
  return out;
}

Result<std::vector<Blocker>> who_blocks(postgres::Connection& target, const FencedTables& tables,
                                        InTheWay whom) {
  CROSSFADE_TRY(const auto relations, with_heirs(target, tables));
  nlohmann::json oids = nlohmann::json::array();
  for (const LockedTable& table : relations) oids.push_back(table.oid);
  const std::string listed = oids.dump();
  CROSSFADE_TRY(
      const auto rows,
      target.query(kWhoBlocks,
                   {postgres::text_param(listed),
                    postgres::text_param(whom == InTheWay::kOfReadersToo ? "true" : "false")}));
  std::vector<Blocker> out;
  for (int i = 0; i < rows.rows(); ++i) {
    Blocker b;
    b.pid = rows.integer(i, 0);
    b.prepared = rows.text(i, 1);
    b.application = rows.text(i, 2);
    b.user = rows.text(i, 3);
    b.state = rows.text(i, 4);
    b.query = rows.text(i, 5);
    b.table = rows.text(i, 6);
    b.seconds = rows.integer(i, 7);
    b.autovacuum = rows.boolean(i, 8);
    out.push_back(std::move(b));
  }
  return out;
}

std::string describe_blockers(const std::vector<Blocker>& blockers) {
  std::string out;
  for (const Blocker& b : blockers) {
    if (!out.empty()) out += "\n    ";
    if (b.pid == 0) {
      out += fmt::format("{}: the prepared transaction '{}' of {}, for {} s", b.table, b.prepared,
                         b.user, b.seconds);
      continue;
    }
    out += b.autovacuum ? fmt::format("{}: autovacuum, pid {}", b.table, b.pid)
                        : fmt::format("{}: pid {} ({}{}{})", b.table, b.pid, b.application,
                                      b.application.empty() || b.user.empty() ? "" : ", ", b.user);
    if (!b.state.empty()) out += fmt::format(", {}", b.state);
    if (b.seconds > 0) out += fmt::format(", its transaction lasts {} s", b.seconds);
    if (!b.query.empty()) out += fmt::format(": {}", b.query);
  }
  return out;
}

Error target_busy_error(std::string op, std::string object, const std::vector<Blocker>& blockers) {
  Error error;
  error.code = ErrorCode::kTarget;
  error.remedy = Remedy::kRetry;
  error.op = std::move(op);
  error.object = std::move(object);
  error.native = blockers.empty() ? "the tables were in use by sessions that are gone by now"
                                  : "the tables are in use:\n    " + describe_blockers(blockers);
  const bool prepared =
      std::any_of(blockers.begin(), blockers.end(), [](const Blocker& b) { return b.pid == 0; });
  error.hint = prepared
                   ? "a prepared transaction stays until COMMIT PREPARED or ROLLBACK PREPARED; "
                     "then run the command again"
                   : "run the command again when they have ended their transactions; "
                     "pg_terminate_backend(pid) ends one";
  return error;
}

Result<bool> exec_unless_busy(postgres::Connection& target, const std::string& sql,
                              milliseconds patience) {
  CROSSFADE_TRY(const milliseconds ours, deadlock_timeout(target));
  const int64_t bound = std::max<int64_t>(1, std::min(patience, ours / 2).count());
  // lock_timeout is of each lock; all of them together are not to take any longer.
  CROSSFADE_TRY(target.exec(
      fmt::format("BEGIN; SET LOCAL lock_timeout = {0}; SET LOCAL statement_timeout = {0}; "
                  "SET LOCAL idle_in_transaction_session_timeout = {1}",
                  bound, limits::kLockLeftOpenMax.count())));
  auto done = target.exec(sql);
  if (done) done = target.exec("SET LOCAL statement_timeout = 0");
  if (done) return true;
  target.rollback();
  if (is_busy(done.error())) return false;
  return fail(std::move(done).error());
}

Result<bool> displace_autovacuum(postgres::Connection& target, const FencedTables& tables) {
  CROSSFADE_TRY(const auto blockers, who_blocks(target, tables));
  std::set<std::string> vacuumed;
  for (const Blocker& b : blockers) {
    if (b.autovacuum) vacuumed.insert(b.table);
  }
  CROSSFADE_TRY(const milliseconds server_waits, deadlock_timeout(target));
  for (const std::string& table : vacuumed) {
    // It conflicts with itself and stronger ones, not with what writers take. And one at a time:
    // who holds nothing is in no deadlock.
    CROSSFADE_TRY(target.exec(fmt::format("BEGIN; SET LOCAL lock_timeout = {}",
                                          (server_waits + milliseconds(500)).count())));
    const auto done =
        target.exec(fmt::format("LOCK TABLE ONLY {} IN SHARE UPDATE EXCLUSIVE MODE", table));
    target.rollback();
    if (!done && !is_busy(done.error())) return fail(done.error());
  }
  return !vacuumed.empty();
}

Result<bool> lock_tables(postgres::Connection& target, const FencedTables& tables,
                         milliseconds patience) {
  CROSSFADE_TRY(const auto relations, with_heirs(target, tables));
  std::string listed;
  for (const LockedTable& table : relations) {
    listed += (listed.empty() ? "" : ", ") + table.quoted;
  }
  CROSSFADE_TRY(
      const bool locked,
      exec_unless_busy(
          target,
          listed.empty() ? "SELECT 1" : fmt::format("LOCK TABLE {} IN EXCLUSIVE MODE", listed),
          patience));
  if (locked) return true;
  CROSSFADE_TRY(displace_autovacuum(target, tables));
  return false;
}

}  // namespace crossfade::run
