#include "capture/target_outbox.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "capture/outbox_ddl.h"
#include "capture/published_tables.h"
#include "capture/short_locks.h"
#include "engine/core/limits.h"
#include "engine/postgres/quote.h"

namespace crossfade::capture {
namespace {

constexpr const char* kPositionSql =
    "SELECT pg_current_snapshot()::text, pg_current_wal_flush_lsn()";

// Statements that write to it need not name it, and only triggers of rows see those.
constexpr const char* kByRowSql = R"(
SELECT c.relkind = 'p' OR EXISTS(SELECT 1 FROM pg_inherits i WHERE i.inhrelid = c.oid)
       OR EXISTS(SELECT 1 FROM pg_subscription_rel s WHERE s.srrelid = c.oid)
FROM pg_class c WHERE c.oid = {}::regclass)";

constexpr const char* kTriggersSql = R"(
SELECT format('%I.%I', n.nspname, c.relname),
       string_agg(format('DROP TRIGGER %I ON %I.%I', t.tgname, n.nspname, c.relname), '; ')
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE t.tgparentid = 0 AND t.tgfoid IN (to_regprocedure('crossfade.outbox_began()'),
        to_regprocedure('crossfade.outbox_statement()'), to_regprocedure('crossfade.outbox_row()'))
GROUP BY n.nspname, c.relname ORDER BY n.nspname = 'crossfade', 1)";

constexpr const char* kUnwatchedSql = R"(
SELECT p.target_name, CASE
  WHEN c.relkind <> 'p' AND EXISTS(SELECT FROM pg_inherits WHERE inhparent = c.oid) THEN
    'tables inherit from it: what is written to those is not known'
  WHEN watched.statement = 5 AND (EXISTS(SELECT FROM pg_inherits WHERE inhrelid = c.oid) OR
       EXISTS(SELECT FROM pg_subscription_rel WHERE srrelid = c.oid)) THEN
    'it is a part of another table or of a subscription by now: what is written to it through that '
    'is not known'
  WHEN c.oid IS NULL AND now_there IS NULL THEN 'it was dropped'
  WHEN c.oid IS NULL THEN 'it was dropped and made anew'
  WHEN c.relname <> p.target_name OR n.nspname <> {0} THEN
    format('it is called %I.%I now', n.nspname, c.relname)
  ELSE 'triggers of the outbox were dropped or disabled: what was written meanwhile is not known' END
FROM crossfade.published p
LEFT JOIN pg_class c ON c.oid = p.relation LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
CROSS JOIN LATERAL to_regclass(format('%I.%I', {0}, p.target_name)) AS now_there
CROSS JOIN LATERAL (
  SELECT count(*) FILTER (WHERE t.tgfoid <> to_regprocedure('crossfade.outbox_row()')) AS statement,
         count(*) FILTER (WHERE t.tgfoid = to_regprocedure('crossfade.outbox_row()')) AS by_row
  FROM pg_trigger t
  WHERE t.tgrelid = p.relation AND t.tgenabled = 'A' AND t.tgfoid IN (
    to_regprocedure('crossfade.outbox_began()'), to_regprocedure('crossfade.outbox_statement()'),
    to_regprocedure('crossfade.outbox_row()'))) AS watched
WHERE c.oid IS NULL OR c.relname <> p.target_name OR n.nspname <> {0}
   OR c.relkind <> 'p' AND EXISTS(SELECT FROM pg_inherits WHERE inhparent = c.oid)
   OR watched.statement = 5 AND (EXISTS(SELECT FROM pg_inherits WHERE inhrelid = c.oid) OR
      EXISTS(SELECT FROM pg_subscription_rel WHERE srrelid = c.oid))
   OR NOT (watched.statement = 5 OR watched.statement = 1 AND watched.by_row = 1)
ORDER BY 1)";

Error not_a_position(const postgres::Connection& target, const std::string& text) {
  Error error;
  error.code = ErrorCode::kTarget;
  error.op = "target.outbox";
  error.object = target.safe_name();
  error.native = "the server's snapshot cannot be read: " + text;
  error.hint = "report it with the server's version";
  return error;
}

Result<OutboxPosition> read_position(postgres::Connection& target) {
  CROSSFADE_TRY(const auto row, target.exec(kPositionSql));
  const auto snapshot = postgres::PgSnapshot::parse(row.text(0, 0));
  const auto end = postgres::parse_pg_lsn(row.text(0, 1));
  if (!snapshot || !end) return fail(not_a_position(target, row.text(0, 0)));
  return OutboxPosition{*end, *snapshot};
}

Result<bool> has_relation(postgres::Connection& target, const char* name) {
  CROSSFADE_TRY(const auto found, target.exec(fmt::format("SELECT to_regclass({}) IS NOT NULL",
                                                          postgres::quote_literal(name))));
  return found.boolean(0, 0);
}

Status watch_table(postgres::Connection& target, const std::string& name, Deadline deadline) {
  CROSSFADE_TRY(const auto found,
                target.exec(fmt::format(kByRowSql, postgres::quote_literal(name))));
  const bool by_row = found.boolean(0, 0);
  return with_short_locks(target, deadline, [&]() -> Status {
    CROSSFADE_TRY(target.exec(outbox_triggers_ddl(name, by_row)));
    return ok();
  });
}

