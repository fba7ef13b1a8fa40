#include "capture/target_slot.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <iterator>
#include <thread>
#include <utility>

#include "capture/published_tables.h"
#include "capture/short_locks.h"
#include "engine/core/backoff.h"
#include "engine/core/limits.h"
#include "engine/postgres/quote.h"

namespace crossfade::capture {
namespace {

constexpr const char* kQueryCanceled = "57014";
constexpr const char* kUndefinedObject = "42704";

// What a new slot waits for: any transaction of the server that has written, prepared ones too.
constexpr const char* kOldestTransaction = R"(
SELECT * FROM (
  SELECT format('pid %s (%s)%s', pid, application_name,
                ' in database ' || datname || coalesce(', since ' || xact_start, '')),
         format('SELECT pg_terminate_backend(%s)', pid), age(backend_xid) AS age
  FROM pg_stat_activity WHERE backend_xid IS NOT NULL AND pid <> pg_backend_pid()
  UNION ALL
  SELECT format('the prepared transaction %L in database %s, since %s', gid, database, prepared),
         format('ROLLBACK PREPARED %L', gid), age(transaction)
  FROM pg_prepared_xacts) AS open ORDER BY age DESC LIMIT 1)";

Error slot_error(std::string object, std::string native, std::string hint,
                 Remedy remedy = Remedy::kRetry) {
  Error error;
  error.remedy = remedy;
  error.code = ErrorCode::kTarget;
  error.op = "target.slot";
  error.object = std::move(object);
  error.native = std::move(native);
  error.hint = std::move(hint);
  return error;
}

Status refuse_foreign(postgres::Connection& target, const std::string& slot) {
  CROSSFADE_TRY(const auto row,
                target.exec(fmt::format("SELECT database FROM pg_replication_slots WHERE slot_name "
                                        "= {} AND database <> current_database()",
                                        postgres::quote_literal(slot))));
  if (row.rows() == 0) return ok();
  return fail(slot_error(slot,
                         fmt::format("a slot of this name is in the database {}: the way back of "
                                     "another move of this source",
                                     row.text(0, 0)),
                         "`crossfade finish` that move; or, when it is long gone, connect to that "
                         "database and drop the slot: SELECT pg_drop_replication_slot('" +
                             slot + "')",
                         Remedy::kDecide));
}

// False: there is no such slot here. An error while somebody reads it, once the deadline is over.
Result<bool> wait_until_unused(postgres::Connection& target, const std::string& slot,
                               Deadline deadline) {
  const std::string sql = fmt::format(R"(
      SELECT s.active_pid, a.application_name
      FROM pg_replication_slots s LEFT JOIN pg_stat_activity a ON a.pid = s.active_pid
      WHERE s.slot_name = {} AND s.database = current_database())",
                                      postgres::quote_literal(slot));
  Backoff backoff(limits::kClusterPollInterval, limits::kPollInterval, INT32_MAX);
  while (true) {
    CROSSFADE_TRY(const auto row, target.exec(sql));
    if (row.rows() == 0) return false;
    if (row.is_null(0, 0)) return true;
    if (deadline.expired() || !backoff.next()) {
      return fail(slot_error(
          slot, fmt::format("it is being read by pid {} ({})", row.text(0, 0), row.text(0, 1)),
          fmt::format("end that process, or SELECT pg_terminate_backend({}); then run again",
                      row.text(0, 0))));
    }
    std::this_thread::sleep_for(std::min(backoff.pause(), deadline.remaining()));
  }
}

Result<bool> drop_slot(postgres::Connection& target, const std::string& slot, Deadline deadline) {
  const Deadline patience = deadline.sooner(Deadline::after(limits::kSlotReleaseWait));
  CROSSFADE_TRY(const bool present, wait_until_unused(target, slot, patience));
  if (!present) return false;
  const auto dropped = target.exec(
      fmt::format("SELECT pg_drop_replication_slot({})", postgres::quote_literal(slot)));
  if (!dropped && dropped.error().sqlstate != kUndefinedObject) {
    return fail(std::move(dropped).error());
  }
  return true;
}

