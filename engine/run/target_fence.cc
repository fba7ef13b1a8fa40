#include "engine/run/target_fence.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/postgres/quote.h"
#include "engine/run/target_locks.h"

namespace crossfade::run {
namespace {

using postgres::quote;
using postgres::quote_literal;

constexpr const char* kStatementTrigger = "_crossfade_fence";
constexpr const char* kRowTrigger = "_crossfade_fence_rows";
constexpr const char* kKeptFunction = "_crossfade_refuse_write";  // in the tables' schema
constexpr const char* kPassingBody = "BEGIN RETURN NULL; END";
// Resolved when the trigger is made: nobody's search_path bears on it.
constexpr const char* kUnlessWriter =
    "WHEN (pg_catalog.current_setting('crossfade.writer', true) IS DISTINCT FROM 'on') EXECUTE "
    "FUNCTION crossfade.refuse_write()";

std::string function_ddl(const std::string& body) {
  return fmt::format(
      "CREATE OR REPLACE FUNCTION crossfade.refuse_write() RETURNS trigger LANGUAGE plpgsql AS {}",
      quote_literal(body));
}

std::string refusing_body(const FenceNotice& notice, const std::string& hint) {
  const std::string what = fmt::format(
      " takes no writes on PostgreSQL: SQLite is the primary since the rollback (epoch {})",
      notice.epoch.value);
  return fmt::format(
      "BEGIN RAISE EXCEPTION USING ERRCODE = '25006', MESSAGE = pg_catalog.concat('crossfade: ', "
      "pg_catalog.quote_ident(TG_TABLE_SCHEMA), '.', pg_catalog.quote_ident(TG_TABLE_NAME), {}), "
      "HINT = {}; END",
      quote_literal(what), quote_literal(hint));
}

// Statements that name the table, TRUNCATE and those that touch no row; and rows that are written
// without naming it: through a table it inherits from, or by a logical subscription. After the row,
// as a trigger before it would make COPY go row by row.
std::string trigger_ddl(const LockedTable& table, bool rows) {
  const std::string when =
      rows ? "AFTER INSERT OR UPDATE OR DELETE" : "BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE";
  return fmt::format("CREATE TRIGGER {} {} ON {} FOR EACH {} {}; ",
                     rows ? kRowTrigger : kStatementTrigger, when, table.quoted,
                     rows ? "ROW" : "STATEMENT", kUnlessWriter);
}

struct FenceTrigger {
  LockedTable table;
  std::string name;
  char enabled = 'D';  // as pg_trigger has it; 'A': always
};

Result<std::vector<FenceTrigger>> fence_triggers_on_target(postgres::Connection& target) {
  CROSSFADE_TRY(const auto rows, target.exec(R"(
    SELECT n.nspname, c.relname, c.oid, t.tgname, t.tgenabled
    FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
         JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE t.tgfoid = to_regprocedure('crossfade.refuse_write()')
    ORDER BY c.oid, t.tgname)"));
  std::vector<FenceTrigger> out;
  for (int i = 0; i < rows.rows(); ++i) {
    FenceTrigger trigger;
    trigger.table.schema = rows.text(i, 0);
    trigger.table.name = rows.text(i, 1);
    trigger.table.quoted = quote(trigger.table.schema, trigger.table.name);
    trigger.table.oid = rows.integer(i, 2);
    trigger.name = rows.text(i, 3);
    trigger.enabled = rows.text(i, 4).front();
    out.push_back(std::move(trigger));
  }
  return out;
}

// What a table lacks of the fence. Empty: nothing.
std::string missing_ddl(const LockedTable& table, const std::vector<FenceTrigger>& present) {
  std::string ddl;
  for (const bool rows : {false, true}) {
    if (rows && table.partitioned) continue;  // it has no rows of its own
    const char* const name = rows ? kRowTrigger : kStatementTrigger;
    const auto found = std::find_if(present.begin(), present.end(), [&](const FenceTrigger& t) {
      return t.table.oid == table.oid && t.name == name;
    });
    if (found == present.end()) ddl += trigger_ddl(table, rows);
    // A session with session_replication_role = replica must not slip through.
    if (found == present.end() || found->enabled != 'A') {
      ddl += fmt::format("ALTER TABLE ONLY {} ENABLE ALWAYS TRIGGER {}; ", table.quoted, name);
    }
  }
  return ddl;
}

Status make_triggers(postgres::Connection& target, const FencedTables& tables) {
  CROSSFADE_TRY(const auto relations, with_heirs(target, tables));
  CROSSFADE_TRY(const auto present, fence_triggers_on_target(target));
  std::string ddl;
  for (const LockedTable& table : relations) ddl += missing_ddl(table, present);
  if (ddl.empty()) return ok();
  CROSSFADE_TRY(target.exec(ddl));
  return ok();
}

// Statements about one table's triggers in a transaction of their own. False: somebody was in the
// way.
Result<bool> change_triggers(postgres::Connection& target, const LockedTable& table,
                             const std::string& ddl, std::chrono::milliseconds patience) {
  for (int attempt = 0; attempt < 2; ++attempt) {
    CROSSFADE_TRY(const bool done, exec_unless_busy(target, ddl, patience));
    if (done) {
      CROSSFADE_TRY(target.commit());
      return true;
    }
    CROSSFADE_TRY(const bool left, displace_autovacuum(target, {table.schema, {table.name}}));
    if (!left) break;
  }
  return false;
}

}  // namespace

Status raise_fence_on_target(postgres::Connection& target, const FencedTables& tables,
                             const FenceNotice& notice) {
  const std::string hint = fmt::format(
      "Write to {}, as `crossfade route` and the route file say. This write was not "
      "done: repeat its transaction there.",
      notice.primary);
  CROSSFADE_TRY(target.exec(function_ddl(refusing_body(notice, hint))));
  return make_triggers(target, tables);
}

Status fence_new_tables(postgres::Connection& target, const FencedTables& tables) {
  CROSSFADE_TRY(const bool up, target_fence_is_up(target));
  if (!up) return ok();
  return make_triggers(target, tables);
}

Status lower_fence_on_target(postgres::Connection& target) {
  CROSSFADE_TRY(const bool up, target_fence_is_up(target));
  if (!up) return ok();
  CROSSFADE_TRY(target.exec(function_ddl(kPassingBody)));
  return ok();
}

Result<bool> target_fence_is_up(postgres::Connection& target) {
  CROSSFADE_TRY(const auto row,
                target.exec(fmt::format(
                    "SELECT EXISTS(SELECT 1 FROM pg_proc p JOIN pg_trigger t ON t.tgfoid = p.oid "
                    "WHERE p.oid = to_regprocedure('crossfade.refuse_write()') AND p.prosrc <> {} "
                    "AND t.tgenabled <> 'D')",
                    quote_literal(kPassingBody))));
  return row.boolean(0, 0);
}

Result<int64_t> prepare_target_fence(postgres::Connection& target, const FencedTables& tables,
                                     std::chrono::milliseconds patience) {
  CROSSFADE_TRY(const bool up, target_fence_is_up(target));
  if (up) return 0;
  CROSSFADE_TRY(target.exec(function_ddl(kPassingBody)));
  CROSSFADE_TRY(const auto relations, with_heirs(target, tables));
  CROSSFADE_TRY(const auto present, fence_triggers_on_target(target));
  int64_t left = 0;
  for (const LockedTable& table : relations) {
    const std::string ddl = missing_ddl(table, present);
    if (ddl.empty()) continue;
    CROSSFADE_TRY(const bool done, change_triggers(target, table, ddl, patience));
    if (!done) ++left;
  }
  return left;
}

Result<int64_t> retire_target_fence(postgres::Connection& target,
                                    std::chrono::milliseconds patience) {
  CROSSFADE_TRY(const bool up, target_fence_is_up(target));
  if (up) return 0;
  CROSSFADE_TRY(const auto triggers, fence_triggers_on_target(target));
  int64_t left = 0;
  for (const FenceTrigger& trigger : triggers) {
    if (trigger.enabled == 'D') continue;
    CROSSFADE_TRY(const bool done,
                  change_triggers(target, trigger.table,
                                  fmt::format("ALTER TABLE ONLY {} DISABLE TRIGGER {}",
                                              trigger.table.quoted, quote(trigger.name)),
                                  patience));
    if (!done) ++left;
  }
  return left;
}

Result<std::string> keep_target_fence(postgres::Connection& target, const std::string& schema,
                                      const FenceNotice& notice) {
  std::string lift = fmt::format("DROP FUNCTION {}() CASCADE", quote(schema, kKeptFunction));
  const std::string hint = fmt::format(
      "Write to {}. This write was not done: repeat its transaction there. `crossfade finish "
      "--keep-fence` left this fence; its owner takes it away with {}.",
      notice.primary, lift);
  // The triggers know the function by its number, whatever it is called.
  CROSSFADE_TRY(target.exec(fmt::format(
      "{}; ALTER FUNCTION crossfade.refuse_write() RENAME TO {}; ALTER FUNCTION crossfade.{}() SET "
      "SCHEMA {}",
      function_ddl(refusing_body(notice, hint)), kKeptFunction, kKeptFunction, quote(schema))));
  return lift;
}

Result<std::string> kept_target_fence(postgres::Connection& target, const std::string& schema) {
  const std::string function = quote(schema, kKeptFunction) + "()";
  CROSSFADE_TRY(const auto row,
                target.exec(fmt::format("SELECT EXISTS(SELECT 1 FROM pg_trigger WHERE tgfoid = "
                                        "to_regprocedure({}))",
                                        quote_literal(function))));
  return row.boolean(0, 0) ? fmt::format("DROP FUNCTION {} CASCADE", function) : std::string();
}

Result<std::vector<std::string>> drop_target_fence(postgres::Connection& target,
                                                   std::chrono::milliseconds patience) {
  std::vector<std::string> dropped;
  CROSSFADE_TRY(const auto triggers, fence_triggers_on_target(target));
  for (const FenceTrigger& trigger : triggers) {
    const LockedTable& table = trigger.table;
    CROSSFADE_TRY(const bool done, change_triggers(target, table,
                                                   fmt::format("DROP TRIGGER IF EXISTS {} ON {}",
                                                               quote(trigger.name), table.quoted),
                                                   patience));
    if (done) {
      dropped.push_back(fmt::format("trigger {} on {}", trigger.name, table.quoted));
      continue;
    }
    CROSSFADE_TRY(const auto blockers,
                  who_blocks(target, {table.schema, {table.name}}, InTheWay::kOfReadersToo));
    return fail(target_busy_error("fence.drop", table.quoted, blockers));
  }
  return dropped;
}

}  // namespace crossfade::run
