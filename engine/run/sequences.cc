#include "engine/run/sequences.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/postgres/quote.h"
#include "engine/sqlite/statement.h"

namespace crossfade::run {
namespace {

using postgres::quote;

Result<int64_t> last_key(sqlite::Connection& source, const Table& table) {
  CROSSFADE_TRY(
      const int64_t newest,
      source.query_int(fmt::format("SELECT max({}) FROM {}", table.columns[table.key[0]].source_sql,
                                   sqlite::quote(table.name))));
  if (!table.autoincrement) return newest;
  CROSSFADE_TRY(auto sequence,
                sqlite::Statement::prepare(source, "SELECT seq FROM sqlite_sequence WHERE name=?"));
  sequence.bind_text(1, table.name);
  CROSSFADE_TRY(const bool found, sequence.step());
  return found && sequence.storage(0) == StorageClass::kInteger
             ? std::max(newest, sequence.integer(0))
             : newest;
}

constexpr const char* kSequenceOf = R"(
SELECT coalesce(pg_get_serial_sequence($1, $2),
  (SELECT s.oid::regclass::text
   FROM pg_attribute a JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        JOIN pg_depend p ON p.classid = 'pg_attrdef'::regclass AND p.objid = d.oid
             AND p.refclassid = 'pg_class'::regclass
        JOIN pg_class s ON s.oid = p.refobjid AND s.relkind = 'S'
   WHERE a.attrelid = $1::regclass AND a.attname = $2 LIMIT 1)))";

}  // namespace

Result<std::optional<std::string>> sequence_of(postgres::Connection& target,
                                               const std::string& target_schema, const Table& table,
                                               size_t column) {
  const std::string relation = quote(target_schema, table.target_name);
  CROSSFADE_TRY(
      const auto found,
      target.query(kSequenceOf, {postgres::text_param(relation),
                                 postgres::text_param(table.columns[column].target_name)}));
  if (found.is_null(0, 0)) return std::nullopt;
  return found.text(0, 0);
}

namespace {

// Every column with a sequence goes above the source's values. It is never set back: it
// may begin where the application wants it to.
Status raise_sequences(Move& move, sqlite::Connection& source, const Table& table) {
  for (size_t i = 0; i < table.columns.size(); ++i) {
    const Column& column = table.columns[i];
    if (column.type.base != TargetType::kBigint) continue;
    CROSSFADE_TRY(const auto name,
                  sequence_of(move.target.connection(), move.options.target_schema, table, i));
    if (!name) continue;
    CROSSFADE_TRY(const int64_t last,
                  is_rowid_key(table, i)
                      ? last_key(source, table)
                      : source.query_int(fmt::format("SELECT max({}) FROM {}", column.source_sql,
                                                     sqlite::quote(table.name))));
    const std::string value = fmt::format("{}", last);
    CROSSFADE_TRY(move.target.connection().query(
        "SELECT setval($1::regclass,$2::bigint) FROM pg_sequence WHERE seqrelid=$1::regclass AND "
        "$2::bigint>=greatest(seqstart,pg_sequence_last_value($1::regclass))",
        {postgres::text_param(*name), postgres::text_param(value)}));
  }
  return ok();
}

}  // namespace

Status raise_sequences(Move& move, sqlite::Connection& source) {
  for (const TargetTable& entry : move.tables) {
    CROSSFADE_TRY(raise_sequences(move, source, *entry.table));
  }
  return ok();
}

Status hand_over_sequences(Move& move, sqlite::Connection& source) {
  for (const TargetTable& entry : move.tables) {
    const Table& table = *entry.table;
    if (table.adopted) {
      CROSSFADE_TRY(raise_sequences(move, source, table));
      continue;
    }
    // A rowid that stands in for a key goes on from where SQLite's would.
    if (table.identity == Identity::kPrimaryKey) continue;
    CROSSFADE_TRY(const int64_t last, last_key(source, table));
    const std::string relation = quote(move.options.target_schema, table.target_name);
    const std::string& column = table.columns[table.key[0]].target_name;
    // A sequence starts at 1 and has no room below it; keys may be negative.
    const std::string value = fmt::format("{}", std::max<int64_t>(1, last));
    CROSSFADE_TRY(move.target.connection().query(
        fmt::format("SELECT setval(pg_get_serial_sequence($1,$2),$3::bigint,{})",
                    last >= 1 ? "true" : "false"),
        {postgres::text_param(relation), postgres::text_param(column),
         postgres::text_param(value)}));
  }
  return ok();
}

namespace {

// A number that was given out may be in a row that is gone, or on its way. 0: none was.
Result<int64_t> given_out(postgres::Connection& target, const std::string& target_schema,
                          const Table& table) {
  CROSSFADE_TRY(const auto sequence, sequence_of(target, target_schema, table, table.key[0]));
  if (!sequence) return 0;
  CROSSFADE_TRY(const auto last,
                target.exec(fmt::format("SELECT last_value FROM {} WHERE is_called", *sequence)));
  return last.rows() == 1 ? last.integer(0, 0) : 0;
}

// SQLite takes whatever is no integer there for 0, and a table without a row for one of 0.
constexpr const char* kRaiseSeq =
    "UPDATE sqlite_sequence SET seq = CASE WHEN typeof(seq) = 'integer' AND seq > ?2 THEN seq ELSE "
    "?2 END WHERE name = ?1";

}  // namespace

Status hand_back_sequences(postgres::Connection& target, const std::string& target_schema,
                           const std::vector<TargetTable>& tables, sqlite::Connection& source) {
  for (const TargetTable& entry : tables) {
    const Table& table = *entry.table;
    if (!table.autoincrement) continue;
    CROSSFADE_TRY(const int64_t last, given_out(target, target_schema, table));
    if (last <= 0) continue;
    CROSSFADE_TRY(auto raise, sqlite::Statement::prepare(source, kRaiseSeq));
    raise.bind_text(1, table.name);
    raise.bind(2, last);
    CROSSFADE_TRY(raise.run());
    if (source.changes() > 0) continue;
    CROSSFADE_TRY(auto insert, sqlite::Statement::prepare(
                                   source, "INSERT INTO sqlite_sequence(name, seq) VALUES(?, ?)"));
    insert.bind_text(1, table.name);
    insert.bind(2, last);
    CROSSFADE_TRY(insert.run());
  }
  return ok();
}

}  // namespace crossfade::run
