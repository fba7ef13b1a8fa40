#include "engine/run/cutover.h"

#include <fmt/format.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>
#include <utility>

#include "capture/change_log.h"
#include "engine/observe/fault.h"
#include "engine/observe/log.h"
#include "engine/run/cutover_machine.h"
#include "engine/run/dual_numbers.h"
#include "engine/run/live_tables.h"
#include "engine/run/put_aside.h"
#include "engine/run/reconcile.h"
#include "engine/run/resolve_flip.h"
#include "engine/run/sequences.h"
#include "engine/run/source_searches.h"
#include "engine/run/target_checks.h"
#include "engine/run/target_fence.h"
#include "engine/run/target_views.h"
#include "engine/sqlite/transaction.h"
#include "verify/chunk.h"

namespace crossfade::run {
namespace {

using std::chrono::milliseconds;

// Before the lock is taken the stream must be about this close, or the drain would eat the budget.
constexpr int64_t kNearChanges = 2'000;
constexpr std::chrono::seconds kGateWait{60};
constexpr const char* kWaitHint = "no write was held up; run it when the target keeps pace";
// A statement that times out costs the connection: an answer may take this long at least.
constexpr std::chrono::milliseconds kStatementPauseMin{250};
constexpr int kPublishAttemptsMax = 5;
constexpr std::chrono::milliseconds kPublishPause{100};

Error stepped_back(std::string native, std::string hint) {
  Error error;
  error.code = ErrorCode::kSteppedBack;
  error.remedy = Remedy::kStepBack;
  error.op = "cutover";
  error.native = std::move(native);
  error.hint = std::move(hint);
  return error;
}

class CutoverDriver {
 public:
  // One of the two followers.
  CutoverDriver(Move& move, Follower* follower, DualFollower* dual, const VerifyReport& verified,
                const CutoverOptions& options)
      : move_(move),
        follower_(follower),
        dual_(dual),
        verified_(verified),
        options_(options),
        machine_(options.dry_run),
        pause_end_(Deadline::after(kGateWait)) {}

  Result<CutoverReport> run() {
    report_.dry_run = options_.dry_run;
    report_.verified_rows = verified_.rows;
    while (!machine_.ended()) {
      const CutoverEvent event = perform(machine_.action());
      if (machine_.state() == CutoverState::kResolve && event == CutoverEvent::kFailed &&
          (move_.stop.requested() || failure_->code == ErrorCode::kFenced)) {
        return fail(ended_with(*failure_));
      }
      machine_.on(event);
    }
    if (machine_.state() == CutoverState::kSteppedBack && !options_.dry_run) {
      return fail(ended_with(failure_.value_or(stepped_back("gave up", "run the command again"))));
    }
    if (failure_ && options_.dry_run) return fail(*failure_);
    return report_;
  }

 private:
  // Whoever was overtaken in the middle does not begin anew, as one does that found another at
  // work.
  static Error ended_with(Error error) {
    if (error.code == ErrorCode::kFenced) error.code = ErrorCode::kInterrupted;
    return error;
  }

  CutoverEvent perform(CutoverAction action) {
    switch (action) {
      case CutoverAction::kCheckGate:
        return event(check_gate());
      case CutoverAction::kTakeLock:
        return event(take_lock());
      case CutoverAction::kDrain:
        fault_point("cutover.drain");
        return event(drain());
      case CutoverAction::kCompare:
        return event(compare());
      case CutoverAction::kPrepare:
        return event(prepare());
      case CutoverAction::kRaiseFence:
        return event(raise_fence());
      case CutoverAction::kFlip:
        return flip();
      case CutoverAction::kAskRoute:
        return ask_route();
      case CutoverAction::kPublish:
        return event(publish());
      case CutoverAction::kStepBack:
        return event(step_back());
      case CutoverAction::kFinish:
        break;
    }
    return CutoverEvent::kOk;
  }