Result<std::vector<std::string>> remove_publication(postgres::Connection& target,
                                                    Deadline deadline) {
  std::vector<std::string> out;
  CROSSFADE_TRY(with_short_locks(target, deadline, [&]() -> Status {
    out.clear();
    CROSSFADE_TRY(const auto found,
                  target.exec(fmt::format("SELECT 1 FROM pg_publication WHERE pubname = {}",
                                          postgres::quote_literal(kPublication))));
    if (found.rows() == 1) {
      CROSSFADE_TRY(target.exec(fmt::format("DROP PUBLICATION {}", postgres::quote(kPublication))));
      out.push_back(fmt::format("publication {}", kPublication));
    }
    CROSSFADE_TRY(const auto tables, unpublish_keys(target));
    for (const std::string& table : tables) out.push_back("replica identity of " + table);
    CROSSFADE_TRY(target.exec("DROP TABLE IF EXISTS crossfade.probe"));
    return ok();
  }));
  return out;
}

Result<std::vector<std::string>> remove_all(postgres::Connection& target, const std::string& slot,
                                            Deadline deadline) {
  std::vector<std::string> out;
  CROSSFADE_TRY(const bool dropped, drop_slot(target, slot, deadline));
  if (dropped) out.push_back("slot " + slot);
  CROSSFADE_TRY(auto rest, remove_publication(target, deadline));
  std::move(rest.begin(), rest.end(), std::back_inserter(out));
  return out;
}

Status publish(postgres::Connection& target, const std::string& target_schema,
               const std::vector<std::shared_ptr<const Table>>& tables, Deadline deadline) {
  std::string names = "crossfade.route, crossfade.probe";
  for (const auto& table : tables)
    names += ", " + postgres::quote(target_schema, table->target_name);
  return with_short_locks(target, deadline, [&]() -> Status {
    CROSSFADE_TRY(make_probe(target));
    // What it locks keeps no reader or writer waiting. Autovacuum does, on tables that were just
    // filled, and lets go only of who waits for longer than deadlock_timeout.
    const auto rest = std::min(deadline.remaining(), target.statement_timeout() / 2);
    CROSSFADE_TRY(limit_lock_wait(target, std::max(rest, limits::kPublishLockWait)));
    CROSSFADE_TRY(target.exec(
        fmt::format("CREATE PUBLICATION {} FOR TABLE {} WITH (publish = 'insert, update, delete, "
                    "truncate', publish_via_partition_root = true)",
                    postgres::quote(kPublication), names)));
    CROSSFADE_TRY(limit_lock_wait(target, limits::kPublishLockWait));
    return publish_keys(target, target_schema, tables);
  });
}

Error waited_too_long(postgres::Connection& target, const std::string& slot, Error error) {
  const auto oldest = target.exec(kOldestTransaction);
  if (!oldest || oldest.value().rows() == 0) return error;
  return slot_error(slot,
                    "a new slot waits for all transactions that have written to the server: the "
                    "oldest is " +
                        oldest.value().text(0, 0),
                    "let it end, or: " + oldest.value().text(0, 1) + "; then run again");
}

// The server gives up by itself, so that the connection stays whole, and drops what it half made.
Status create_slot(postgres::Connection& target, const std::string& slot, Deadline deadline) {
  const auto patience = target.statement_timeout();
  const auto rest = std::max(deadline.remaining(), std::chrono::milliseconds(1));
  CROSSFADE_TRY(target.exec(fmt::format("SET statement_timeout = {}", rest.count())));
  target.set_statement_timeout(rest + limits::kAnswerPatience);
  auto made = target.exec(fmt::format("SELECT pg_create_logical_replication_slot({}, 'pgoutput')",
                                      postgres::quote_literal(slot)));
  target.set_statement_timeout(patience);
  CROSSFADE_TRY(target.exec("SET statement_timeout = 0"));
  if (made) return ok();
  Error error = std::move(made).error();
  if (error.sqlstate != kQueryCanceled) return fail(std::move(error));
  return fail(waited_too_long(target, slot, std::move(error)));
}

}  // namespace

std::string slot_name(const std::string& source_id) {
  constexpr size_t kDigits = 16;
  std::string out = "crossfade_";
  const size_t size = out.size() + kDigits;
  for (const char c : source_id) {
    const auto letter = static_cast<unsigned char>(c);
    if (out.size() < size && std::isxdigit(letter) != 0) {
      out.push_back(static_cast<char>(std::tolower(letter)));
    }
  }
  return out;
}

