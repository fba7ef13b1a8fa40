#include "engine/run/way_back.h"

#include <fmt/format.h>

#include <utility>

#include "apply/source_writer.h"
#include "capture/target_outbox.h"
#include "capture/target_slot.h"
#include "engine/core/limits.h"
#include "engine/observe/fault.h"
#include "engine/observe/log.h"
#include "engine/run/reverse_follower.h"
#include "engine/sqlite/transaction.h"

namespace crossfade::run {
namespace {

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

Status prove(Move& move, const std::string& source_id, const apply::ReverseState& state,
             Deadline deadline) {
  CROSSFADE_TRY(remember(move, state, deadline));
  fault_point("reverse.remembered");
  CROSSFADE_TRY(auto follower, ReverseFollower::open(move, source_id));
  CROSSFADE_TRY(follower->drain(deadline));
  fault_point("reverse.proved");
  return ok();
}

Status make_and_prove_slot(Move& move, const std::string& source_id, Deadline deadline) {
  postgres::Connection& target = move.target.connection();
  apply::ReverseState state;
  state.slot = capture::slot_name(source_id);
  // First of all, so that whoever comes after a crash knows that there may be a slot.
  CROSSFADE_TRY(remember(move, state, deadline));
  CROSSFADE_TRY(capture::remove_outbox(target, deadline));
  CROSSFADE_TRY(
      capture::make_slot(target, source_id, move.options.target_schema, tables_of(move), deadline));
  fault_point("reverse.slot.made");
  CROSSFADE_TRY(state.applied, confirmed_of(target, state.slot));
  return prove(move, source_id, state, deadline);
}

Status make_and_prove_outbox(Move& move, const std::string& source_id, Deadline deadline) {
  postgres::Connection& target = move.target.connection();
  apply::ReverseState state;
  state.kind = WayBackKind::kOutbox;
  CROSSFADE_TRY(remember(move, state, deadline));
  CROSSFADE_TRY(capture::remove_slot(target, source_id));
  CROSSFADE_TRY(const auto position, capture::make_outbox(target, move.options.target_schema,
                                                          tables_of(move), deadline));
  fault_point("reverse.outbox.made");
  state.applied = position.end;
  state.snapshot = position.snapshot.text();
  return prove(move, source_id, state, deadline);
}

Error way_back_blocked(std::string native, std::string hint) {
  Error error;
  error.code = ErrorCode::kBlocked;
  error.remedy = Remedy::kDecide;
  error.op = "reverse.check";
  error.native = std::move(native);
  error.hint = std::move(hint);
  return error;
}

std::string in_words(const std::vector<capture::Obstacle>& obstacles) {
  std::string out;
  for (const capture::Obstacle& obstacle : obstacles) {
    out += fmt::format("\n    {}: {}", obstacle.what, obstacle.remedy);
  }
  return out;
}

Result<std::optional<capture::Obstacle>> find_stream_obstacle(const Move& move) {
  postgres::ConnectOptions options;
  options.params = move.params;
  options.connect_timeout = limits::kConnectTimeout;
  options.statement_timeout = limits::kConnectTimeout;
  options.stop = &move.stop;
  return capture::find_stream_obstacle(std::move(options));
}

Result<WayBackKind> choose_kind(Move& move, std::optional<WayBackKind> asked) {
  postgres::Connection& target = move.target.connection();
  const std::string& schema = move.options.target_schema;
  const auto tables = tables_of(move);
  std::vector<capture::Obstacle> of_slot;
  if (asked != WayBackKind::kOutbox) {
    CROSSFADE_TRY(of_slot, capture::find_obstacles(target, schema, tables));
    // Only then: a server that has no place for it would seem to be just too busy.
    if (of_slot.empty()) {
      CROSSFADE_TRY(const auto of_stream, find_stream_obstacle(move));
      if (!of_stream) return WayBackKind::kSlot;
      of_slot.push_back(*of_stream);
    }
  }
  if (asked == WayBackKind::kSlot) {
    return fail(
        way_back_blocked("there would be no way back after the cutover:" + in_words(of_slot),
                         "or by triggers: --way-back outbox; or do without it: --no-rollback"));
  }
  CROSSFADE_TRY(const auto of_outbox, capture::find_outbox_obstacles(target, schema, tables));
  if (!of_outbox.empty()) {
    return fail(way_back_blocked("there would be no way back after the cutover:" +
                                     in_words(of_slot.empty() ? of_outbox : of_slot),
                                 "or do without it: --no-rollback"));
  }
  return WayBackKind::kOutbox;
}

}  // namespace

Result<WayBackKind> choose_way_back(Move& move, std::optional<WayBackKind> asked) {
  CROSSFADE_TRY(const WayBackKind kind, choose_kind(move, asked));
  CROSSFADE_TRY(auto writer, apply::SourceWriter::open(move.source.path()));
  for (const TargetTable& t : move.tables) {
    CROSSFADE_TRY(writer.check(*t.table));
  }
  if (kind == WayBackKind::kOutbox && !asked) {
    log::warn(
        "PostgreSQL's log cannot be decoded here (`crossfade inspect` says why): the way back goes "
        "by triggers that write into the table crossfade.outbox, and writers pay for them");
  }
  return kind;
}

Status make_way_back(Move& move, const std::string& source_id, WayBackKind kind,
                     Deadline deadline) {
  auto made = kind == WayBackKind::kOutbox ? make_and_prove_outbox(move, source_id, deadline)
                                           : make_and_prove_slot(move, source_id, deadline);
  if (made) return ok();
  move.target.connection().rollback();
  if (auto removed = remove_way_back(move, source_id); !removed) {
    log::warn(describe(removed.error()));
  }
  return made;
}

Status remove_way_back(Move& move, const std::string& source_id) {
  fault_point("reverse.slot.remove");
  const Deadline deadline = Deadline::after(limits::kSlotReleaseWait);
  const auto outbox = capture::remove_outbox(move.target.connection(), deadline);
  if (!outbox && outbox.error().remedy != Remedy::kRetry) return fail(outbox.error());
  CROSSFADE_TRY(const auto slot, capture::remove_slot(move.target.connection(), source_id));
  fault_point("reverse.slot.removed");
  for (const std::string& what : slot) log::info("removed " + what);
  if (!outbox) {
    log::warn("triggers of the outbox, which do nothing any more, are taken away later: " +
              describe(outbox.error()));
    apply::ReverseState left;
    left.kind = WayBackKind::kOutbox;
    return remember(move, left, Deadline::after(limits::kSourceBusyTimeout));
  }
  for (const std::string& what : outbox.value()) log::info("removed " + what);
  // SQLite's part last: it says that there may be more.
  return forget_on_source(move);
}

Status remove_rest_of_way_back(Move& move) {
  CROSSFADE_TRY(const auto left, apply::read_reverse_state(move.source.connection()));
  if (!left || left->kind != WayBackKind::kOutbox || left->live) return ok();
  const auto outbox = capture::remove_outbox(move.target.connection(), Deadline::at({}));
  if (!outbox && outbox.error().remedy == Remedy::kRetry) return ok();
  if (!outbox) return fail(outbox.error());
  for (const std::string& what : outbox.value()) log::info("removed " + what);
  return forget_on_source(move);
}

}  // namespace crossfade::run
