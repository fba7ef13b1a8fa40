#include "engine/run/live_tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "engine/core/limits.h"
#include "engine/observe/fault.h"
#include "engine/observe/log.h"
#include "engine/postgres/quote.h"
#include "engine/run/early_round.h"
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

// Some of its statements take a lock that no reader shares.
bool locks_out_readers(const Table& table) {
  return table.adopted || std::ranges::any_of(table.indexes, [&table](const Index& index) {
           return schema::is_constraint_on_target(table, index);
         });
}

struct Made {
  int tables = 0;
  bool locked = false;  // some were left for later
};

// A table whose lock is not to be had is left for later, and following goes on.
Result<Made> make_each_live(Move& move, const std::vector<TargetTable*>& ready) {
  Made made;
  for (TargetTable* entry : ready) {
    auto done = make_table_live(move, *entry);
    if (done) {
      ++made.tables;
      continue;
    }
    if (!is_lock_timeout(done.error())) return fail(std::move(done).error());
    move.target.connection().rollback();
    made.locked = true;
  }
  return made;
}

}  // namespace

Result<int> make_live(Move& move, Lsn applied,
                      const std::function<std::unique_ptr<EarlyRound>()>& meanwhile) {
  postgres::Connection& target = move.target.connection();
  // Between two parts of a watermark what is open is the applier's: it is not to be thrown away.
  if (!move.locks.due() || target.in_transaction()) return 0;
  std::vector<TargetTable*> shared;
  std::vector<TargetTable*> alone;
  for (TargetTable& entry : move.tables) {
    if (entry.state != TableState::kCatchingUp || applied < entry.consistent_lsn) continue;
    (locks_out_readers(*entry.table) ? alone : shared).push_back(&entry);
  }
  const PatientStatements patient(target);
  Made made;
  if (!shared.empty()) {
    const auto beside = meanwhile();
    CROSSFADE_TRY(made, make_each_live(move, shared));
  }
  CROSSFADE_TRY(const Made others, make_each_live(move, alone));
  made.tables += others.tables;
  made.locked = made.locked || others.locked;
  if (made.locked) {
    CROSSFADE_TRY(move.locks.put_off(target, move.options.target_schema));
  } else if (made.tables > 0) {
    move.locks.reset();
  }
  move.board.update([&](StatusReport& r) {
    r.trouble = made.locked ? "locks on the target are waited for: " + move.locks.in_the_way() : "";
  });
  return made.tables;
}

bool all_caught_up(const Move& move, Lsn applied) {
  return std::ranges::all_of(move.tables, [applied](const TargetTable& t) {
    return t.state == TableState::kLive ||
           (t.state == TableState::kCatchingUp && applied >= t.consistent_lsn);
  });
}

apply::ExactTables live_tables(const Move& move) {
  apply::ExactTables out;
  for (const TargetTable& t : move.tables) {
    if (t.state == TableState::kLive) out.insert(t.table.get());
  }
  return out;
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

}  // namespace crossfade::run