  CutoverEvent event(Status status) {
    if (status) return CutoverEvent::kOk;
    Error error = std::move(status).error();
    // The first failure is the reason; what fails while stepping back is said beside it. Whoever
    // has been overtaken does not know which side is primary.
    if (error.code == ErrorCode::kFenced) {
      failure_ = std::move(error);
    } else if (failure_) {
      log::error(describe(error));
    } else {
      const std::string cause = error.native.empty() ? error.op : error.native;
      failure_ = error.code == ErrorCode::kSteppedBack
                     ? std::move(error)
                     : stepped_back(fmt::format("{}: {}", error.op, cause), error.hint);
    }
    return CutoverEvent::kFailed;
  }

  Status pump_until(Deadline deadline, const std::function<bool()>& reached, const char* what,
                    const char* hint) {
    while (!reached()) {
      CROSSFADE_TRY(wanted());
      if (deadline.expired()) {
        return fail(stepped_back(
            fmt::format("{} took longer than allowed ({} changes behind)", what, behind()), hint));
      }
      CROSSFADE_TRY(const auto got,
                    follower_->pump(deadline.sooner(Deadline::after(milliseconds(50)))));
      if (got == Follower::Event::kSchemaChanged) {
        return fail(stepped_back("the source's schema changed meanwhile",
                                 "run the command again once the change is carried over"));
      }
    }
    return ok();
  }

  // What nobody waits for any more is not done behind their back.
  [[nodiscard]] Status wanted() const {
    if (move_.stop.requested()) return fail(stepped_back("stopped on request", ""));
    if (options_.withdrawn && *options_.withdrawn) {
      return fail(stepped_back("whoever asked for the cutover is gone", "ask again"));
    }
    return ok();
  }

  [[nodiscard]] int64_t behind() const {
    return follower_->captured().value - follower_->applied().value;
  }

  Status check_gate() {
    if (move_.target.connection().safe_name().size() > kRouteUrlBytesMax) {
      return fail(stepped_back(
          fmt::format("the target's address is longer than the {} bytes of the route file",
                      kRouteUrlBytesMax),
          "leave out of it what the environment or a service file can say"));
    }
    CROSSFADE_TRY(none_in_quarantine());
    if (dual_ != nullptr) return check_dual_gate();
    if (!all_live(move_) || !verified_.equal() || follower_->dirty().overflowed()) {
      return fail(stepped_back("the two sides are not known to be equal",
                               "`crossfade verify` shows what differs"));
    }
    CROSSFADE_TRY(no_rows_left_behind());
    CROSSFADE_TRY(none_aside());
    CROSSFADE_TRY(const bool intact, capture_is_intact(move_));
    if (!intact) {
      return fail(stepped_back("the source's schema changed just now", "run the command again"));
    }
    fault_point("cutover.gate");
    const Deadline deadline = Deadline::after(kGateWait);
    CROSSFADE_TRY(pump_until(
        deadline, [&] { return behind() <= kNearChanges; }, "catching up", kWaitHint));
    while (follower_->dirty().size() > limits::kNearKeysMax) {
      CROSSFADE_TRY(follower_->start_keys_pass());
      CROSSFADE_TRY(pump_until(
          deadline, [&] { return follower_->keys_outstanding() == 0; }, "comparing changed rows",
          kWaitHint));
      CROSSFADE_TRY(check_keys(follower_->keys_verdict()));
    }
    return ok();
  }

  Status check_dual_gate() {
    CROSSFADE_TRY(const int64_t aside, dual_->writer().set_aside_count());
    if (dual_->held() > 0) {
      return fail(stepped_back(fmt::format("{} keys wait for a decision", dual_->held()),
                               "`crossfade conflicts list` shows them"));
    }
    if (aside > 0) {
      return fail(stepped_back(fmt::format("{} rows of PostgreSQL's are refused by SQLite", aside),
                               "`crossfade conflicts list` names them, and why"));
    }
    if (!verified_.equal()) {
      return fail(stepped_back("the two sides are not known to be equal",
                               "`crossfade verify` shows what differs"));
    }
    CROSSFADE_TRY(no_rows_left_behind());
    CROSSFADE_TRY(none_aside());
    return dual_->drain(Deadline::after(kGateWait));
  }

