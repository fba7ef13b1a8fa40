// The engine while both sides are written to.
#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "apply/reverse_state.h"
#include "apply/source_writer.h"
#include "capture/trigger_sql.h"
#include "engine/core/limits.h"
#include "engine/observe/log.h"
#include "engine/run/dual_follower.h"
#include "engine/run/dual_numbers.h"
#include "engine/run/dual_round.h"
#include "engine/run/engine.h"
#include "engine/run/live_tables.h"
#include "engine/run/lock_wait.h"
#include "engine/run/reconcile.h"
#include "engine/run/sequences.h"
#include "engine/run/source_opening.h"
#include "engine/run/way_back.h"
#include "engine/schema/conflict_rules.h"

namespace crossfade::run {
namespace {

Error not_dual(std::string native, std::string hint) {
  Error error;
  error.code = ErrorCode::kBlocked;
  error.remedy = Remedy::kDecide;
  error.op = "dual.start";
  error.native = std::move(native);
  error.hint = std::move(hint);
  return error;
}

Error no_one_state() {
  Error error;
  error.code = ErrorCode::kBlocked;
  error.remedy = Remedy::kDecide;
  error.op = "verify";
  error.native =
      "both sides are written to, and no instant is the same for both: there is no state of which "
      "they could have one SHA-256";
  error.hint =
      "`crossfade verify` without --digest sha256 compares them now; with it after the cutover, or "
      "after `crossfade run --mode follow`";
  return error;
}

std::set<std::string> with_shared_numbers(const Move& move) {
  std::set<std::string> out;
  for (const TargetTable& t : move.tables) {
    if (schema::shares_ids(move.options.rules.get(), *t.table)) out.insert(t.table->name);
  }
  return out;
}

ConflictPolicies policies_of(const Move& move) {
  ConflictPolicies out;
  for (const TargetTable& t : move.tables) {
    out[t.table->name] = schema::conflict_policies(move.options.rules.get(), *t.table);
  }
  return out;
}

Status check_tables(const Move& move) {
  std::string obstacles;
  for (const TargetTable& t : move.tables) {
    if (const auto what = schema::dual_obstacle(*t.table)) {
      obstacles += fmt::format("\n    {}: {}", t.table->name, *what);
    }
    if (!capture::recheck_has_row(*t.table)) {
      obstacles += fmt::format(
          "\n    {}: more than {} columns, and a unique key that may have NULLs or is partial: of "
          "a "
          "row that a REPLACE removes the change log has the key alone",
          t.table->name, limits::kLogValuesPerRow);
    }
    for (const Column& column : t.table->columns) {
      if (!column.generated || column.target_generated) continue;
      obstacles +=
          fmt::format("\n    {}: {} is computed on SQLite alone", t.table->name, column.name);
    }
  }
  if (obstacles.empty()) return ok();
  return fail(not_dual("tables that cannot be written to on both sides:" + obstacles,
                       "change them or their rules, or exclude them; `crossfade run` without "
                       "--mode dual follows them as before"));
}

// Rows that are in one place only would be taken for deleted by the other side.
Status check_rows(Move& move) {
  CROSSFADE_TRY(const int64_t quarantined, move.target.quarantined());
  CROSSFADE_TRY(const auto tables, move.target.quarantined_tables());
  if (quarantined == 0 && tables.empty()) return ok();
  return fail(not_dual(fmt::format("rows are in quarantine ({} wait)", quarantined),
                       "`crossfade quarantine list` names them: mend them on the source first"));
}

// The schema that the tables belong to. A VACUUM moves the version too, and matters to no table
// with a key of its own.
Status check_schema(Move& move) {
  CROSSFADE_TRY(const auto progress, move.target.progress());
  CROSSFADE_TRY(move.schema_version, move.source.connection().query_int("PRAGMA schema_version"));
  CROSSFADE_TRY(const std::string encoding, move.source.connection().query_text("PRAGMA encoding"));
  move.utf8 = encoding == "UTF-8";
  if (progress.schema_version == move.schema_version) return ok();
  CROSSFADE_TRY(const bool intact, capture_is_intact(move));
  if (intact) return move.target.set_schema_version(move.schema_version);
  return fail(not_dual(
      "the schema of the SQLite file was changed while both sides are written to",
      "take the change back, or end it: with no writers on PostgreSQL, `crossfade run --mode "
      "follow` carries the change over; nothing was overwritten on either side"));
}

}  // namespace

Status Engine::begin_dual(Move& move) {
  CROSSFADE_TRY(check_tables(move));
  CROSSFADE_TRY(check_rows(move));
  // An outbox has no order of commits, and the changes of either side must be told apart.
  CROSSFADE_TRY(choose_way_back(move, WayBackKind::kSlot));
  CROSSFADE_TRY(const std::string id, source_id());
  CROSSFADE_TRY(make_way_back(move, id, WayBackKind::kSlot, Deadline::after(limits::kSlotMakeMax)));
  auto begun = [&]() -> Status {
    CROSSFADE_TRY(auto writer, apply::SourceWriter::open(move.source.path()));
    CROSSFADE_TRY(make_settled_table(move.target.connection()));
    // Of an attempt that did not get through.
    CROSSFADE_TRY(join_numbers(move, limits::kLockPatience));
    CROSSFADE_TRY(hand_over_sequences(move, move.source.connection()));
    CROSSFADE_TRY(until_unlocked(move.target.connection(), move.options.target_schema,
                                 limits::kLockPatience, [&](const LockWait&) {
                                   return keep_numbers_apart(move, writer,
                                                             with_shared_numbers(move));
                                 }));
    // From here on what comes is the application's.
    apply::ReverseState state = writer.state();
    state.live = true;
    CROSSFADE_TRY(writer.begin(Deadline::after(limits::kSourceBusyTimeout)));
    CROSSFADE_TRY(writer.commit(state));
    return move.target.set_phase(kDualPhase);
  }();
  if (begun) {
    audit_->record("dual_begun", nlohmann::json::object());
    return ok();
  }
  // What cannot be taken back now is taken back by the next cutover, or by `finish`.
  auto undone = join_numbers(move, limits::kTargetLockWait);
  if (undone) undone = remove_way_back(move, id);
  if (!undone) log::warn(describe(undone.error()));
  return begun;
}

// Whoever wrote to PostgreSQL must have ended: from here on it is written over.
Status Engine::end_dual(Move& move) {
  CROSSFADE_TRY(const std::string id, source_id());
  CROSSFADE_TRY(join_numbers(move, limits::kLockPatience));
  CROSSFADE_TRY(hand_over_sequences(move, move.source.connection()));
  CROSSFADE_TRY(move.target.set_phase("following"));
  // What came from PostgreSQL is not in the log, so nothing may be undone across it.
  CROSSFADE_TRY(mark_reopened(move.source.connection()));
  CROSSFADE_TRY(remove_way_back(move, id));
  audit_->record("dual_ended", nlohmann::json::object());
  log::warn("PostgreSQL's own writes are not carried to SQLite any more, and are written over");
  return ok();
}

Status Engine::dual(Move& move, bool until_idle, Next* next) {
  CROSSFADE_TRY(check_schema(move));
  CROSSFADE_TRY(const std::string id, source_id());
  CROSSFADE_TRY(auto follower, DualFollower::open(move, id, policies_of(move)));
  move.set_phase(kDualPhase);
  std::optional<DualRound> round;
  Deadline::Clock::time_point next_check{};
  while (!stop_.requested()) {
    CROSSFADE_TRY(const auto event, follower->pump(Deadline::after(std::chrono::milliseconds(50))));
    if (event == DualFollower::Event::kSchemaChanged) {
      *next = Next::kAgain;
      return ok();
    }
    if (Deadline::Clock::now() >= next_check) {
      CROSSFADE_TRY(look_after_dual(move, *follower));
      next_check = Deadline::Clock::now() + limits::kDualCheckInterval;
      CROSSFADE_TRY(keep_audit_head());
    }
    bool ended = false;
    CROSSFADE_TRY(serve_dual(move, *follower, &round, &ended));
    if (ended) {
      *next = Next::kAgain;
      round.reset();
      follower.reset();  // which reads the slot
      return std::exchange(leave_dual_, false) ? end_dual(move) : ok();
    }
    if (until_idle && !current_task()) break;
  }
  return ok();
}

Status Engine::look_after_dual(Move& move, DualFollower& follower) {
  CROSSFADE_TRY(follower.look_at_decisions());
  CROSSFADE_TRY(follower.retry_set_aside());
  auto apart = keep_numbers_apart(move, follower.writer(), with_shared_numbers(move));
  if (!apart && apart.error().remedy != Remedy::kRetry && !is_lock_timeout(apart.error())) {
    return apart;
  }
  CROSSFADE_TRY(const auto health, follower.slot_health());
  return note_slot(move, health, follower.writer());
}

Status Engine::serve_dual(Move& move, DualFollower& follower, std::optional<DualRound>* round,
                          bool* ended) {
  if (answer_rollbacks()) return ok();
  const auto task = current_task();
  const bool leaving = options_.mode == RunMode::kFollow;
  if (task && task->kind == TaskKind::kSettle) {
    if (follower.applied() >= task->settle_at) answer({});
    return ok();
  }
  if (!task && !leaving) return ok();
  if (task && task->digest == verify::DigestKind::kSha256) {
    answer(to_result(no_one_state()));
    return ok();
  }
  if (!*round) round->emplace(move, follower);
  if (!(*round)->done()) {
    auto compared = (*round)->slice(Deadline::after(limits::kReverseSliceMax));
    if (compared || compared.error().code != ErrorCode::kSteppedBack) return compared;
    round->reset();
    if (!task) return ok();
    answer(to_result(compared.error()));
    return ok();
  }
  VerifyReport report = (*round)->report();
  round->reset();
  audit_->record("verified", {{"equal", report.equal()}, {"rows", report.rows}});
  if (report.equal()) {
    CROSSFADE_TRY(move.target.set_verified(report.through));
    board_.update([&](StatusReport& r) { r.verified_lsn = report.through; });
  }
  if (task && task->kind == TaskKind::kCutover) {
    return serve_dual_cutover(move, follower, report, ended);
  }
  if (task) return finish_verify(report);
  if (!report.equal() || follower.held() > 0) {
    return fail(not_dual("the two sides are not equal, or conflicts wait:\n" + to_text(report),
                         "`crossfade conflicts list` shows what waits; decide, and run again"));
  }
  *ended = true;
  leave_dual_ = true;
  return ok();
}

Status Engine::serve_dual_cutover(Move& move, DualFollower& follower, const VerifyReport& report,
                                  bool* ended) {
  const auto task = current_task();
  auto ready = task->cutover.no_rollback
                   ? Status(fail(not_dual("the way back is there already, and in use",
                                          "leave --no-rollback out; `crossfade finish` takes the "
                                          "way back away afterwards")))
                   : arm_watch(task->cutover, board_.get().epoch.next());
  if (!ready) {
    audit_->record("cutover_stepped_back", {{"cause", ready.error().native}});
    answer(to_result(ready.error()));
    return task->cutover.dry_run ? ok() : forget_watch();
  }
  if (!task->cutover.dry_run) {
    audit_->record("cutover_begun", {{"max_pause_ms", task->cutover.max_pause.count()}});
    move.set_phase("cutting_over");
  }
  auto done = cut_over_from_dual(move, follower, report, task->cutover);
  if (!done) {
    const bool in_doubt = done.error().code == ErrorCode::kInterrupted;
    audit_->record(in_doubt ? "cutover_in_doubt" : "cutover_stepped_back",
                   {{"cause", done.error().native}});
    if (!in_doubt) move.set_phase(kDualPhase);
    answer(to_result(done.error()));
    if (!task->cutover.dry_run && !in_doubt) {
      CROSSFADE_TRY(forget_watch());
    }
    *ended = true;  // the next session begins from what the two databases say
    return ok();
  }
  const CutoverReport& cut = done.value();
  *ended = true;
  audit_->record(cut.dry_run ? "cutover_rehearsed" : "cut_over", to_json(cut));
  if (!cut.dry_run) {
    cut_over_ = true;
    way_back_made_ = true;
    board_.update([&](StatusReport& r) {
      r.primary = cut.primary;
      r.epoch = cut.epoch;
    });
    if (auto begun = begin_watch(); !begun) log::error(describe(begun.error()));
  }
  answer({0, to_json(cut), cutover_text(cut, true)});
  return ok();
}

}  // namespace crossfade::run