Status make_slot(postgres::Connection& target, const std::string& source_id,
                 const std::string& target_schema,
                 const std::vector<std::shared_ptr<const Table>>& tables, Deadline deadline) {
  const std::string slot = slot_name(source_id);
  CROSSFADE_TRY(refuse_foreign(target, slot));
  CROSSFADE_TRY(remove_all(target, slot, deadline));
  // The publication first: a slot cannot send what was written before there was one.
  CROSSFADE_TRY(publish(target, target_schema, tables, deadline));
  Status made = create_slot(target, slot, deadline);
  if (made) return ok();
  // What failed is said, not what came of cleaning up; the next attempt cleans up likewise.
  (void)remove_publication(target, Deadline::after(limits::kPublishLockWait));
  return made;
}

Result<std::vector<std::string>> remove_slot(postgres::Connection& target,
                                             const std::string& source_id) {
  return remove_all(target, slot_name(source_id), Deadline::after(limits::kSlotReleaseWait));
}

Result<std::vector<Unpublished>> find_unpublished(postgres::Connection& target,
                                                  const std::string& target_schema) {
  CROSSFADE_TRY(const auto rows, target.exec(fmt::format(R"(
      SELECT p.target_name, CASE
        WHEN c.oid IS NULL AND now_there IS NULL THEN 'it was dropped'
        WHEN c.oid IS NULL THEN 'it was dropped and made anew'
        WHEN c.relname <> p.target_name OR n.nspname <> {0} THEN
          format('it is called %I.%I now', n.nspname, c.relname)
        ELSE 'it was taken out of the publication' END
      FROM crossfade.published p
      LEFT JOIN pg_class c ON c.oid = p.relation LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
      CROSS JOIN LATERAL to_regclass(format('%I.%I', {0}, p.target_name)) AS now_there
      WHERE c.oid IS NULL OR c.relname <> p.target_name OR n.nspname <> {0}
         OR NOT EXISTS(SELECT 1 FROM pg_publication_rel r JOIN pg_publication u ON u.oid = r.prpubid
                       WHERE r.prrelid = p.relation AND u.pubname = {1})
      ORDER BY 1)",
                                                         postgres::quote_literal(target_schema),
                                                         postgres::quote_literal(kPublication))));
  std::vector<Unpublished> out;
  for (int i = 0; i < rows.rows(); ++i) out.push_back({rows.text(i, 0), rows.text(i, 1)});
  return out;
}

Result<SlotHealth> slot_health(postgres::Connection& target, const std::string& source_id) {
  CROSSFADE_TRY(const auto row,
                target.exec(fmt::format(R"(
      SELECT wal_status = 'lost', wal_status = 'unreserved',
             coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn), 0)::bigint,
             (SELECT setting::bigint * 1024 * 1024 FROM pg_settings
              WHERE name = 'max_slot_wal_keep_size' AND setting <> '-1')
      FROM pg_replication_slots WHERE slot_name = {})",
                                        postgres::quote_literal(slot_name(source_id)))));
  SlotHealth out;
  if (row.rows() == 0) return out;
  out.present = true;
  out.lost = row.boolean(0, 0);
  out.at_risk = row.boolean(0, 1);
  out.retained_bytes = row.integer(0, 2);
  if (!row.is_null(0, 3)) out.limit_bytes = row.integer(0, 3);
  return out;
}

// Moves that were begun by a version without a way back have none yet.
Status make_probe(postgres::Connection& target) {
  CROSSFADE_TRY(target.exec(R"(
      CREATE TABLE IF NOT EXISTS crossfade.probe(
        one boolean PRIMARY KEY DEFAULT true CHECK(one),
        nonce text NOT NULL DEFAULT '',
        sent_at timestamptz NOT NULL DEFAULT clock_timestamp());
      INSERT INTO crossfade.probe DEFAULT VALUES ON CONFLICT DO NOTHING)"));
  return ok();
}

Status send_probe(postgres::Connection& target, const std::string& nonce) {
  CROSSFADE_TRY(const auto sent, target.query("UPDATE crossfade.probe SET nonce = $1,"
                                              "sent_at = clock_timestamp()",
                                              {postgres::text_param(nonce)}));
  if (sent.affected() == 1) return ok();
  return fail(slot_error("crossfade.probe", "its row is gone",
                         "INSERT INTO crossfade.probe DEFAULT VALUES; then run again"));
}

}  // namespace crossfade::capture
