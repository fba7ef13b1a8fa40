#include "engine/run/live_tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "engine/core/limits.h"
#include "engine/observe/fault.h"
#include "engine/observe/log.h"
#include "engine/postgres/quote.h"
#include "engine/run/lock_wait.h"
#include "engine/run/put_aside.h"
#include "engine/run/target_ddl.h"
#include "engine/schema/index_ddl.h"
#include "engine/schema/table_ddl.h"
#include "engine/sqlite/statement.h"

namespace crossfade::run {
namespace {

using postgres::quote;

void pass_over(Move& move, const std::string& table, const std::string& ddl, const Error& refusal) {
  const std::string& cause = refusal.native;
  log::warn(fmt::format("{}: the target refused: {} ({})", table, ddl, cause));
  move.audit.record("ddl_refused", {{"table", table}, {"ddl", ddl}, {"cause", cause}});
  schema::Finding finding;
  finding.severity = schema::Severity::kWarning;
  finding.code = "ddl_refused";
  finding.table = table;
  finding.message = fmt::format("the target refused: {}: {}", ddl, cause);
  finding.remedy = "mend the rows and run the statement on the target by hand";
  move.findings.push_back(std::move(finding));
}

// Runs DDL that the rows themselves may make impossible. A refusal is written down and passed over.
Status try_ddl(Move& move, const std::string& table, const std::string& ddl) {
  CROSSFADE_TRY(const auto attempt, attempt_ddl(move.target.connection(), ddl, Outcome::kKept));
  if (attempt.refusal) pass_over(move, table, ddl, *attempt.refusal);
  return ok();
}

// A table that came later may call a constraint as another one does. PostgreSQL chooses a name
// then.
Status try_index(Move& move, const Table& table, const Index& index) {
  postgres::Connection& target = move.target.connection();
  CROSSFADE_TRY(const auto attempt, attempt_ddl(target, *index.target_ddl, Outcome::kKept));
  if (!attempt.refusal) return ok();
  constexpr const char* kNameTaken = "42P07";
  if (attempt.refusal->sqlstate != kNameTaken || !schema::is_constraint_on_target(table, index)) {
    pass_over(move, table.name, *index.target_ddl, *attempt.refusal);
    return ok();
  }
  std::vector<std::string> columns;
  for (const Index::Part& part : index.parts) {
    columns.push_back(table.columns[part.column].target_name);
  }
  return try_ddl(move, table.name,
                 fmt::format("ALTER TABLE {} ADD UNIQUE {}",
                             quote(move.options.target_schema, table.target_name),
                             schema::column_list(columns)));
}

Result<bool> constraint_exists(Move& move, const Table& table, const std::string& name) {
  const std::string relation = quote(move.options.target_schema, table.target_name);
  CROSSFADE_TRY(const auto found,
                move.target.connection().query(
                    "SELECT EXISTS(SELECT 1 FROM pg_constraint WHERE conrelid=to_regclass($1) AND "
                    "conname=$2)",
                    {postgres::text_param(relation), postgres::text_param(name)}));
  return found.boolean(0, 0);
}

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

}  // namespace

namespace {

Status make_table_live(Move& move, TargetTable& entry) {
  postgres::Connection& target = move.target.connection();
  CROSSFADE_TRY(target.exec("BEGIN"));
  CROSSFADE_TRY(move.locks.bound(target));
  if (entry.table->adopted) {
    CROSSFADE_TRY(put_back(move, AsideKind::kUnique, entry.table->name));
  }
  for (const Index& index : entry.table->indexes) {
    if (!index.target_ddl) continue;
    CROSSFADE_TRY(try_index(move, *entry.table, index));
  }
  for (const Search& search : entry.table->searches) {
    CROSSFADE_TRY(try_ddl(move, entry.table->name, search.index_ddl));
  }
  CROSSFADE_TRY(target.exec(
      fmt::format("ANALYZE {}", quote(move.options.target_schema, entry.table->target_name))));
  CROSSFADE_TRY(move.target.set_state(entry.table->name, TableState::kLive));
  fault_point("live.before_commit");
  CROSSFADE_TRY(target.commit());
  entry.state = TableState::kLive;
  return ok();
}

}  // namespace

// A table whose lock is not to be had is left for later, and following goes on.
Result<int> make_live(Move& move, Lsn applied) {
  if (!move.locks.due()) return 0;
  postgres::Connection& target = move.target.connection();
  const PatientStatements patient(target);
  int made = 0;
  bool locked = false;
  for (TargetTable& entry : move.tables) {
    if (entry.state != TableState::kCatchingUp || applied < entry.consistent_lsn) continue;
    auto done = make_table_live(move, entry);
    if (done) {
      ++made;
      continue;
    }
    if (!is_lock_timeout(done.error())) return fail(std::move(done).error());
    target.rollback();
    locked = true;
  }
  if (locked) {
    CROSSFADE_TRY(move.locks.put_off(target, move.options.target_schema));
  } else if (made > 0) {
    move.locks.reset();
  }
  move.board.update([&](StatusReport& r) {
    r.trouble = locked ? "locks on the target are waited for: " + move.locks.in_the_way() : "";
  });
  return made;
}

bool all_live(const Move& move) {
  return std::all_of(move.tables.begin(), move.tables.end(),
                     [](const TargetTable& t) { return t.state == TableState::kLive; });
}

Status add_foreign_keys(Move& move) {
  postgres::Connection& target = move.target.connection();
  const PatientStatements patient(target);
  for (const TargetTable& entry : move.tables) {
    for (const ForeignKey& key : entry.table->foreign_keys) {
      if (!key.target_ddl) continue;
      CROSSFADE_TRY(const bool there, constraint_exists(move, *entry.table, key.target_constraint));
      if (there) continue;
      CROSSFADE_TRY(target.exec("BEGIN"));
      CROSSFADE_TRY(try_ddl(move, entry.table->name, *key.target_ddl));
      CROSSFADE_TRY(target.commit());
    }
  }
  return ok();
}

Status drop_foreign_keys(Move& move) {
  if (move.target.replica_role()) return ok();
  CROSSFADE_TRY(const auto tables, move.target.tables());
  for (const TargetTable& entry : tables) {
    const std::string relation = quote(move.options.target_schema, entry.table->target_name);
    for (const ForeignKey& key : entry.table->foreign_keys) {
      if (!key.target_ddl) continue;
      CROSSFADE_TRY(const bool there, constraint_exists(move, *entry.table, key.target_constraint));
      if (!there) continue;
      CROSSFADE_TRY(move.target.connection().exec(fmt::format(
          "ALTER TABLE {} DROP CONSTRAINT {}", relation, quote(key.target_constraint))));
    }
  }
  return ok();
}

Status validate_foreign_keys(Move& move) {
  postgres::Connection& target = move.target.connection();
  const PatientStatements patient(target);
  for (const TargetTable& entry : move.tables) {
    const std::string relation = quote(move.options.target_schema, entry.table->target_name);
    for (const ForeignKey& key : entry.table->foreign_keys) {
      if (!key.target_ddl) continue;
      CROSSFADE_TRY(const bool there, constraint_exists(move, *entry.table, key.target_constraint));
      if (!there) continue;
      CROSSFADE_TRY(target.exec("BEGIN"));
      CROSSFADE_TRY(try_ddl(move, entry.table->name,
                            fmt::format("ALTER TABLE {} VALIDATE CONSTRAINT {}", relation,
                                        quote(key.target_constraint))));
      CROSSFADE_TRY(target.commit());
    }
  }
  return ok();
}

namespace {

// The column's own, or the one that its default takes numbers from, which nobody need own.
constexpr const char* kSequenceOf = R"(
SELECT coalesce(pg_get_serial_sequence($1, $2),
  (SELECT s.oid::regclass::text
   FROM pg_attribute a JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        JOIN pg_depend p ON p.classid = 'pg_attrdef'::regclass AND p.objid = d.oid
             AND p.refclassid = 'pg_class'::regclass
        JOIN pg_class s ON s.oid = p.refobjid AND s.relkind = 'S'
   WHERE a.attrelid = $1::regclass AND a.attname = $2 LIMIT 1)))";

// Every column with a sequence goes above the source's values. It is never set back: it
// may begin where the application wants it to.
Status raise_sequences(Move& move, sqlite::Connection& source, const Table& table) {
  const std::string relation = quote(move.options.target_schema, table.target_name);
  for (size_t i = 0; i < table.columns.size(); ++i) {
    const Column& column = table.columns[i];
    if (column.type.base != TargetType::kBigint) continue;
    CROSSFADE_TRY(
        const auto sequence,
        move.target.connection().query(kSequenceOf, {postgres::text_param(relation),
                                                     postgres::text_param(column.target_name)}));
    if (sequence.is_null(0, 0)) continue;
    CROSSFADE_TRY(const int64_t last,
                  is_rowid_key(table, i)
                      ? last_key(source, table)
                      : source.query_int(fmt::format("SELECT max({}) FROM {}", column.source_sql,
                                                     sqlite::quote(table.name))));
    const std::string name = sequence.text(0, 0);
    const std::string value = fmt::format("{}", last);
    CROSSFADE_TRY(move.target.connection().query(
        "SELECT setval($1::regclass,$2::bigint) FROM pg_sequence WHERE seqrelid=$1::regclass AND "
        "$2::bigint>=greatest(seqstart,pg_sequence_last_value($1::regclass))",
        {postgres::text_param(name), postgres::text_param(value)}));
  }
  return ok();
}

}  // namespace

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
  const std::string relation = quote(target_schema, table.target_name);
  const std::string& column = table.columns[table.key[0]].target_name;
  CROSSFADE_TRY(const auto sequence, target.query(kSequenceOf, {postgres::text_param(relation),
                                                                postgres::text_param(column)}));
  if (sequence.is_null(0, 0)) return 0;
  CROSSFADE_TRY(
      const auto last,
      target.exec(fmt::format("SELECT last_value FROM {} WHERE is_called", sequence.text(0, 0))));
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