Result<OutboxPosition> make_all(postgres::Connection& target, const std::string& target_schema,
                                const std::vector<std::shared_ptr<const Table>>& tables,
                                Deadline deadline) {
  CROSSFADE_TRY(with_short_locks(target, deadline, [&]() -> Status {
    CROSSFADE_TRY(make_probe(target));
    CROSSFADE_TRY(target.exec(outbox_ddl()));
    for (const char* own : {"crossfade.route", "crossfade.probe"}) {
      CROSSFADE_TRY(target.exec(own_outbox_trigger_ddl(own)));
    }
    return note_tables(target, target_schema, tables);
  }));
  // Whoever writes to a table has ended when its triggers are made, and is before the position.
  for (const auto& table : tables) {
    CROSSFADE_TRY(
        watch_table(target, postgres::quote(target_schema, table->target_name), deadline));
  }
  CROSSFADE_TRY(auto position, read_position(target));
  CROSSFADE_TRY(target.exec(fmt::format("UPDATE crossfade.outbox_position SET applied = '{}'",
                                        postgres::to_string(position.end))));
  return position;
}

}  // namespace

Result<OutboxPosition> make_outbox(postgres::Connection& target, const std::string& target_schema,
                                   const std::vector<std::shared_ptr<const Table>>& tables,
                                   Deadline deadline) {
  CROSSFADE_TRY(remove_outbox(target, deadline));
  auto made = make_all(target, target_schema, tables, deadline);
  if (made) return made;
  // What failed is said, not what came of cleaning up; the next attempt cleans up likewise.
  target.rollback();
  (void)remove_outbox(target, Deadline::after(limits::kPublishLockWait));
  return made;
}

Result<std::vector<std::string>> remove_outbox(postgres::Connection& target, Deadline deadline) {
  std::vector<std::string> out;
  CROSSFADE_TRY(const bool present, has_relation(target, "crossfade.outbox"));
  if (!present) return out;
  CROSSFADE_TRY(target.exec("BEGIN; " + outbox_off_ddl() + "COMMIT"));
  CROSSFADE_TRY(const auto triggers, target.exec(kTriggersSql));
  for (int i = 0; i < triggers.rows(); ++i) {
    auto dropped = with_short_locks(target, deadline, [&]() -> Status {
      CROSSFADE_TRY(target.exec(triggers.text(i, 1)));
      return ok();
    });
    if (!dropped) {
      Error error = std::move(dropped).error();
      if (error.sqlstate == "55P03") error.remedy = Remedy::kRetry;
      return fail(std::move(error));
    }
    out.push_back("triggers of the outbox on " + triggers.text(i, 0));
  }
  CROSSFADE_TRY(with_short_locks(target, deadline, [&]() -> Status {
    CROSSFADE_TRY(target.exec(drop_outbox_ddl()));
    CROSSFADE_TRY(unpublish_keys(target));
    CROSSFADE_TRY(target.exec("DROP TABLE IF EXISTS crossfade.probe"));
    return ok();
  }));
  out.emplace_back("table crossfade.outbox");
  return out;
}

Result<std::vector<Unpublished>> find_unwatched(postgres::Connection& target,
                                                const std::string& target_schema) {
  CROSSFADE_TRY(const auto rows,
                target.exec(fmt::format(kUnwatchedSql, postgres::quote_literal(target_schema))));
  std::vector<Unpublished> out;
  for (int i = 0; i < rows.rows(); ++i) out.push_back({rows.text(i, 0), rows.text(i, 1)});
  return out;
}

Result<OutboxState> read_outbox_state(postgres::Connection& target) {
  OutboxState out;
  CROSSFADE_TRY(out.present, has_relation(target, "crossfade.outbox_position"));
  if (!out.present) return out;
  CROSSFADE_TRY(out.now, read_position(target));
  CROSSFADE_TRY(const auto row, target.exec("SELECT applied FROM crossfade.outbox_position"));
  if (row.rows() == 1) {
    out.applied = postgres::parse_pg_lsn(row.text(0, 0)).value_or(postgres::PgLsn());
  }
  return out;
}

Result<SlotHealth> outbox_health(postgres::Connection& target) {
  SlotHealth out;
  CROSSFADE_TRY(out.present, has_relation(target, "crossfade.outbox"));
  if (!out.present) return out;
  CROSSFADE_TRY(const auto row,
                target.exec("SELECT pg_total_relation_size('crossfade.outbox'), max_bytes, "
                            "EXISTS(SELECT FROM crossfade.outbox_lost) FROM "
                            "crossfade.outbox_position"));
  if (row.rows() != 1) return out;
  out.retained_bytes = row.integer(0, 0);
  const int64_t max = row.integer(0, 1);
  if (max > 0) out.limit_bytes = max;
  out.at_risk = max > 0 && out.retained_bytes > max / 2;
  out.lost = row.boolean(0, 2);
  return out;
}

}  // namespace crossfade::capture
