// The engine's part of the watch after a cutover: it begins it, compares for it, and rolls back.
#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "engine/core/limits.h"
#include "engine/observe/log.h"
#include "engine/run/engine.h"
#include "engine/run/reverse_follower.h"
#include "engine/run/watcher.h"

namespace crossfade::run {
namespace {

Error watch_refused(const std::string& database, std::string native, std::string hint) {
  Error error;
  error.code = ErrorCode::kBlocked;
  error.remedy = Remedy::kDecide;
  error.op = "watch";
  error.object = database;
  error.native = std::move(native);
  error.hint = std::move(hint);
  return error;
}

}  // namespace

bool Engine::watching() const {
  return watch_ && watch_->running();
}

// One that fails anyway would bring every writer there and back for nothing.
Status Engine::check_watch_command(const CutoverOptions& options, Primary primary, Epoch epoch) {
  if (options.watch->command.empty()) return ok();
  const auto failed =
      run_watch_command(options.watch->command, primary, epoch, state_->database(), &stop_);
  if (!failed) return ok();
  return fail(watch_refused(
      state_->database(),
      fmt::format("the command of --rollback-if {} already now: with it the watch would roll back",
                  *failed),
      "mend the command or what it looks at; what can only be well after the cutover is asked "
      "where $CROSSFADE_PRIMARY is postgres"));
}

// Before anything else of the cutover. What is known of an earlier watch goes.
Status Engine::arm_watch(const CutoverOptions& options, Epoch flipped) {
  if (options.dry_run) return ok();
  CROSSFADE_TRY(forget_watch());
  if (!options.watch) return ok();
  CROSSFADE_TRY(check_watch_command(options, Primary::kSqlite, board_.get().epoch));
  WatchRecord record;
  record.epoch = flipped;
  record.options = *options.watch;
  record.max_pause = options.max_pause;
  return save_watch(*state_, record);
}

Status Engine::forget_watch() {
  watch_.reset();
  board_.update([](StatusReport& r) { r.watch.reset(); });
  return state_->forget_watch();
}

// The flip has come: the window begins now, also for whoever finds it only after a crash.
Status Engine::begin_watch() {
  CROSSFADE_TRY(auto record, load_watch(*state_));
  if (!record || record->state != WatchState::kArmed) return ok();
  record->state = WatchState::kWatching;
  record->until_ms = wall_clock_ms() + record->options.window.count();
  audit_->record("watch_began", to_json(*record));
  log::info("watch: " + to_text(*record));
  auto saved = save_watch(*state_, *record);
  start_watcher(std::move(*record));
  return saved;
}

void Engine::start_watcher(WatchRecord record) {
  const auto roll_back = [this](RollbackOptions options, Watcher::RolledBack done) {
    Task task;
    task.kind = TaskKind::kRollback;
    task.rollback = std::move(options);
    task.done = [done = std::move(done)](const TaskResult& result) {
      const bool there = result.document.is_object() && result.exit_code == 0 &&
                         result.document.value("primary", "") == "sqlite";
      const std::string why_not = result.text.empty() ? "it was not wanted any more" : result.text;
      done(there ? std::nullopt : std::optional<std::string>(why_not));
    };
    post(std::move(task));
  };
  watch_ = std::make_unique<Watcher>(std::move(record),
                                     Watcher::Surroundings{*state_, *audit_, board_, roll_back});
  if (params_) watch_->set_target(*params_);
}

// Of an engine that ended within the window, before it is known whether the target is there. The
// route file is behind the row, if anything; settle_watch() sees to that.
Status Engine::take_up_watch() {
  CROSSFADE_TRY(auto record, load_watch(*state_));
  if (!record) return ok();
  board_.update([&](StatusReport& r) { r.watch = record; });
  if (record->state == WatchState::kArmed || has_ended(record->state)) return ok();
  const auto noted = read_route_file(state_->route());
  const bool holds =
      noted && noted.value().primary == Primary::kPostgres && noted.value().epoch == record->epoch;
  if (!holds) return ok();
  if (wall_clock_ms() >= record->until_ms) {
    const bool wanted = record->state != WatchState::kWatching;
    record->state = wanted ? WatchState::kFailed : WatchState::kLapsed;
    record->ended_ms = wall_clock_ms();
    log::error("watch: no engine ran when its window ended: " + to_text(*record));
    audit_->record("watch_ended", to_json(*record));
    board_.update([&](StatusReport& r) { r.watch = record; });
    return save_watch(*state_, *record);
  }
  // Whoever asks before the target answers is told what is known.
  board_.update([&](StatusReport& r) {
    r.primary = noted.value().primary;
    r.epoch = noted.value().epoch;
  });
  log::info("watch: goes on; " + to_text(*record));
  audit_->record("watch_goes_on", to_json(*record));
  start_watcher(std::move(*record));
  return ok();
}

// What the row says of it. A watcher that runs is told what happened while nobody could tell it.
Status Engine::settle_watch(const Route& route) {
  if (watch_) {
    if (route.primary == Primary::kSqlite) watch_->note_sqlite_is_primary();
    return ok();
  }
  CROSSFADE_TRY(auto record, load_watch(*state_));
  if (!record || has_ended(record->state)) return ok();
  if (route.primary == Primary::kPostgres && route.epoch == record->epoch) {
    return record->state == WatchState::kArmed ? begin_watch() : take_up_watch();
  }
  if (route.primary == Primary::kPostgres || route.epoch < record->epoch) {
    return forget_watch();  // the flip did not come
  }
  record->state = WatchState::kRolledBack;
  record->ended_ms = wall_clock_ms();
  audit_->record("watch_ended", to_json(*record));
  board_.update([&](StatusReport& r) { r.watch = record; });
  return save_watch(*state_, *record);
}

// `cutover --watch` where PostgreSQL is the primary: the watch there is goes on, else one begins.
Status Engine::answer_watch_request(const CutoverOptions& options) {
  if (!options.watch) return ok();
  const Epoch epoch = board_.get().epoch;
  CROSSFADE_TRY(const auto record, load_watch(*state_));
  if (record && record->epoch == epoch) {
    if (to_request(record->options) == to_request(*options.watch)) return ok();
    return fail(watch_refused(
        state_->database(),
        fmt::format("this cutover has a watch already, with other settings: {}", to_text(*record)),
        "ask with the same settings to wait for its end, or with none"));
  }
  CROSSFADE_TRY(forget_watch());
  CROSSFADE_TRY(check_watch_command(options, Primary::kPostgres, epoch));
  WatchRecord armed;
  armed.epoch = epoch;
  armed.options = *options.watch;
  armed.max_pause = options.max_pause;
  CROSSFADE_TRY(save_watch(*state_, armed));
  return begin_watch();
}

// A server that takes no new connections may go on working for those that it has.
Status Engine::check_no_answer() {
  if (!target_ || !target_->connection().alive()) return ok();
  target_->connection().set_statement_timeout(limits::kConnectTimeout);
  const auto answer = target_->connection().exec("SELECT 1");
  target_->connection().set_statement_timeout(limits::kStatementTimeout);
  // A refusal is an answer, too: of a transaction that the last pass left behind.
  if (!answer && answer.error().sqlstate.empty()) return ok();
  return fail(watch_refused(state_->database(),
                            "PostgreSQL takes no new connections, and answers by one that is open: "
                            "applications may be writing to it",
                            "it is not given up; look at the server"));
}

Status Engine::give_up_if_wanted() {
  if (!watch_ || !watch_->wants_to_give_up()) return ok();
  const auto done = [&]() -> Result<TargetGivenUp> {
    CROSSFADE_TRY(check_no_answer());
    return give_up_target(options_, *state_, *source_);
  }();
  watch_->note_given_up(done);
  if (!done) {
    log::error(describe(done.error()));
    return ok();
  }
  cut_over_ = false;
  route_known_ = true;
  board_.update([&](StatusReport& r) {
    r.primary = Primary::kSqlite;
    r.epoch = done.value().epoch;
    r.reverse_applied.clear();
  });
  return fail(watch_refused(
      state_->database(),
      "PostgreSQL did not answer for the time of --watch-target-lost: SQLite is the primary, and "
      "there is nothing to follow it on any more",
      "keep applications away from the old target, and look there for what is missing; `crossfade "
      "finish` ends this move, and another one can begin"));
}

// In between tasks. A rollback that comes meanwhile goes on with the round.
Status Engine::serve_watch(ReverseFollower& follower) {
  if (!watch_ || current_task()) return ok();
  if (watch_round_ && follower.round_running()) {
    auto compared = follower.compare_slice();
    if (compared || compared.error().code != ErrorCode::kSteppedBack) return compared;
    watch_round_ = false;
    follower.end_round();
    watch_->note_no_round(compared.error());
    return ok();
  }
  if (watch_round_) {
    watch_round_ = false;
    const auto report = follower.take_report();
    follower.end_round();
    if (report) watch_->note_round(*report);
    return ok();
  }
  if (!watch_->wants_round()) return ok();
  CROSSFADE_TRY(follower.start_round());
  watch_->begin_round();
  watch_round_ = true;
  return ok();
}

}  // namespace crossfade::run
