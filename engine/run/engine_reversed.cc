// The engine while PostgreSQL is the primary and SQLite is kept in step.
#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "capture/change_log.h"
#include "engine/core/limits.h"
#include "engine/observe/log.h"
#include "engine/run/engine.h"
#include "engine/run/reconcile.h"
#include "engine/run/reverse_follower.h"
#include "engine/run/rollback_driver.h"
#include "engine/run/watcher.h"
#include "engine/run/way_back.h"

namespace crossfade::run {
namespace {

constexpr int64_t kRetainedWarnBytes = int64_t{1} << 30;

// A VACUUM renumbers rowids, and the fence does not stop it; nor does it stop ALTER TABLE.
Error source_was_changed(const std::string& path) {
  Error error;
  error.code = ErrorCode::kBlocked;
  error.remedy = Remedy::kDecide;
  error.op = "reverse.follow";
  error.object = path;
  error.native =
      "the SQLite file's schema was changed, or it was vacuumed, while PostgreSQL is the primary: "
      "its rows cannot be told from one another as before";
  error.hint =
      "PostgreSQL stays the primary, with everything. There is no way back to this file; "
      "`crossfade finish` ends the move";
  return error;
}

// The schema that rows are written under, from the first start after the cutover on.
Status check_source_schema(Move& move) {
  CROSSFADE_TRY(const auto progress, move.target.progress());
  CROSSFADE_TRY(move.schema_version, move.source.connection().query_int("PRAGMA schema_version"));
  if (progress.phase == "reversed" && progress.schema_version != move.schema_version) {
    CROSSFADE_TRY(const bool intact, capture_is_intact(move));
    const bool keyed = std::none_of(
        move.tables.begin(), move.tables.end(),
        [](const TargetTable& t) { return t.table->identity == Identity::kSurrogate; });
    if (!intact || !keyed) return fail(source_was_changed(move.source.path()));
  }
  if (progress.schema_version != move.schema_version) {
    CROSSFADE_TRY(move.target.set_schema_version(move.schema_version));
  }
  CROSSFADE_TRY(const std::string encoding, move.source.connection().query_text("PRAGMA encoding"));
  move.utf8 = encoding == "UTF-8";
  return ok();
}

Status check_original_file(const SourceFile& source) {
  auto same = source.check_same_file();
  if (same) return ok();
  Error error = std::move(same).error();
  error.hint =
      "PostgreSQL stays the primary, with everything. Put the original file back with its -wal, "
      "and run again; without it there is no way back, and `crossfade finish` ends the move";
  return fail(std::move(error));
}

}  // namespace

Result<std::string> Engine::source_id() {
  CROSSFADE_TRY(const auto identity, capture::read_identity(source_->connection()));
  if (identity) return identity->source_id;
  Error error;
  error.code = ErrorCode::kSourceReplaced;
  error.op = "source.open";
  error.object = source_->path();
  error.native = "the file does not say any more which move it belongs to";
  error.hint = "put the file back that this move began with";
  return fail(std::move(error));
}

Status Engine::reverse(Move& move, bool until_idle, Next* next) {
  auto ended = keep_in_step(move, until_idle, next);
  // Whatever failed first: that the file is gone is what an operator has to know.
  if (!ended) {
    CROSSFADE_TRY(check_original_file(move.source));
  }
  return ended;
}

Status Engine::keep_in_step(Move& move, bool until_idle, Next* next) {
  CROSSFADE_TRY(check_source_schema(move));
  move.set_phase("reversed");
  CROSSFADE_TRY(move.target.set_phase("reversed"));
  CROSSFADE_TRY(validate_constraints(move));
  CROSSFADE_TRY(const std::string id, source_id());
  CROSSFADE_TRY(const auto follower, ReverseFollower::open(move, id));
  Deadline::Clock::time_point next_check{};
  watch_round_ = false;
  while (!stop_.requested()) {
    CROSSFADE_TRY(follower->pump(Deadline::after(std::chrono::milliseconds(50))));
    if (Deadline::Clock::now() >= next_check) {
      CROSSFADE_TRY(watch_slot(move, *follower));
      next_check = Deadline::Clock::now() + limits::kSlotCheckInterval;
    }
    bool ended = false;
    CROSSFADE_TRY(serve_reversed(move, *follower, &ended));
    CROSSFADE_TRY(serve_watch(*follower));
    CROSSFADE_TRY(keep_audit_head());
    if (ended || (watch_ && watch_->wants_to_give_up())) {
      *next = Next::kAgain;
      return ok();
    }
    if (until_idle && !current_task() && !watching()) break;
  }
  return ok();
}

Status Engine::watch_slot(Move& move, ReverseFollower& follower) {
  CROSSFADE_TRY(check_original_file(move.source));
  CROSSFADE_TRY(const auto health, follower.slot_health());
  return note_slot(move, health, follower.writer());
}

Status Engine::note_slot(Move& move, const capture::SlotHealth& health,
                         apply::SourceWriter& writer) {
  CROSSFADE_TRY(const int64_t aside, writer.set_aside_count());
  move.board.update([&](StatusReport& r) {
    r.reverse_retained = health.retained_bytes;
    r.reverse_set_aside = aside;
  });
  const bool much = health.at_risk || health.retained_bytes > kRetainedWarnBytes;
  if (much && !slot_warned_) {
    log::warn(fmt::format(
        "PostgreSQL keeps {} MiB {} for the way back{}", health.retained_bytes >> 20U,
        writer.state().kind == WayBackKind::kOutbox ? "in crossfade.outbox" : "of its log",
        !health.at_risk ? ""
        : writer.state().kind == WayBackKind::kOutbox
            ? ", more than half of what it may (max_bytes of crossfade.outbox_position): beyond "
              "that the way back is lost"
            : ", more than max_slot_wal_keep_size: at its next checkpoint the way back is lost"));
  }
  slot_warned_ = much;
  return ok();
}

// A rollback begins with a verification, like a cutover.
Status Engine::serve_reversed(Move& move, ReverseFollower& follower, bool* ended) {
  const auto task = current_task();
  if (!task) return ok();
  if (task->rollback.withdrawn && *task->rollback.withdrawn) {
    log::warn("whoever asked for a rollback is gone: it is not done");
    audit_->record("rollback_withdrawn", nlohmann::json::object());
    follower.end_round();
    answer({});
    return ok();
  }
  if (task->kind == TaskKind::kSettle) {
    answer({});
    return ok();
  }
  if (task->kind == TaskKind::kCutover) {
    if (auto watched = answer_watch_request(task->cutover); !watched) {
      answer(to_result(watched.error()));
      return ok();
    }
    CutoverReport report;
    report.primary = Primary::kPostgres;
    report.epoch = board_.get().epoch;
    answer({0, to_json(report), "PostgreSQL is primary already; nothing to do\n"});
    return ok();
  }
  // A rollback goes on with the watch's comparison; a verification is of now.
  if (watch_round_ && task->kind == TaskKind::kVerify) follower.end_round();
  watch_round_ = false;
  if (follower.round_running()) {
    auto compared = follower.compare_slice();
    if (compared || compared.error().code != ErrorCode::kSteppedBack) return compared;
    follower.end_round();
    answer(to_result(compared.error()));
    return ok();
  }
  auto report = follower.take_report();
  if (!report || report->digest != task->digest) {
    const auto near = follower.is_near();
    if (near) return near.value() ? follower.start_round(task->digest) : ok();
    if (near.error().code != ErrorCode::kSteppedBack) return fail(near.error());
    answer(to_result(near.error()));
    return ok();
  }
  constexpr auto kListed = static_cast<int64_t>(limits::kSamplesMax);
  CROSSFADE_TRY(const auto aside, follower.writer().set_aside(kListed));
  for (const apply::SetAside& row : aside) {
    std::string key;
    for (const Value& value : row.key) key += (key.empty() ? "" : ", ") + to_literal(value);
    report->quarantined.push_back({row.table, key, row.column, row.reason});
  }
  CROSSFADE_TRY(report->set_aside, follower.writer().set_aside_count());
  audit_->record("verified", {{"equal", report->equal()},
                              {"rows", report->rows},
                              {"through_pg_lsn", postgres::to_string(follower.applied())}});
  if (task->kind == TaskKind::kVerify) return finish_verify(*report);
  return serve_rollback(move, follower, *report, ended);
}

Status Engine::serve_rollback(Move& move, ReverseFollower& follower, const VerifyReport& report,
                              bool* ended) {
  const auto task = current_task();
  CROSSFADE_TRY(const std::string id, source_id());
  if (!task->rollback.dry_run) {
    audit_->record("rollback_begun", {{"max_pause_ms", task->rollback.max_pause.count()}});
    move.set_phase("rolling_back");
  }
  auto done = roll_back(move, follower, id, report, task->rollback);
  if (!done) {
    const bool in_doubt = done.error().code == ErrorCode::kInterrupted;
    audit_->record(in_doubt ? "rollback_in_doubt" : "rollback_stepped_back",
                   {{"cause", done.error().native}});
    if (!in_doubt) move.set_phase("reversed");
    answer(to_result(done.error()));
    *ended = true;  // the stream may have been lost on the way: the next session begins anew
    return ok();
  }
  const RollbackReport& back = done.value();
  audit_->record(back.dry_run ? "rollback_rehearsed" : "rolled_back", to_json(back));
  if (!back.dry_run) {
    cut_over_ = false;
    *ended = true;
    if (watch_) watch_->note_sqlite_is_primary();
    board_.update([&](StatusReport& r) {
      r.primary = back.primary;
      r.epoch = back.epoch;
      r.reverse_applied.clear();
    });
  }
  answer({0, to_json(back), to_text(back)});
  return ok();
}

}  // namespace crossfade::run
