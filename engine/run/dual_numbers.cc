#include "engine/run/dual_numbers.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <optional>

#include "engine/core/limits.h"
#include "engine/observe/log.h"
#include "engine/postgres/quote.h"
#include "engine/run/lock_wait.h"
#include "engine/run/sequences.h"
#include "engine/sqlite/statement.h"

namespace crossfade::run {
namespace {

// What a sequence was before, by which column, so that it can be that again.
constexpr const char* kMakeNumbers =
    "CREATE TABLE IF NOT EXISTS crossfade.numbers(sequence regclass PRIMARY KEY, relation regclass "
    "NOT NULL, column_name name NOT NULL, increment bigint NOT NULL, min bigint NOT NULL, max "
    "bigint NOT NULL, start bigint NOT NULL)";

constexpr const char* kAnyApart = "SELECT to_regclass('crossfade.numbers') IS NOT NULL";

// One that was dropped since has no row in pg_sequence, and one that is nobody's may have outlived
// its table: both stay written down, and are left alone.
constexpr const char* kJoin = R"(
DO $$
DECLARE
  was record;
  beyond numeric;
BEGIN
  FOR was IN DELETE FROM crossfade.numbers n USING pg_sequence s, pg_class c
             WHERE s.seqrelid = n.sequence AND c.oid = n.relation RETURNING n.*
  LOOP
    EXECUTE format('SELECT coalesce(%s(%I), 0) FROM %s',
                   CASE WHEN was.increment > 0 THEN 'max' ELSE 'min' END,
                   was.column_name, was.relation) INTO beyond;
    beyond := beyond + was.increment;
    beyond := CASE WHEN was.increment > 0 THEN greatest(beyond, was.start)
                                          ELSE least(beyond, was.start) END;
    EXECUTE format('ALTER SEQUENCE %s INCREMENT BY %s MINVALUE %s MAXVALUE %s START WITH %s '
                   'RESTART WITH %s', was.sequence, was.increment, was.min, was.max, was.start,
                   greatest(was.min, least(was.max, beyond)));
  END LOOP;
END $$)";

struct Sequence {
  std::string name;  // quoted
  int64_t increment = 1;
  int64_t min = 1;
  int64_t max = 0;
  int64_t last = 0;  // given out; below min: none was
  bool apart = false;
};

Result<std::optional<Sequence>> read_sequence(Move& move, const Table& table) {
  postgres::Connection& target = move.target.connection();
  CROSSFADE_TRY(const auto name,
                sequence_of(target, move.options.target_schema, table, table.key.front()));
  if (!name) return std::nullopt;
  CROSSFADE_TRY(const auto row,
                target.query("SELECT s.seqincrement,s.seqmin,s.seqmax,EXISTS(SELECT 1 FROM "
                             "crossfade.numbers n WHERE n.sequence=s.seqrelid) FROM pg_sequence s "
                             "WHERE s.seqrelid=$1::regclass",
                             {postgres::text_param(*name)}));
  Sequence out{*name, row.integer(0, 0), row.integer(0, 1), row.integer(0, 2),
               0,     row.boolean(0, 3)};
  CROSSFADE_TRY(const auto last, target.exec(fmt::format(
                                     "SELECT last_value - (NOT is_called)::int FROM {}", *name)));
  out.last = last.integer(0, 0);
  return out;
}

// Once it is written down what the sequence was, and with the sequence locked: nobody takes a
// number while `bounds` finds out which are to be its own.
Status set_apart(Move& move, const Table& table, const Sequence& sequence,
                 const std::function<Result<std::string>()>& bounds) {
  postgres::Connection& target = move.target.connection();
  const std::string relation = postgres::quote(move.options.target_schema, table.target_name);
  CROSSFADE_TRY(target.exec("BEGIN"));
  auto done = [&]() -> Status {
    CROSSFADE_TRY(LockWait().bound(target));
    CROSSFADE_TRY(target.query(
        "INSERT INTO crossfade.numbers SELECT seqrelid,$2::regclass,$3,seqincrement,seqmin,seqmax,"
        "seqstart FROM pg_sequence WHERE seqrelid=$1::regclass ON CONFLICT DO NOTHING",
        {postgres::text_param(sequence.name), postgres::text_param(relation),
         postgres::text_param(table.columns[table.key.front()].target_name)}));
    // The lock, before SQLite gives a block away for it.
    CROSSFADE_TRY(target.exec(
        fmt::format("ALTER SEQUENCE {} INCREMENT BY {}", sequence.name, sequence.increment)));
    CROSSFADE_TRY(const std::string set, bounds());
    CROSSFADE_TRY(target.exec(fmt::format("ALTER SEQUENCE {} {}", sequence.name, set)));
    return target.commit();
  }();
  if (!done) target.rollback();
  return done;
}

Result<int64_t> key_bound(sqlite::Connection& source, const Table& table, const char* function) {
  return source.query_int(fmt::format("SELECT coalesce({}({}),0) FROM {}", function,
                                      table.columns[table.key.front()].source_sql,
                                      sqlite::quote(table.name)));
}

// Numbers that SQLite will not give out any more. Returns the first.
Result<int64_t> reserve_block(apply::SourceWriter& writer, const Table& table) {
  CROSSFADE_TRY(writer.begin(Deadline::after(limits::kDualSourceLockWait)));
  auto reserved = [&]() -> Result<int64_t> {
    sqlite::Connection& source = writer.connection();
    CROSSFADE_TRY(auto read,
                  sqlite::Statement::prepare(source,
                                             "SELECT seq FROM sqlite_sequence WHERE name=?1 AND "
                                             "typeof(seq)='integer'"));
    read.bind_text(1, table.name);
    CROSSFADE_TRY(const bool there, read.step());
    const int64_t noted = there ? read.value(0).integer() : 0;
    read.reset();
    CROSSFADE_TRY(const int64_t largest, key_bound(source, table, "max"));
    const int64_t first = std::max({noted, largest, int64_t{0}}) + 1;
    const int64_t end = first - 1 + limits::kDualNumbersBlock;
    CROSSFADE_TRY(auto remove,
                  sqlite::Statement::prepare(source, "DELETE FROM sqlite_sequence WHERE name=?1"));
    remove.bind_text(1, table.name);
    CROSSFADE_TRY(remove.run());
    CROSSFADE_TRY(auto insert, sqlite::Statement::prepare(
                                   source, "INSERT INTO sqlite_sequence(name,seq) VALUES(?1,?2)"));
    insert.bind_text(1, table.name);
    insert.bind(2, end);
    CROSSFADE_TRY(insert.run());
    return first;
  }();
  if (!reserved) {
    writer.rollback();
    return reserved;
  }
  CROSSFADE_TRY(writer.commit(writer.state()));
  return reserved;
}

Status keep_block(Move& move, apply::SourceWriter& writer, const Table& table,
                  const Sequence& sequence) {
  if (sequence.apart && sequence.last - sequence.min < limits::kDualNumbersBlock / 2) return ok();
  return set_apart(move, table, sequence, [&]() -> Result<std::string> {
    CROSSFADE_TRY(const int64_t first, reserve_block(writer, table));
    const int64_t last = first + limits::kDualNumbersBlock - 1;
    log::info(fmt::format("{}: PostgreSQL gives out the numbers from {} to {}, SQLite those above",
                          table.name, first, last));
    return fmt::format("INCREMENT BY 1 MINVALUE {0} MAXVALUE {1} START WITH {0} RESTART WITH {0}",
                       first, last);
  });
}

Status keep_descending(Move& move, apply::SourceWriter& writer, const Table& table,
                       const Sequence& sequence) {
  if (sequence.apart) return ok();
  return set_apart(move, table, sequence, [&]() -> Result<std::string> {
    CROSSFADE_TRY(const int64_t smallest, key_bound(writer.connection(), table, "min"));
    const int64_t first = std::min<int64_t>(smallest, 0) - 1;
    log::info(fmt::format("{}: PostgreSQL gives out numbers from {} downwards", table.name, first));
    return fmt::format("INCREMENT BY -1 NO MINVALUE MAXVALUE -1 START WITH -1 RESTART WITH {}",
                       first);
  });
}

}  // namespace