  Status none_in_quarantine() {
    CROSSFADE_TRY(const int64_t quarantined, move_.target.quarantined());
    if (quarantined == 0) return ok();
    return fail(stepped_back(fmt::format("{} rows are in quarantine", quarantined),
                             "`crossfade quarantine list` names them: mend them on the source, or "
                             "accept that the target goes without them"));
  }

  // A full-text table may have got rows of its own since the plan was made.
  Status no_rows_left_behind() {
    CROSSFADE_TRY(const auto findings, find_only_copies(move_));
    if (findings.empty()) return ok();
    std::string messages;
    std::string remedies;
    for (const schema::Finding& each : findings) {
      const char* const next = messages.empty() ? "" : "\n    ";
      messages += fmt::format("{}{}: {}", next, each.table, each.message);
      remedies += fmt::format("{}{}: {}", next, each.table, each.remedy);
    }
    return fail(stepped_back(std::move(messages), std::move(remedies)));
  }

  // Of the application's own schema nothing may be missing afterwards.
  Status none_aside() {
    CROSSFADE_TRY(const auto left, still_broken(move_));
    if (left.empty()) return ok();
    std::string names;
    for (const Aside& aside : left) {
      names += fmt::format("\n    {} of {}: {} ({})", aside.name, aside.relation, aside.ddl,
                           aside.cause);
    }
    return fail(stepped_back("rows break what the target's schema asks for:" + names,
                             "mend the rows on the source, and run the command again"));
  }

  Status check_keys(const verify::ChunkVerdict& verdict) {
    if (verdict.equal()) return ok();
    std::string keys;
    for (const verify::Difference& d : verdict.samples) keys += " " + d.key;
    return fail(stepped_back(fmt::format("rows differ:{}", keys), "`crossfade verify` shows more"));
  }

