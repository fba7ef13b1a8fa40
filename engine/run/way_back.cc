#include "engine/run/way_back.h"

#include <fmt/format.h>

#include <utility>

#include "apply/source_writer.h"
#include "capture/target_slot.h"
#include "engine/observe/fault.h"
#include "engine/observe/log.h"
#include "engine/run/reverse_follower.h"
#include "engine/sqlite/transaction.h"

namespace crossfade::run {
namespace {

std::vector<std::shared_ptr<const Table>> tables_of(const Move& move) {
  std::vector<std::shared_ptr<const Table>> out;
  for (const TargetTable& t : move.tables) out.push_back(t.table);
  return out;
}

Result<postgres::PgLsn> confirmed_of(postgres::Connection& target, const std::string& slot) {
  CROSSFADE_TRY(const auto row,
                target.query("SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE "
                             "slot_name=$1",
                             {postgres::text_param(slot)}));
  const auto lsn = row.rows() == 1 ? postgres::parse_pg_lsn(row.text(0, 0)) : std::nullopt;
  if (lsn) return *lsn;
  Error error;
  error.code = ErrorCode::kTarget;
  error.op = "reverse.make";
  error.object = slot;
  error.native = "the replication slot that was made is not there";
  error.hint = "run the command again";
  return fail(std::move(error));
}

Status forget_on_source(Move& move) {
  sqlite::Connection& source = move.source.connection();
  CROSSFADE_TRY(const auto state, apply::read_reverse_state(source));
  if (!state) return ok();
  CROSSFADE_TRY(auto transaction, sqlite::Transaction::begin(source, sqlite::Begin::kImmediate));
  CROSSFADE_TRY(apply::clear_reverse_state(source));
  return transaction.commit();
}

Status remember(Move& move, const apply::ReverseState& state, Deadline deadline) {
  CROSSFADE_TRY(auto writer, apply::SourceWriter::open(move.source.path()));
  CROSSFADE_TRY(writer.begin(deadline));
  return writer.commit(state);
}

Status make_and_prove(Move& move, const std::string& source_id, Deadline deadline) {
  postgres::Connection& target = move.target.connection();
  apply::ReverseState state;
  state.slot = capture::slot_name(source_id);
  // First of all, so that whoever comes after a crash knows that there may be a slot.
  CROSSFADE_TRY(remember(move, state, deadline));
  CROSSFADE_TRY(
      capture::make_slot(target, source_id, move.options.target_schema, tables_of(move), deadline));
  fault_point("reverse.slot.made");
  CROSSFADE_TRY(state.applied, confirmed_of(target, state.slot));
  CROSSFADE_TRY(remember(move, state, deadline));
  CROSSFADE_TRY(auto follower, ReverseFollower::open(move, source_id));
  return follower->drain(deadline);
}

}  // namespace

Status check_way_back(Move& move) {
  CROSSFADE_TRY(const auto obstacles,
                capture::find_obstacles(move.target.connection(), move.options.target_schema,
                                        tables_of(move)));
  Error error;
  error.code = ErrorCode::kBlocked;
  error.remedy = Remedy::kDecide;
  error.op = "reverse.check";
  if (!obstacles.empty()) {
    error.native = "there would be no way back after the cutover:";
    for (const capture::Obstacle& obstacle : obstacles) {
      error.native += fmt::format("\n    {}: {}", obstacle.what, obstacle.remedy);
    }
    error.hint = "or do without it: --no-rollback";
    return fail(std::move(error));
  }
  CROSSFADE_TRY(auto writer, apply::SourceWriter::open(move.source.path()));
  for (const TargetTable& t : move.tables) {
    CROSSFADE_TRY(writer.check(*t.table));
  }
  return ok();
}

Status make_way_back(Move& move, const std::string& source_id, Deadline deadline) {
  auto made = make_and_prove(move, source_id, deadline);
  if (made) return ok();
  move.target.connection().rollback();
  if (auto removed = remove_way_back(move, source_id); !removed) {
    log::warn(describe(removed.error()));
  }
  return made;
}

Status remove_way_back(Move& move, const std::string& source_id) {
  // The slot first: SQLite's part says that there may be one.
  CROSSFADE_TRY(const auto removed, capture::remove_slot(move.target.connection(), source_id));
  for (const std::string& what : removed) log::info("removed " + what);
  return forget_on_source(move);
}

}  // namespace crossfade::run