Status keep_numbers_apart(Move& move, apply::SourceWriter& source,
                          const std::set<std::string>& shared) {
  CROSSFADE_TRY(move.target.connection().exec(kMakeNumbers));
  for (const TargetTable& entry : move.tables) {
    const Table& table = *entry.table;
    if (table.identity != Identity::kRowidAlias || shared.contains(table.name)) continue;
    CROSSFADE_TRY(const auto sequence, read_sequence(move, table));
    if (!sequence) continue;
    CROSSFADE_TRY(table.autoincrement ? keep_block(move, source, table, *sequence)
                                      : keep_descending(move, source, table, *sequence));
  }
  return ok();
}

Status join_numbers(postgres::Connection& target) {
  CROSSFADE_TRY(const auto any, target.exec(kAnyApart));
  if (!any.boolean(0, 0)) return ok();
  CROSSFADE_TRY(target.exec(kJoin));
  return ok();
}

Status join_numbers(Move& move, std::chrono::milliseconds patience) {
  postgres::Connection& target = move.target.connection();
  CROSSFADE_TRY(const auto any, target.exec(kAnyApart));
  if (!any.boolean(0, 0)) return ok();
  return until_unlocked(target, move.options.target_schema, patience,
                        [&](const LockWait& wait) -> Status {
                          CROSSFADE_TRY(target.exec("BEGIN"));
                          CROSSFADE_TRY(wait.bound(target));
                          auto joined = join_numbers(target);
                          if (!joined) {
                            target.rollback();
                            return joined;
                          }
                          return target.commit();
                        });
}

}  // namespace crossfade::run
