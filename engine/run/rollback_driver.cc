#include "engine/run/rollback_driver.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <thread>
#include <utility>

#include "capture/change_log.h"
#include "engine/core/backoff.h"
#include "engine/observe/fault.h"
#include "engine/observe/log.h"
#include "engine/run/resolve_flip.h"
#include "engine/run/rollback_machine.h"
#include "engine/run/sequences.h"
#include "engine/run/source_opening.h"
#include "engine/run/target_fence.h"
#include "engine/run/way_back.h"
#include "engine/sqlite/transaction.h"

namespace crossfade::run {
namespace {

using std::chrono::milliseconds;

constexpr std::chrono::seconds kGateMax{60};
// Each attempt may hold writers up for a moment, so there are not many.
constexpr std::chrono::seconds kLockTriesMax{15};
constexpr milliseconds kStatementMin{250};
constexpr milliseconds kLockRoundMax{5'000};  // of one attempt at all locks
constexpr int kPublishTriesMax = 5;

Error not_rolled_back(std::string native, std::string hint) {
  Error error;
  error.code = ErrorCode::kSteppedBack;
  error.remedy = Remedy::kStepBack;
  error.op = "rollback";
  error.native = std::move(native);
  error.hint = std::move(hint);
  return error;
}

class RollbackDriver {
 public:
  RollbackDriver(Move& move, ReverseFollower& follower, std::string source_id,
                 const VerifyReport& verified, const RollbackOptions& options)
      : move_(move),
        follower_(follower),
        source_id_(std::move(source_id)),
        verified_(verified),
        options_(options),
        machine_(options.dry_run),
        gate_end_(Deadline::after(kGateMax)),
        pause_end_(gate_end_) {
    tables_.schema = move.options.target_schema;
    for (const TargetTable& t : move.tables) tables_.names.push_back(t.table->target_name);
  }

  Result<RollbackReport> run() {
    report_.dry_run = options_.dry_run;
    report_.verified_rows = verified_.rows;
    while (!machine_.ended()) {
      const RollbackEvent event = perform(machine_.action());
      if (in_doubt(event)) {
        // Whoever was overtaken in the middle does not begin anew.
        failure_->code = ErrorCode::kInterrupted;
        return fail(*failure_);
      }
      machine_.on(event);
    }
    if (machine_.state() == RollbackState::kSteppedBack && (failure_ || !options_.dry_run)) {
      return fail(failure_.value_or(not_rolled_back("gave up", "run the command again")));
    }
    return report_;
  }

 private:
  // Of steps that go on until they succeed, when the engine is told to end.
  [[nodiscard]] bool in_doubt(RollbackEvent event) const {
    // Another engine's now.
    if (failure_ && failure_->code == ErrorCode::kFenced) return true;
    const bool must_succeed =
        machine_.state() == RollbackState::kResolve || machine_.state() == RollbackState::kOpen;
    return must_succeed && event == RollbackEvent::kFailed && move_.stop.requested();
  }

  RollbackEvent perform(RollbackAction action) {
    switch (action) {
      case RollbackAction::kCheckGate:
        return event(check_gate());
      case RollbackAction::kTakeLocks:
        return take_locks();
      case RollbackAction::kDrain:
        return event(drain());
      case RollbackAction::kSettle:
        return event(settle());
      case RollbackAction::kCompare:
        return event(compare());
      case RollbackAction::kPrepare:
        return event(prepare());
      case RollbackAction::kFlip:
        return flip();
      case RollbackAction::kAskRoute:
        return ask_route();
      case RollbackAction::kOpenSource:
        return open();
      case RollbackAction::kPublish:
        return event(publish());
      case RollbackAction::kCleanUp:
        return event(clean_up());
      case RollbackAction::kStepBack:
        return event(step_back());
      case RollbackAction::kFinish:
        break;
    }
    return RollbackEvent::kOk;
  }

  RollbackEvent event(Status status) {
    if (status) return RollbackEvent::kOk;
    note_failure(std::move(status).error());
    return RollbackEvent::kFailed;
  }

  // The first is the reason; what fails afterwards is said beside it.
  void note_failure(Error error) {
    if (failure_ || machine_.flipped()) {
      log::error(describe(error));
      return;
    }
    const std::string cause = error.native.empty() ? error.op : error.native;
    failure_ = error.code == ErrorCode::kSteppedBack
                   ? std::move(error)
                   : not_rolled_back(fmt::format("{}: {}", error.op, cause), error.hint);
  }

  [[nodiscard]] Status wanted() const {
    if (move_.stop.requested()) return fail(not_rolled_back("stopped on request", ""));
    if (options_.withdrawn && *options_.withdrawn) {
      return fail(not_rolled_back("whoever asked for the rollback is gone", "ask again"));
    }
    return ok();
  }

  Status check_gate() {
    CROSSFADE_TRY(nothing_left_behind());
    if (!verified_.equal() || follower_.too_many_touched()) {
      return fail(not_rolled_back("the two sides are not known to be equal",
                                  "`crossfade verify` shows what differs"));
    }
    fault_point("rollback.gate");
    CROSSFADE_TRY(come_near());
    CROSSFADE_TRY(
        prepare_target_fence(move_.target.connection(), tables_, limits::kTargetLockWait));
    CROSSFADE_TRY(compare_all_but_few());
    return wanted();
  }

  // What was touched since the last comparison is compared behind the locks, as a part of the
  // pause.
  Status compare_all_but_few() {
    const milliseconds near = options_.max_pause / 4;
    while (follower_.touched() > limits::kNearKeysMax) {
      CROSSFADE_TRY(wanted());
      const size_t keys = follower_.touched();
      const auto began = Deadline::Clock::now();
      CROSSFADE_TRY(const auto verdict, follower_.compare_touched_beside(gate_end_));
      if (!verdict) continue;
      CROSSFADE_TRY(check_equal(*verdict));
      // Writers that touch as many again meanwhile always will.
      if (follower_.touched() <= keys && Deadline::Clock::now() - began <= near) break;
    }
    return ok();
  }

  // Behind the locks the stream is drained once more: what that takes is a part of the pause.
  Status come_near() {
    const milliseconds near = options_.max_pause / 4;
    while (true) {
      CROSSFADE_TRY(wanted());
      const auto began = Deadline::Clock::now();
      CROSSFADE_TRY(follower_.drain(gate_end_));
      if (Deadline::Clock::now() - began <= near) return ok();
    }
  }

  // What SQLite has no place for, or what does not come to it.
  Status nothing_left_behind() {
    std::string what;
    for (const std::string& said : follower_.no_place_for()) what += "\n    " + said;
    CROSSFADE_TRY(const auto unpublished, follower_.find_unpublished());
    for (const capture::Unpublished& table : unpublished) {
      what += fmt::format("\n    {}: {}", table.target_name, table.what);
    }
    if (!what.empty()) {
      return fail(not_rolled_back("what was changed on PostgreSQL has no place in SQLite:" + what,
                                  "take it back there, or stay on PostgreSQL"));
    }
    CROSSFADE_TRY(const auto aside, follower_.writer().set_aside(kShownMax));
    return check_aside(aside);
  }

  static Status check_aside(const std::vector<apply::SetAside>& aside) {
    if (aside.empty()) return ok();
    std::string what;
    for (const apply::SetAside& row : aside) {
      std::string key;
      for (const Value& value : row.key) key += (key.empty() ? "" : ", ") + to_literal(value);
      what += fmt::format("\n    {} ({}): {}{}{}", row.table, key, row.column,
                          row.column.empty() ? "" : ": ", row.reason);
    }
    return fail(not_rolled_back("rows do not fit into SQLite:" + what,
                                "mend them on PostgreSQL, and run the command again"));
  }

  RollbackEvent take_locks() {
    if (auto still = wanted(); !still) return event(std::move(still));
    postgres::Connection& target = move_.target.connection();
    const auto began = Deadline::Clock::now();
    target.set_end_of_calls(Deadline::after(std::max(options_.max_pause, kLockRoundMax)));
    auto locked = lock_tables(target, tables_, limits::kTargetLockWait);
    target.set_end_of_calls(std::nullopt);
    if (!locked) return event(fail(std::move(locked).error()));
    if (locked.value()) {
      pause_began_ = began;
      pause_end_ = Deadline::after(options_.max_pause);
      target.set_statement_timeout(std::max(options_.max_pause, kStatementMin));
      target.set_end_of_calls(pause_end_);
      follower_.set_end_of_calls(pause_end_);
      if (auto bounded = bound_on_server(target); !bounded) return event(std::move(bounded));
      fault_point("rollback.locked");
      return RollbackEvent::kOk;
    }
    if (!lock_end_) lock_end_ = Deadline::after(kLockTriesMax);
    if (lock_end_->expired()) {
      const auto blockers = who_blocks(target, tables_);
      note_failure(not_rolled_back(
          "somebody holds locks on the tables on PostgreSQL" +
              (blockers ? ":\n" + describe_blockers(blockers.value()) : std::string()),
          "run it again when they are done"));
      return RollbackEvent::kTimedOut;
    }
    (void)lock_pause_.next();
    move_.stop.wait_until(Deadline::after(lock_pause_.pause()));
    return RollbackEvent::kBusy;
  }

  // Writers wait for this transaction. Where the network lost this side of it, or this process is
  // held up, nobody but the server can end it.
  Status bound_on_server(postgres::Connection& target) const {
    const int64_t most = (options_.max_pause + limits::kPauseLeftOpenMax).count();
    CROSSFADE_TRY(target.exec(fmt::format("SET LOCAL idle_in_transaction_session_timeout = {}",
                                          std::min<int64_t>(most, INT32_MAX))));
    return ok();
  }

  Status drain() {
    CROSSFADE_TRY(follower_.drain(pause_end_));
    fault_point("rollback.drained");
    return ok();
  }

  Status settle() {
    CROSSFADE_TRY(const auto left, follower_.settle());
    fault_point("rollback.settled");
    return check_aside(left);
  }

  Status compare() {
    CROSSFADE_TRY(const auto verdict, follower_.compare_touched(pause_end_));
    CROSSFADE_TRY(check_equal(verdict));
    report_.drained_lsn = follower_.applied();
    fault_point("rollback.compared");
    return ok();
  }

  static Status check_equal(const verify::ChunkVerdict& verdict) {
    if (verdict.equal()) return ok();
    std::string keys;
    for (const verify::Difference& d : verdict.samples) keys += " " + d.key;
    return fail(
        not_rolled_back(fmt::format("rows differ:{}", keys), "`crossfade verify` shows more"));
  }

  Status prepare() {
    postgres::Connection& target = move_.target.connection();
    CROSSFADE_TRY(const auto route, move_.target.route());
    report_.epoch = route.epoch;
    if (route.primary != Primary::kPostgres) {
      return fail(not_rolled_back("the route says that PostgreSQL is not the primary", ""));
    }
    CROSSFADE_TRY(prepare_source(target));
    fault_point("rollback.sequences");
    const FenceNotice notice{move_.source.path(), route.epoch.next()};
    CROSSFADE_TRY(raise_fence_on_target(target, tables_, notice));
    CROSSFADE_TRY(move_.target.flip_route(move_.token, route.epoch, Primary::kSqlite));
    fault_point("rollback.prepared");
    if (pause_end_.expired()) {
      return fail(not_rolled_back("the preparations took longer than allowed",
                                  "raise --max-pause, or run it when there is less traffic"));
    }
    if (options_.dry_run) note_pause();
    return wanted();
  }

  Status prepare_source(postgres::Connection& target) {
    sqlite::Connection& source = move_.source.connection();
    CROSSFADE_TRY(auto writing, sqlite::Transaction::begin(source, sqlite::Begin::kImmediate));
    CROSSFADE_TRY(hand_back_sequences(target, tables_.schema, move_.tables, source));
    if (options_.dry_run) return ok();
    CROSSFADE_TRY(writing.commit());
    CROSSFADE_TRY(report_.stale_searches, refresh_searches(move_));
    return ok();
  }

  RollbackEvent flip() {
    postgres::Connection& target = move_.target.connection();
    target.ignore_stop(true);
    set_no_end_of_calls();
    fault_point("rollback.flip.before_commit");
    auto flipped = target.commit();
    target.set_statement_timeout(limits::kStatementTimeout);
    target.ignore_stop(false);
    fault_point("rollback.flip.after_commit");
    if (flipped) {
      note_flipped();
      return RollbackEvent::kOk;
    }
    if (flipped.error().remedy == Remedy::kResolveInDoubt) {
      log::warn(
          "the connection went during the flip: asking the target what became of it. Until that is "
          "known SQLite stays closed");
      return RollbackEvent::kInDoubt;
    }
    return event(std::move(flipped));
  }

  RollbackEvent ask_route() {
    const auto flipped = resolve_flip(move_, Primary::kSqlite);
    if (flipped) {
      failure_.reset();
      if (flipped.value()) {
        note_flipped();
        return RollbackEvent::kFlipped;
      }
      failure_ = not_rolled_back("the target did not flip", "run the command again");
      return RollbackEvent::kNotFlipped;
    }
    if (flipped.error().code == ErrorCode::kFenced) {
      failure_ = flipped.error();
      return RollbackEvent::kFailed;
    }
    failure_ = not_rolled_back("whether the target flipped is not known",
                               "when the target can be reached again, run any crossfade command: "
                               "it completes the rollback or leaves PostgreSQL the primary");
    failure_->code = ErrorCode::kInterrupted;
    move_.stop.wait_until(Deadline::after(std::chrono::seconds(1)));
    return RollbackEvent::kFailed;
  }

  void set_no_end_of_calls() {
    move_.target.connection().set_end_of_calls(std::nullopt);
    follower_.set_end_of_calls(std::nullopt);
  }

  void note_flipped() {
    report_.primary = Primary::kSqlite;
    report_.epoch = report_.epoch.next();
  }

  void note_pause() {
    report_.write_pause = std::chrono::duration_cast<std::chrono::microseconds>(
        Deadline::Clock::now() - pause_began_);
  }

  // PostgreSQL is closed: until this succeeds nobody can write.
  RollbackEvent open() {
    auto opened =
        open_source(move_, opening_version_.value_or(move_.schema_version), move_.schema_version);
    // Somebody changed the schema, or another engine took over, which the target knows.
    if (opened && !opened.value()) opened = ask_before_opening();
    if (opened && opened.value()) {
      note_pause();
      fault_point("rollback.opened");
      return RollbackEvent::kOk;
    }
    failure_ = opened ? not_rolled_back("the source's schema changed just now", "")
                      : std::move(opened).error();
    if (failure_->code == ErrorCode::kFenced) return RollbackEvent::kFailed;
    failure_->code = ErrorCode::kInterrupted;
    log::error(describe(*failure_));
    move_.stop.wait_until(Deadline::after(milliseconds(100)));
    return RollbackEvent::kFailed;
  }

  Result<bool> ask_before_opening() {
    CROSSFADE_TRY(const int64_t known,
                  move_.source.connection().query_int("PRAGMA schema_version"));
    CROSSFADE_TRY(const bool flipped, resolve_flip(move_, Primary::kSqlite));
    if (flipped) {
      opening_version_ = known;
      return open_source(move_, known, move_.schema_version);
    }
    Error error;
    error.code = ErrorCode::kFenced;
    error.remedy = Remedy::kFenced;
    error.op = "rollback.open";
    error.object = move_.source.path();
    error.native = "another engine has cut over since";
    return fail(std::move(error));
  }

  Status publish() {
    fault_point("rollback.publish");
    failure_.reset();
    const Route route{report_.primary, report_.epoch, ""};
    auto written = write_route_file(move_.state.route(), route);
    for (int i = 1; !written && i < kPublishTriesMax; ++i) {
      move_.stop.wait_until(Deadline::after(milliseconds(100)));
      written = write_route_file(move_.state.route(), route);
    }
    if (!written) report_.route_file_error = describe(written.error());
    return written;
  }

  Status clean_up() {
    follower_.stop_streaming();
    const Deadline deadline = Deadline::after(limits::kSlotReleaseMax);
    auto removed = remove_way_back(move_, source_id_);
    while (!removed && removed.error().remedy == Remedy::kRetry && !deadline.expired()) {
      move_.stop.wait_until(Deadline::after(milliseconds(20)));
      removed = remove_way_back(move_, source_id_);
    }
    return removed;
  }

  Status step_back() {
    fault_point("rollback.step_back");
    postgres::Connection& target = move_.target.connection();
    target.rollback();
    set_no_end_of_calls();
    target.set_statement_timeout(limits::kStatementTimeout);
    // Or writers would go on calling triggers that let them pass.
    CROSSFADE_TRY(retire_target_fence(target, limits::kTargetLockWait));
    return ok();
  }

  static constexpr int64_t kShownMax = 20;

  Move& move_;
  ReverseFollower& follower_;
  const std::string source_id_;
  const VerifyReport& verified_;
  const RollbackOptions options_;
  RollbackMachine machine_;
  FencedTables tables_;
  RollbackReport report_;
  std::optional<Error> failure_;
  Deadline gate_end_;
  std::optional<Deadline> lock_end_;
  std::optional<int64_t> opening_version_;
  Deadline::Clock::time_point pause_began_;
  Deadline pause_end_;
  Backoff lock_pause_{limits::kReconnectBase, milliseconds(1'000), limits::kReconnectAttemptsMax};
};

}  // namespace

Result<RollbackReport> roll_back(Move& move, ReverseFollower& follower,
                                 const std::string& source_id, const VerifyReport& verified,
                                 const RollbackOptions& options) {
  return RollbackDriver(move, follower, source_id, verified, options).run();
}

}  // namespace crossfade::run
