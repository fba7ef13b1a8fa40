// What the engine does when asked: verification, cutover, waiting for a position.
#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "engine/core/limits.h"
#include "engine/observe/log.h"
#include "engine/run/early_round.h"
#include "engine/run/engine.h"
#include "engine/run/live_tables.h"
#include "engine/run/put_aside.h"
#include "engine/run/target_checks.h"
#include "engine/run/target_fence.h"
#include "engine/run/way_back.h"

namespace crossfade::run {

TaskResult to_result(const Error& error) {
  TaskResult out;
  out.exit_code = exit_code(error.code);
  out.text = describe(error) + "\n";
  out.document = {{"error",
                   {{"code", std::string(to_string(error.code))},
                    {"op", error.op},
                    {"object", error.object},
                    {"cause", error.native},
                    {"remedy", error.hint}}}};
  return out;
}

bool wants_comparison(const std::optional<Task>& task) {
  return task && (task->kind == TaskKind::kVerify || task->kind == TaskKind::kCutover);
}

void Engine::post(Task task) {
  const std::lock_guard lock(mutex_);
  tasks_.push_back(std::move(task));
}

std::optional<Task> Engine::current_task() {
  const std::lock_guard lock(mutex_);
  if (tasks_.empty()) return std::nullopt;
  return tasks_.front();
}

void Engine::answer(const TaskResult& result) {
  Task task;
  {
    const std::lock_guard lock(mutex_);
    task = std::move(tasks_.front());
    tasks_.pop_front();
  }
  if (task.done) task.done(result);
}

// The route says that PostgreSQL is primary: a cutover has nothing left to do, and there is nothing
// to compare with a file that is not kept in step.
void Engine::answer_after_cutover(const Route& route) {
  CutoverReport report;
  report.primary = route.primary;
  report.epoch = route.epoch;
  Error nothing_to_compare;
  nothing_to_compare.code = ErrorCode::kBlocked;
  nothing_to_compare.remedy = Remedy::kDecide;
  nothing_to_compare.op = "verify";
  nothing_to_compare.object = source_->path();
  nothing_to_compare.native =
      "PostgreSQL is primary and the file is not kept in step: the two differ by what was written "
      "since. They were equal at the cutover, or it would have stepped back";
  nothing_to_compare.hint = "audit.jsonl in the state folder has the cutover's verification";
  Error no_way_back = nothing_to_compare;
  no_way_back.op = "rollback";
  no_way_back.native =
      "there is no way back: the file was not kept in step since the cutover, and what was written "
      "to PostgreSQL meanwhile would be lost";
  no_way_back.hint =
      "if that is to be given up, stop what writes to PostgreSQL, and `crossfade finish` opens the "
      "file again as it was at the cutover";
  while (const auto task = current_task()) {
    const bool of_way_back = task->kind == TaskKind::kRollback || task->cutover.watch;
    answer(task->kind == TaskKind::kVerify ? to_result(nothing_to_compare)
           : of_way_back                   ? to_result(no_way_back)
                                           : TaskResult{0, to_json(report),
                                      "PostgreSQL is primary already; "
                                                        "nothing to do\n"});
  }
}

bool Engine::answer_rollbacks() {
  bool answered = false;
  for (auto task = current_task(); task && task->kind == TaskKind::kRollback;
       task = current_task()) {
    RollbackReport report;
    report.primary = Primary::kSqlite;
    report.epoch = board_.get().epoch;
    report.dry_run = task->rollback.dry_run;
    answer({0, to_json(report), "SQLite is primary; nothing to do\n"});
    answered = true;
  }
  return answered;
}

void Engine::answer_all(const Error& error) {
  while (current_task()) answer(to_result(error));
}

void Engine::answer_that_target_is_gone(const Error& error) {
  if (error.code != ErrorCode::kTargetUnreachable) return;
  if (!gone_until_) gone_until_ = Deadline::after(limits::kAskedWithoutTargetMax);
  if (!gone_until_->expired()) return;
  std::deque<Task> asked;
  {
    const std::lock_guard lock(mutex_);
    std::deque<Task> others;
    for (Task& task : tasks_) (task.asked ? asked : others).push_back(std::move(task));
    tasks_ = std::move(others);
  }
  Error gone = error;
  gone.hint +=
      ". The engine goes on trying, and what was asked for is not done when it succeeds: "
      "run the same command again once `crossfade status` shows no trouble";
  for (const Task& task : asked) {
    Error answer = gone;
    if (task.kind == TaskKind::kRollback) {
      answer.hint += "; if it is lost for good, docs/rollback.md has `rollback --target-lost`";
    }
    task.done(to_result(answer));
  }
}

std::unique_ptr<EarlyRound> Engine::compare_early(Move& move, Follower& follower) {
  const auto task = current_task();
  if (!wants_comparison(task) || !all_caught_up(move, follower.applied())) return nullptr;
  if (!follower.has_round()) {
    if (auto begun = follower.start_round(task->digest); !begun) {
      log::debug("nothing is compared while indexes are built: " + describe(begun.error()));
      return nullptr;
    }
  }
  if (!follower.round_running()) return nullptr;
  return EarlyRound::begin(move, follower);
}

// Works on the first task: a verification round, and for a cutover what follows it.
Status Engine::serve(Move& move, Follower& follower, bool* ended) {
  if (answer_rollbacks()) return ok();
  const auto task = current_task();
  if (task && task->cutover.withdrawn && *task->cutover.withdrawn) {
    log::warn("whoever asked for a cutover is gone: it is not done");
    audit_->record("cutover_withdrawn", nlohmann::json::object());
    follower.drop_round();
    answer({});
    return ok();
  }
  if (task && task->kind == TaskKind::kSettle) {
    if (follower.applied() >= task->settle_at) answer({});
    return ok();
  }
  if (!task || !all_live(move) || follower.round_running()) return ok();
  auto report = follower.take_report();
  // It may have begun for somebody who asked for less.
  if (!report || report->digest != task->digest) {
    CROSSFADE_TRY(follower.start_round(task->digest));
    return ok();
  }
  CROSSFADE_TRY(report->quarantined,
                move.target.quarantine_list(static_cast<int64_t>(limits::kSamplesMax)));
  CROSSFADE_TRY(report->set_aside, move.target.quarantined());
  audit_->record(
      "verified",
      {{"equal", report->equal()}, {"rows", report->rows}, {"through_lsn", report->through.value}});
  if (report->equal()) {
    CROSSFADE_TRY(move.target.set_verified(report->through));
    board_.update([&](StatusReport& r) { r.verified_lsn = report->through; });
  }
  if (task->kind == TaskKind::kCutover) return serve_cutover(move, follower, *report, ended);
  return finish_verify(*report);
}

Status Engine::finish_verify(const VerifyReport& report) {
  TaskResult result;
  result.document = to_json(report);
  result.text = to_text(report);
  if (report.has_unexplained()) {
    result.exit_code = exit_code(ErrorCode::kDifferent);
  } else if (!report.quarantined.empty()) {
    result.exit_code = exit_code(ErrorCode::kBlocked);
  }
  answer(result);
  return ok();
}

Status Engine::serve_cutover(Move& move, Follower& follower, const VerifyReport& report,
                             bool* ended) {
  const auto task = current_task();
  // The way back is made on the connection that rows are applied on.
  if (move.target.connection().in_transaction()) return ok();
  auto ready = arm_watch(task->cutover, board_.get().epoch.next());
  if (ready) ready = make_way_back_for(move, task->cutover);
  if (!ready) {
    if (ready.error().remedy == Remedy::kReconnect) return ready;
    audit_->record("cutover_stepped_back", {{"cause", ready.error().native}});
    answer(to_result(ready.error()));
    if (task->cutover.dry_run) return ok();
    return forget_watch();
  }
  if (!task->cutover.dry_run) {
    audit_->record("cutover_begun", {{"max_pause_ms", task->cutover.max_pause.count()}});
    move.set_phase("cutting_over");
  }
  auto done = cut_over(move, follower, report, task->cutover);
  if (!done) {
    const bool in_doubt = done.error().code == ErrorCode::kInterrupted;
    audit_->record(in_doubt ? "cutover_in_doubt" : "cutover_stepped_back",
                   {{"cause", done.error().native}});
    if (!task->cutover.dry_run && !in_doubt) move.set_phase("following");
    answer(to_result(done.error()));
    // Of a statement that failed: nothing else can be done in it, and the next session begins anew.
    if (move.target.connection().in_transaction()) {
      move.target.connection().rollback();
      *ended = true;
    }
    if (!task->cutover.dry_run && !in_doubt) {
      CROSSFADE_TRY(forget_watch());
    }
    if (!way_back_made_ || in_doubt) return ok();
    way_back_made_ = false;
    CROSSFADE_TRY(const std::string id, source_id());
    return remove_way_back(move, id);
  }
  const CutoverReport& cut = done.value();
  audit_->record(cut.dry_run ? "cutover_rehearsed" : "cut_over", to_json(cut));
  const std::string text = cutover_text(cut, way_back_made_);
  if (!cut.dry_run) {
    cut_over_ = true;
    *ended = true;
    board_.update([&](StatusReport& r) {
      r.primary = cut.primary;
      r.epoch = cut.epoch;
    });
    if (!way_back_made_) move.set_phase("finished");
    if (auto begun = begin_watch(); !begun) log::error(describe(begun.error()));
  }
  // First of all, because what follows can fail without changing what was done.
  answer({0, to_json(cut), text});
  if (cut.dry_run || way_back_made_) return ok();
  CROSSFADE_TRY(move.target.set_phase("finished"));
  return validate_constraints(move);
}

Status Engine::make_way_back_for(Move& move, const CutoverOptions& options) {
  way_back_made_ = false;
  if (options.no_rollback) return ok();
  CROSSFADE_TRY(const WayBackKind kind, choose_way_back(move, options.way_back));
  if (options.dry_run) return ok();
  CROSSFADE_TRY(const std::string id, source_id());
  CROSSFADE_TRY(make_way_back(move, id, kind, Deadline::after(limits::kSlotMakeMax)));
  way_back_made_ = true;
  return ok();
}

Status Engine::validate_constraints(Move& move) {
  CROSSFADE_TRY(const int64_t enabled,
                retire_target_fence(move.target.connection(), limits::kTargetLockWait));
  if (enabled > 0) {
    log::warn(
        fmt::format("{} triggers of the fence that was lowered are still called by writers: "
                    "the tables are in use. The next start of crossfade disables them",
                    enabled));
  }
  CROSSFADE_TRY(validate_foreign_keys(move));
  CROSSFADE_TRY(validate_put_back(move));
  return validate_checks(move);
}

}  // namespace crossfade::run
