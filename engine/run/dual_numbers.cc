#include "engine/run/dual_numbers.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "engine/core/limits.h"
#include "engine/observe/log.h"
#include "engine/postgres/quote.h"
#include "engine/sqlite/statement.h"

namespace crossfade::run {
namespace {

struct Sequence {
  std::string name;  // quoted
  int64_t increment = 1;
  int64_t min = 1;
  int64_t max = 0;
  int64_t last = 0;  // given out; below min: none was
};

Result<std::optional<Sequence>> sequence_of(Move& move, const Table& table) {
  const std::string relation = postgres::quote(move.options.target_schema, table.target_name);
  const std::string& column = table.columns[table.key.front()].target_name;
  CROSSFADE_TRY(const auto row,
                move.target.connection().query(
                    "SELECT s.seqrelid::regclass::text,s.seqincrement,s.seqmin,s.seqmax FROM "
                    "pg_sequence s WHERE s.seqrelid=pg_get_serial_sequence($1,$2)::regclass",
                    {postgres::text_param(relation), postgres::text_param(column)}));
  if (row.rows() == 0) return std::nullopt;
  Sequence out{row.text(0, 0), row.integer(0, 1), row.integer(0, 2), row.integer(0, 3), 0};
  CROSSFADE_TRY(const auto last,
                move.target.connection().exec(
                    fmt::format("SELECT last_value - (NOT is_called)::int FROM {}", out.name)));
  out.last = last.integer(0, 0);
  return out;
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
  const bool is_block =
      sequence.increment == 1 && sequence.max - sequence.min == limits::kDualNumbersBlock - 1;
  if (is_block && sequence.last - sequence.min < limits::kDualNumbersBlock / 2) return ok();
  CROSSFADE_TRY(const int64_t first, reserve_block(writer, table));
  const int64_t last = first + limits::kDualNumbersBlock - 1;
  log::info(fmt::format("{}: PostgreSQL gives out the numbers from {} to {}, SQLite those above",
                        table.name, first, last));
  CROSSFADE_TRY(move.target.connection().exec(
      fmt::format("ALTER SEQUENCE {0} INCREMENT BY 1 MINVALUE {1} MAXVALUE {2} START WITH {1} "
                  "RESTART WITH {1}",
                  sequence.name, first, last)));
  return ok();
}

Status keep_descending(Move& move, apply::SourceWriter& writer, const Table& table,
                       const Sequence& sequence) {
  if (sequence.increment == -1) return ok();
  CROSSFADE_TRY(const int64_t smallest, key_bound(writer.connection(), table, "min"));
  const int64_t first = std::min<int64_t>(smallest, 0) - 1;
  log::info(fmt::format("{}: PostgreSQL gives out numbers from {} downwards", table.name, first));
  CROSSFADE_TRY(move.target.connection().exec(
      fmt::format("ALTER SEQUENCE {0} INCREMENT BY -1 NO MINVALUE MAXVALUE -1 START WITH -1 "
                  "RESTART WITH {1}",
                  sequence.name, first)));
  return ok();
}

}  // namespace

Status keep_numbers_apart(Move& move, apply::SourceWriter& source,
                          const std::set<std::string>& shared) {
  for (const TargetTable& entry : move.tables) {
    const Table& table = *entry.table;
    if (table.identity != Identity::kRowidAlias || shared.contains(table.name)) continue;
    CROSSFADE_TRY(const auto sequence, sequence_of(move, table));
    if (!sequence) continue;
    CROSSFADE_TRY(table.autoincrement ? keep_block(move, source, table, *sequence)
                                      : keep_descending(move, source, table, *sequence));
  }
  return ok();
}

Status join_numbers(Move& move) {
  for (const TargetTable& entry : move.tables) {
    const Table& table = *entry.table;
    if (table.identity != Identity::kRowidAlias) continue;
    CROSSFADE_TRY(const auto sequence, sequence_of(move, table));
    if (!sequence) continue;
    CROSSFADE_TRY(move.target.connection().exec(
        fmt::format("ALTER SEQUENCE {} INCREMENT BY 1 MINVALUE 1 NO MAXVALUE START WITH 1 "
                    "RESTART WITH 1",
                    sequence->name)));
  }
  return ok();
}

}  // namespace crossfade::run
