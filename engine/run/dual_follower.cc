#include "engine/run/dual_follower.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>
#include <utility>
#include <variant>

#include "apply/row_image.h"
#include "capture/change_log.h"
#include "engine/core/limits.h"
#include "engine/observe/log.h"
#include "engine/run/dual_marks.h"
#include "engine/run/reverse_follower.h"
#include "verify/key_text.h"

namespace crossfade::run {
namespace {

using std::chrono::milliseconds;

Error dual_error(Remedy remedy, std::string native, std::string hint) {
  Error error;
  error.remedy = remedy;
  error.code = remedy == Remedy::kStepBack ? ErrorCode::kSteppedBack : ErrorCode::kBlocked;
  error.op = "dual.follow";
  error.native = std::move(native);
  error.hint = std::move(hint);
  return error;
}

}  // namespace

DualFollower::DualFollower(Move& move, std::string source_id, ConflictPolicies policies,
                           apply::SourceWriter writer, postgres::Connection side)
    : move_(move),
      source_id_(std::move(source_id)),
      policies_(std::move(policies)),
      writer_(std::move(writer)),
      side_(std::move(side)),
      target_(move.target.connection(), move.options.target_schema),
      next_(writer_.state()),
      session_(random_nonce()) {
  for (const TargetTable& t : move.tables) shapes_[t.capture_id] = {t.table, t.base_lsn};
}

Result<std::unique_ptr<DualFollower>> DualFollower::open(Move& move, const std::string& source_id,
                                                         ConflictPolicies policies) {
  CROSSFADE_TRY(auto writer, apply::SourceWriter::open(move.source.path()));
  CROSSFADE_TRY(check_way_back_positions(move, writer.state()));
  CROSSFADE_TRY(auto side, side_connection(move));
  CROSSFADE_TRY(const auto progress, move.target.progress());
  std::unique_ptr<DualFollower> made(
      new DualFollower(move, source_id, std::move(policies), std::move(writer), std::move(side)));
  CROSSFADE_TRY(made->start(progress.applied_lsn));
  return made;
}

Status DualFollower::start(Lsn applied) {
  applied_ = applied;
  CROSSFADE_TRY(make_settled_table(target_.connection()));
  CROSSFADE_TRY(learn_own());
  CROSSFADE_TRY(load_settled());
  CROSSFADE_TRY(load_held());
  CROSSFADE_TRY(auto stream, open_stream());
  stream_.emplace(std::move(stream));
  CROSSFADE_TRY(source_, SourceThread::start(move_.source, move_.board,
                                             {.shapes = shapes_,
                                              .schema_version = move_.schema_version,
                                              .from = applied,
                                              .utf8 = move_.utf8}));
  return ok();
}

Result<capture::TargetStream> DualFollower::open_stream() {
  capture::TargetStreamOptions options;
  options.params = move_.params;
  options.connect_timeout = limits::kConnectTimeout;
  options.stop = &move_.stop;
  options.slot = writer_.state().slot;
  options.publication = capture::kPublication;
  options.target_schema = move_.options.target_schema;
  options.tables = tables_of(move_);
  options.applied = writer_.state().applied;
  return capture::TargetStream::open(std::move(options));
}

// The engine before this one may have written to the target what the stream has not brought back.
// What was committed for those keys before is taken in, and must not come to SQLite: so the marks
// are read ahead, and the stream begun again.
Status DualFollower::learn_own() {
  CROSSFADE_TRY(auto stream, open_stream());
  CROSSFADE_TRY(const std::string end, send_probe());
  std::string mark;
  std::vector<KeyId> keys;
  while (!move_.stop.requested()) {
    CROSSFADE_TRY(auto event, stream.next(Deadline::after(milliseconds(100))));
    if (!event) continue;
    if (std::holds_alternative<capture::TargetBegin>(*event)) {
      mark.clear();
      keys.clear();
    } else if (const auto* probe = std::get_if<capture::ProbeSeen>(&*event)) {
      if (probe->nonce == end) return ok();
      if (is_own_mark(probe->nonce)) mark = probe->nonce;
      parse_settled_mark(probe->nonce, &keys);
    } else if (const auto* change = std::get_if<TargetChange>(&*event); change && !mark.empty()) {
      if (!change->key.empty()) keys.push_back(key_id(*change->table, change->key));
      if (change->after.empty()) continue;
      CROSSFADE_TRY(const Row key, apply::key_after(*change));
      keys.push_back(key_id(*change->table, key));
    } else if (std::holds_alternative<capture::TargetCommit>(*event) && !mark.empty()) {
      std::sort(keys.begin(), keys.end());
      keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
      ledger_.committed(std::exchange(mark, {}), std::exchange(keys, {}));
    }
  }
  return fail(dual_error(Remedy::kRetry, "stopped while reading ahead", ""));
}

Status DualFollower::load_settled() {
  CROSSFADE_TRY(const auto settled, settled_keys(target_.connection()));
  for (const SettledKey& entry : settled) {
    const auto table = table_named(entry.table);
    if (!table) continue;
    ledger_.settle(key_id(*table, entry.key), entry.through);
    revisit_.push_back({table, entry.key, {}, 0});
  }
  return ok();
}

Status DualFollower::load_held() {
  CROSSFADE_TRY(const auto waiting, waiting_conflicts(target_.connection()));
  ledger_.release_all();
  refused_waits_ = false;
  for (const WaitingConflict& one : waiting) {
    const auto table = table_named(one.table);
    if (!table) continue;
    if (one.passes) {
      refused_waits_ = true;
      continue;
    }
    ledger_.hold(key_id(*table, one.key), one.id);
    if (one.target_key) ledger_.hold(key_id(*table, *one.target_key), one.id);
  }
  const auto count = static_cast<int64_t>(waiting.size());
  move_.board.update([&](StatusReport& r) { r.conflicts_waiting = count; });
  return ok();
}

// Inside a cutover's pause nothing but what it waits for is done.
Result<DualFollower::Event> DualFollower::pump(Deadline deadline) {
  if (!revisit_.empty()) {
    CROSSFADE_TRY(const bool done, resolve_alone(revisit_));
    if (done) {
      revisit_.clear();
      CROSSFADE_TRY(forget_settled_keys(target_.connection(), applied_));
      ledger_.forget_settled(applied_);
    }
  }
  CROSSFADE_TRY(const bool came, take_from_target());
  const Deadline turn = Deadline::after(limits::kDualTurn);
  CROSSFADE_TRY(const bool sent, take_from_source(came ? Deadline::at({}) : deadline.sooner(turn)));
  if (schema_changed_) return Event::kSchemaChanged;
  show_lag(!came && !sent);
  return came || sent ? Event::kProgress : Event::kIdle;
}

Result<std::string> DualFollower::send_probe() {
  std::string nonce = random_nonce();
  CROSSFADE_TRY(capture::send_probe(side_, nonce));
  return nonce;
}

Status DualFollower::drain(Deadline deadline) {
  CROSSFADE_TRY(const std::string nonce, send_probe());
  CROSSFADE_TRY(const Lsn newest, capture::newest_lsn(writer_.connection()));
  while (probe_ != nonce || applied_ < newest || !net_.empty() || !revisit_.empty()) {
    if (deadline.expired() || move_.stop.requested()) {
      return fail(dual_error(Remedy::kStepBack, "the two sides did not come to the same in time",
                             "try again when there is less traffic"));
    }
    CROSSFADE_TRY(const Event event, pump(deadline.sooner(Deadline::after(milliseconds(50)))));
    if (event == Event::kSchemaChanged) {
      return fail(dual_error(Remedy::kRetry, "the schema of the SQLite file was changed", ""));
    }
  }
  return ok();
}

Result<bool> DualFollower::await_shown(Deadline deadline) {
  CROSSFADE_TRY(const auto begun, side_.exec("SELECT pg_current_xact_id()::text"));
  const std::string ended =
      fmt::format("SELECT pg_snapshot_xmin(pg_current_snapshot()) >= '{}'::xid8", begun.text(0, 0));
  while (true) {
    CROSSFADE_TRY(const auto row, side_.exec(ended));
    if (row.boolean(0, 0)) return true;
    if (deadline.expired() || move_.stop.requested()) return false;
    CROSSFADE_TRY(pump(deadline.sooner(Deadline::after(milliseconds(20)))));
  }
}

Status DualFollower::look_at_decisions() {
  CROSSFADE_TRY(const auto waiting, waiting_conflicts(target_.connection()));
  for (const WaitingConflict& one : waiting) {
    if (one.decision == Decision::kNone) continue;
    CROSSFADE_TRY(const bool done, carry_out(one));
    if (!done) return ok();  // locked out: later
  }
  // Nothing is half done here, so SQLite has its part of what was settled up to there.
  if (revisit_.empty()) {
    CROSSFADE_TRY(forget_settled_keys(target_.connection(), applied_));
  }
  return load_held();
}

void DualFollower::note_keys() {
  noted_.clear();
  noting_ = true;
  noted_too_many_ = false;
}

void DualFollower::note(const Table& table, const Row& key) {
  if (!noting_ || noted_too_many_) return;
  noted_.try_emplace(table.name + '\0' + verify::key_text(table, key), key);
  noted_too_many_ = noted_.size() > limits::kDirtyKeysMax;
}

const Row* DualFollower::noted(const Table& table, const std::string& key_text) const {
  const auto found = noted_.find(table.name + '\0' + key_text);
  return found == noted_.end() ? nullptr : &found->second;
}

Result<capture::SlotHealth> DualFollower::slot_health() {
  return capture::slot_health(side_, source_id_);
}

std::shared_ptr<const Table> DualFollower::table_named(const std::string& name) const {
  for (const TargetTable& t : move_.tables) {
    if (t.table->name == name) return t.table;
  }
  return nullptr;
}

std::string DualFollower::next_mark() {
  return own_mark(fmt::format("{}-{}", session_, ++marks_));
}

void DualFollower::show_lag(bool idle) {
  move_.board.update([&](StatusReport& r) {
    r.applied_lsn = applied_;
    r.lag_changes = std::max<int64_t>(0, r.captured_lsn.value - applied_.value);
    behind_since_us_ = idle && r.lag_changes == 0 ? 0
                       : behind_since_us_ == 0    ? Deadline::now_us()
                                                  : behind_since_us_;
    r.lag_ms = behind_since_us_ == 0 ? 0 : (Deadline::now_us() - behind_since_us_) / 1000;
    r.reverse_applied = postgres::to_string(next_.applied);
  });
}

Result<bool> DualFollower::put_off(const Error& error) {
  // Writers wait until SQLite is let go; what a dead connection has open the server undoes.
  if (!locked_) writer_.rollback();
  target_.connection().rollback();
  if (std::exchange(step_open_, false)) {
    CROSSFADE_TRY(writer_.connection().exec("ROLLBACK TO step; RELEASE step"));
    CROSSFADE_TRY(writer_.recount());
  }
  if (!locked_) target_.connection().set_statement_timeout(limits::kStatementTimeout);
  if (target_has_it_) {
    // The next session learns from the target what SQLite is to have.
    Error again = error;
    again.remedy = Remedy::kReconnect;
    return fail(std::move(again));
  }
  if (error.remedy != Remedy::kRetry) return fail(error);
  log::debug("put off: " + describe(error));
  return false;
}

}  // namespace crossfade::run