  Status take_lock() {
    const Deadline deadline = Deadline::after(std::max(options_.max_pause, milliseconds(2'000)));
    if (dual_ == nullptr) {
      CROSSFADE_TRY(take_lock(deadline));
    } else {
      CROSSFADE_TRY(dual_->lock_source(deadline));
    }
    pause_began_ = Deadline::Clock::now();
    pause_end_ = Deadline::after(options_.max_pause);
    // A statement that waits for somebody's lock on the target would outlast the pause.
    move_.target.connection().set_statement_timeout(
        std::max(options_.max_pause, kStatementPauseMin));
    set_end_of_calls(pause_end_);
    fault_point("cutover.locked");
    CROSSFADE_TRY(const int64_t version, source().query_int("PRAGMA schema_version"));
    if (version != move_.schema_version) {
      return fail(stepped_back("the source's schema changed just now", "run the command again"));
    }
    CROSSFADE_TRY(report_.drained_lsn, capture::newest_lsn(source()));
    return ok();
  }

  void set_end_of_calls(std::optional<Deadline> end) {
    move_.target.connection().set_end_of_calls(end);
    if (dual_ != nullptr) dual_->set_end_of_calls(end);
  }

  Status take_lock(Deadline deadline) {
    while (true) {
      auto begun = try_lock();
      if (begun) return ok();
      if (begun.error().remedy != Remedy::kRetry || deadline.expired() || move_.stop.requested()) {
        return begun;
      }
      // Often, because a lock that is free for a moment is taken by whoever asks then.
      std::this_thread::sleep_for(std::chrono::microseconds(500));
    }
  }

  // Where readers and writers exclude each other, opening the file may meet a lock too.
  Status try_lock() {
    if (!lock_connection_) {
      CROSSFADE_TRY(auto connection, move_.source.connect(milliseconds(0)));
      lock_connection_.emplace(std::move(connection));
    }
    CROSSFADE_TRY(auto begun,
                  sqlite::Transaction::begin(*lock_connection_, sqlite::Begin::kImmediate));
    lock_.emplace(std::move(begun));
    return ok();
  }

  // Which holds the write lock.
  sqlite::Connection& source() {
    return dual_ == nullptr ? *lock_connection_ : dual_->writer().connection();
  }

  Status drain() {
    if (dual_ != nullptr) return dual_->drain_locked(pause_end_);
    follower_->source().nudge();
    return pump_until(
        pause_end_, [&] { return follower_->applied() >= report_.drained_lsn; },
        "draining the last changes", "raise --max-pause, or run it when there is less traffic");
  }

  Status compare() {
    if (dual_ != nullptr) {
      // Both sides were compared while both moved; since then each change was made against the row
      // it was based on, under that row's lock, or decided.
      if (dual_->held() > 0) {
        return fail(stepped_back("a conflict came up that waits for a decision",
                                 "`crossfade conflicts list` shows it"));
      }
      fault_point("cutover.compared");
      if (options_.dry_run) note_pause();
      return ok();
    }
    auto dirty = follower_->dirty().take();
    if (!dirty) return fail(too_many_changed("cutover"));
    for (DirtyKeys::OfTable& of_table : *dirty) {
      if (pause_end_.expired()) {
        return fail(stepped_back("comparing the last changes took longer than allowed",
                                 "raise --max-pause"));
      }
      CROSSFADE_TRY(auto keys, verify::read_source_keys(*lock_connection_, of_table.table,
                                                        std::move(of_table.keys)));
      verify::ChunkVerdict accepted;
      follower_->leave_out_accepted(&keys, &accepted);
      CROSSFADE_TRY(const auto verdict, verify::compare_keys(move_.target.connection(),
                                                             move_.options.target_schema, keys));
      CROSSFADE_TRY(check_keys(verdict));
    }
    // The last changes may have brought a row that does not fit, or such a version of an accepted
    // one.
    CROSSFADE_TRY(none_in_quarantine());
    fault_point("cutover.compared");
    if (options_.dry_run) note_pause();
    return ok();
  }

  Status prepare() {
    // Apart while both sides were written to, or since that was begun and not got through.
    CROSSFADE_TRY(join_numbers(move_, pause_end_.remaining()));
    fault_point("cutover.joined");
    CROSSFADE_TRY(dual_ != nullptr ? raise_sequences(move_, source())
                                   : hand_over_sequences(move_, source()));
    fault_point("cutover.sequences");
    schema_may_be_there_ = true;
    if (!move_.target.replica_role()) {
      CROSSFADE_TRY(add_foreign_keys(move_));
    }
    CROSSFADE_TRY(put_back_unvalidated(move_, pause_end_));
    CROSSFADE_TRY(add_checks(move_, pause_end_));
    CROSSFADE_TRY(add_views(move_, pause_end_));
    fault_point("cutover.prepared");
    CROSSFADE_TRY(const auto route, move_.target.route());
    report_.epoch = route.epoch;
    if (route.primary != Primary::kSqlite) {
      return fail(stepped_back("the route says that SQLite is not the primary", ""));
    }
    if (pause_end_.expired()) {
      return fail(stepped_back("the preparations took longer than allowed", "raise --max-pause"));
    }
    return wanted();
  }

  Status raise_fence() {
    std::vector<capture::Captured> captured;
    captured.reserve(move_.tables.size());
    for (const TargetTable& t : move_.tables) {
      captured.push_back({t.capture_id, t.table->name, t.table->shape, t.base_lsn});
    }
    CROSSFADE_TRY(capture::raise_fence(source(), captured));
    CROSSFADE_TRY(fenced_version_, source().query_int("PRAGMA schema_version"));
    fault_point("cutover.fence.before_commit");
    // The writers would wait for the fence to be lowered, too.
    if (pause_end_.expired()) {
      return fail(stepped_back("raising the fence took longer than allowed", "raise --max-pause"));
    }
    CROSSFADE_TRY(dual_ == nullptr ? lock_->commit() : dual_->commit_locked());
    lock_.reset();
    fault_point("cutover.fence.after_commit");
    return ok();
  }

  // Until COMMIT is sent it is certain that nothing moved, so the pause ends in time; from then on
  // only the answer says what did.
  CutoverEvent flip() {
    postgres::Connection& connection = move_.target.connection();
    connection.ignore_stop(true);
    connection.set_statement_timeout(std::max(pause_end_.remaining(), kStatementPauseMin));
    auto flipped = move_.target.begin_flip(move_.token, report_.epoch, Primary::kPostgres);
    if (flipped) flipped = lower_fence_on_target(connection);  // of an earlier rollback
    if (!flipped) connection.rollback();
    connection.set_statement_timeout(limits::kStatementTimeout);
    fault_point("cutover.flip.before_commit");
    if (flipped && pause_end_.expired()) {
      connection.rollback();
      flipped = fail(stepped_back("the flip took longer than allowed", "raise --max-pause"));
    }
    if (!flipped) {
      connection.ignore_stop(false);
      return event(std::move(flipped));
    }
    set_end_of_calls(std::nullopt);
    flipped = connection.commit();
    connection.ignore_stop(false);
    fault_point("cutover.flip.after_commit");
    if (flipped) {
      note_flipped();
      return CutoverEvent::kOk;
    }
    if (flipped.error().remedy == Remedy::kResolveInDoubt) {
      log::warn(
          "the connection went during the flip: asking the target what became of it. Neither "
          "side accepts writes until that is known");
      return CutoverEvent::kInDoubt;
    }
    return event(std::move(flipped));
  }

  CutoverEvent ask_route() {
    const auto flipped = resolve_flip(move_, Primary::kPostgres);
    if (!flipped && flipped.error().code == ErrorCode::kFenced) {
      failure_ = flipped.error();
      return CutoverEvent::kFailed;
    }
    if (flipped) {
      if (flipped.value()) {
        note_flipped();
        return CutoverEvent::kFlipped;
      }
      failure_ = stepped_back("the target did not flip", "run the command again");
      return CutoverEvent::kNotFlipped;
    }
    failure_ = stepped_back("whether the target flipped is not known",
                            "when the target can be reached again, run any crossfade command: it "
                            "completes the cutover or takes the fence away");
    failure_->code = ErrorCode::kInterrupted;
    move_.stop.wait_until(Deadline::after(std::chrono::seconds(1)));
    return CutoverEvent::kFailed;
  }

  void note_flipped() {
    note_pause();
    report_.primary = Primary::kPostgres;
    report_.epoch = report_.epoch.next();
  }

  void note_pause() {
    report_.write_pause = std::chrono::duration_cast<std::chrono::microseconds>(
        Deadline::Clock::now() - pause_began_);
  }

  Status publish() {
    fault_point("cutover.publish");
    const Route route{report_.primary, report_.epoch, move_.target.connection().safe_name()};
    auto written = write_route_file(move_.state.route(), route);
    for (int i = 1; !written && i < kPublishAttemptsMax; ++i) {
      std::this_thread::sleep_for(kPublishPause);
      written = write_route_file(move_.state.route(), route);
    }
    if (!written) {
      report_.route_file_error = describe(written.error());
      log::error(
          fmt::format("PostgreSQL is primary, but clients that follow the route file are not "
                      "told: {}. Any crossfade command writes it again",
                      report_.route_file_error));
    }
    return ok();
  }

  Status step_back() {
    fault_point("cutover.step_back");
    lock_.reset();
    lock_connection_.reset();
    move_.target.connection().set_statement_timeout(limits::kStatementTimeout);
    set_end_of_calls(std::nullopt);
    if (dual_ != nullptr) dual_->unlock_source();
    if (machine_.fence_may_be_up()) {
      CROSSFADE_TRY(const int64_t dropped, lower_own_fence());
      log::warn(fmt::format("stepped back: SQLite accepts writes again ({} fence triggers removed)",
                            dropped));
    }
    if (!schema_may_be_there_) return ok();
    // Where it fails the connection is gone, and they are dropped before following goes on.
    move_.target.connection().rollback();
    CROSSFADE_TRY(drop_views(move_));
    CROSSFADE_TRY(put_unvalidated_aside(move_));
    return drop_checks(move_);
  }

  // Another engine may have put things right meanwhile, and even cut over: then the fence is its
  // own.
  Result<int64_t> lower_own_fence() {
    sqlite::Connection& source = move_.source.connection();
    const auto lower = [&](int64_t known) {
      return capture::lower_fence_of(source, known, []() -> Status { return ok(); });
    };
    CROSSFADE_TRY(auto lowered, lower(fenced_version_));
    if (!lowered) {
      CROSSFADE_TRY(const int64_t known, source.query_int("PRAGMA schema_version"));
      // Which asks for the lease, too.
      CROSSFADE_TRY(const bool flipped, resolve_flip(move_, Primary::kPostgres));
      if (!flipped) {
        CROSSFADE_TRY(lowered, lower(known));
      }
    }
    if (lowered) return *lowered;
    return fail(stepped_back("the source's schema changed while SQLite was to be opened again",
                             "any crossfade command puts it right"));
  }

  Move& move_;
  Follower* const follower_;  // null: both sides are written to
  DualFollower* const dual_;
  const VerifyReport& verified_;
  const CutoverOptions options_;
  CutoverMachine machine_;
  CutoverReport report_;
  std::optional<Error> failure_;
  bool schema_may_be_there_ = false;  // CHECKs, views, foreign keys
  int64_t fenced_version_ = 0;        // the source's schema, with the fence
  // The transaction must go before its connection.
  std::optional<sqlite::Connection> lock_connection_;
  std::optional<sqlite::Transaction> lock_;
  Deadline::Clock::time_point pause_began_;
  Deadline pause_end_;
};

}  // namespace

nlohmann::json to_json(const CutoverReport& r) {
  nlohmann::json out = {{"primary", to_string(r.primary)},
                        {"epoch", r.epoch.value},
                        {"write_pause_ms", static_cast<double>(r.write_pause.count()) / 1000.0},
                        {"verified_rows", r.verified_rows},
                        {"drained_lsn", r.drained_lsn.value},
                        {"dry_run", r.dry_run}};
  if (!r.route_file_error.empty()) out["route_file_error"] = r.route_file_error;
  return out;
}

Result<CutoverReport> cut_over(Move& move, Follower& follower, const VerifyReport& verified,
                               const CutoverOptions& options) {
  return CutoverDriver(move, &follower, nullptr, verified, options).run();
}

Result<CutoverReport> cut_over_from_dual(Move& move, DualFollower& follower,
                                         const VerifyReport& verified,
                                         const CutoverOptions& options) {
  return CutoverDriver(move, nullptr, &follower, verified, options).run();
}

std::string cutover_text(const CutoverReport& cut, bool way_back) {
  const double pause_ms = static_cast<double>(cut.write_pause.count()) / 1000;
  if (cut.dry_run) {
    return fmt::format("dry run: the cutover would succeed; writers waited {:.1f} ms\n", pause_ms);
  }
  std::string out = fmt::format("PostgreSQL is primary (epoch {}); writers waited {:.1f} ms\n",
                                cut.epoch.value, pause_ms);
  if (way_back) out += "SQLite is kept in step while `crossfade run` runs\n";
  if (!cut.route_file_error.empty()) {
    out += fmt::format(
        "the route file could not be written: {}\nany crossfade command writes it again\n",
        cut.route_file_error);
  }
  return out;
}

}  // namespace crossfade::run
