#include "engine/run/engine.h"

#include <fmt/format.h>
#include <unistd.h>

#include <utility>

#include "apply/reverse_state.h"
#include "apply/source_writer.h"
#include "capture/change_log.h"
#include "engine/core/backoff.h"
#include "engine/core/limits.h"
#include "engine/observe/fault.h"
#include "engine/observe/log.h"
#include "engine/run/backup.h"
#include "engine/run/copy_phase.h"
#include "engine/run/damage.h"
#include "engine/run/early_round.h"
#include "engine/run/live_tables.h"
#include "engine/run/misfit_policy.h"
#include "engine/run/put_aside.h"
#include "engine/run/reconcile.h"
#include "engine/run/source_opening.h"
#include "engine/run/target_checks.h"
#include "engine/run/target_lost.h"
#include "engine/run/target_views.h"
#include "engine/run/watcher.h"
#include "engine/run/way_back.h"

namespace crossfade::run {
namespace {

bool may_pass(const Error& error) {
  return error.remedy == Remedy::kReconnect || error.remedy == Remedy::kResolveInDoubt ||
         error.remedy == Remedy::kRetry;
}

// An operation that was broken off, or whose repetition was: the next start takes it up again.
bool stop_may_cause(const Error& error) {
  return error.code == ErrorCode::kInterrupted || may_pass(error);
}

Error replaced(const std::string& path, std::string native) {
  Error error;
  error.code = ErrorCode::kSourceReplaced;
  error.op = "source.open";
  error.object = path;
  error.native = std::move(native);
  error.hint =
      "the source file is not the one this move began with. Put the original file back, or "
      "`crossfade finish` and start the move anew";
  return error;
}

Error not_begun(const std::string& path) {
  Error error;
  error.code = ErrorCode::kBlocked;
  error.remedy = Remedy::kDecide;
  error.op = "source.open";
  error.object = path;
  error.native = "no move of this database has begun";
  error.hint = "begin one with `crossfade run`";
  return error;
}

Error nothing_there(const std::string& path, const std::string& target) {
  Error error = not_begun(path);
  error.native = fmt::format("{} holds nothing of this database's move", target);
  error.hint = "give the target that `crossfade run` was given, or none: it is remembered";
  return error;
}

Error changed_meanwhile(const std::string& path) {
  Error error;
  error.code = ErrorCode::kSource;
  error.remedy = Remedy::kRetry;
  error.op = "source.open";
  error.object = path;
  error.native = "the schema changed while the file was to be opened for writes again";
  error.hint = "nothing was done; it is tried again";
  return error;
}

Error other_target_decides(const std::string& path, const std::string& target) {
  Error error;
  error.code = ErrorCode::kBlocked;
  error.remedy = Remedy::kDecide;
  error.op = "source.open";
  error.object = path;
  error.native = fmt::format(
      "SQLite refuses writes since a cutover, and {} does not know of that cutover: it is another "
      "target, or an older copy of it. Nothing was changed",
      target);
  error.hint =
      "give the target of the cutover with --target; `crossfade route` says which it is. If "
      "PostgreSQL's data is to be given up, `crossfade finish` opens the file again";
  return error;
}

// A target that went back, as a replica does that took over without the newest commits, or a backup
// that was restored: what it lacks has been deleted from the log. SQLite has all rows.
Status copy_anew_what_was_lost(Move& move, Lsn applied) {
  CROSSFADE_TRY(const auto captured, capture::read_captured(move.source.connection()));
  if (captured.empty()) return ok();  // it was given up, and all are copied anew as it is
  CROSSFADE_TRY(const bool whole, capture::log_goes_on_from(move.source.connection(), applied));
  if (whole) return ok();
  log::warn(
      fmt::format("the target is at {}, behind what it had committed before: it was restored, or a "
                  "replica took over that lacks the newest. SQLite has everything, and all tables "
                  "are copied anew",
                  applied.value));
  move.audit.record("target_went_back", {{"applied_lsn", applied.value}});
  CROSSFADE_TRY(const auto tables, move.target.tables());
  for (const TargetTable& entry : tables) move.to_rebuild.insert(entry.table->name);
  return ok();
}

// The copy would only begin again and again.
Error log_outgrew_copy(const std::string& path) {
  Error error;
  error.code = ErrorCode::kBlocked;
  error.remedy = Remedy::kDecide;
  error.op = "copy.log";
  error.object = path;
  error.native =
      "what the application wrote during the copy did not fit beside it, and was not captured to "
      "the end";
  error.hint =
      "nothing is lost: SQLite is the primary and takes writes. Make room where the file is (or "
      "allow more with --max-log, --keep-free), and run again: the copy begins anew";
  return error;
}

}  // namespace

Engine::Engine(EngineOptions options, StopSource& stop)
    : options_(std::move(options)), stop_(stop) {}

Engine::~Engine() = default;

Result<postgres::ConnectionParams> Engine::resolve_target() {
  std::string target = options_.target;
  if (target.empty()) {
    CROSSFADE_TRY(target, state_->remembered_target());
  }
  if (target.empty()) target = "embedded";
  if (target != "embedded") return postgres::ConnectionParams::parse(target);
  CROSSFADE_TRY(auto cluster,
                postgres::EmbeddedCluster::start({state_->cluster(), "crossfade", {}}));
  cluster_ = std::move(cluster);
  return postgres::ConnectionParams::parse(cluster_->url());
}

Status Engine::open() {
  CROSSFADE_TRY(auto state, StateFolder::of(options_.database));
  state_.emplace(std::move(state));
  CROSSFADE_TRY(auto source, SourceFile::open(state_->database()));
  source_.emplace(std::move(source));
  CROSSFADE_TRY(state_->ensure());
  CROSSFADE_TRY(state_->lock());
  audit_.emplace(state_->audit());
  log_bound_ = std::make_unique<LogBound>(*source_, options_.log_limits, *audit_);
  if (on_locked_) {
    CROSSFADE_TRY(on_locked_(*state_));
  }
  if (options_.must_have_begun) {
    CROSSFADE_TRY(const auto identity, capture::read_identity(source_->connection()));
    if (!identity) return fail(not_begun(source_->path()));
  }
  CROSSFADE_TRY(take_up_watch());
  while (true) {
    auto there = open_target();
    // Whoever watches does not go home because the target has.
    if (there || !watching() || !may_pass(there.error()) || stop_.requested()) return there;
    log::warn("trying again: " + describe(there.error()));
    board_.update([&](StatusReport& r) { r.trouble = describe(there.error()); });
    CROSSFADE_TRY(give_up_if_wanted());
    stop_.wait_until(Deadline::after(limits::kReconnectCap / 5));
  }
}

Status Engine::open_target() {
  CROSSFADE_TRY(auto params, resolve_target());
  params_.emplace(std::move(params));
  if (watch_) watch_->set_target(*params_);
  CROSSFADE_TRY(connect());
  CROSSFADE_TRY(check_whose_target());
  if (options_.rules) {
    CROSSFADE_TRY(state_->remember_rules(options_.rules->source));
  }
  const bool embedded = cluster_.has_value();
  CROSSFADE_TRY(state_->remember_target(embedded ? "embedded" : params_->secret()));
  board_.update([&](StatusReport& r) {
    r.running = true;
    r.target = params_->safe();
  });
  return take_lease_and_recover();
}

// A connection that seems to live is kept until there is a new one: where nobody is let in any more
// it is what can tell a server that works from one that is lost.
Status Engine::connect() {
  if (cluster_) {  // it may have died
    CROSSFADE_TRY(auto params, resolve_target());
    params_.emplace(std::move(params));
    if (watch_) watch_->set_target(*params_);
  }
  postgres::ConnectOptions options;
  options.params = *params_;
  options.connect_timeout = limits::kConnectTimeout;
  options.statement_timeout = limits::kStatementTimeout;
  options.look_after = limits::kLongStatementLook;
  options.stop = &stop_;
  auto target = TargetStore::open(std::move(options));
  if (!target) {
    if (!target.error().sqlstate.empty()) target_.reset();  // a server that answers may be full
    if (target_) {  // nor does it keep locks meanwhile, which applications may wait for
      target_->connection().set_statement_timeout(limits::kConnectTimeout);
      target_->connection().rollback();
      target_->connection().set_statement_timeout(limits::kStatementTimeout);
    }
    return fail(std::move(target).error());
  }
  target_.reset();  // which has the lease
  if (token_) {
    CROSSFADE_TRY(target.value().resume_lease(*token_, stop_));
  }
  target_.emplace(std::move(target).value());
  return ok();
}

// Before anything is written, or remembered: another move's target is not for this one, and a fence
// is taken down on the word of the target it was raised for only.
Status Engine::check_whose_target() {
  CROSSFADE_TRY(const auto identity, capture::read_identity(source_->connection()));
  CROSSFADE_TRY(const bool present, target_->exists());
  if (present && identity) {
    CROSSFADE_TRY(const auto progress, target_->progress());
    if (progress.source_id != identity->source_id) return fail(target_->of_another());
  }
  if (!present && options_.must_have_begun) {
    return fail(nothing_there(source_->path(), params_->safe()));
  }
  if (present) {
    CROSSFADE_TRY(const auto said, target_->route());
    if (is_given_up(*state_, said)) return fail(given_up_error(source_->path(), params_->safe()));
  }
  CROSSFADE_TRY(const bool fenced, capture::fence_is_up(source_->connection()));
  if (!fenced) return ok();
  if (!present) return fail(other_target_decides(source_->path(), params_->safe()));
  CROSSFADE_TRY(const auto route, target_->route());
  if (route.primary == Primary::kPostgres) return ok();
  CROSSFADE_TRY(const auto noted, read_route_file(state_->route()));
  // A row of a later epoch has flipped back since: a rollback that ended before SQLite was opened.
  const bool knows = route.epoch > noted.epoch ||
                     (route.epoch == noted.epoch && noted.primary != Primary::kPostgres);
  if (!knows) return fail(other_target_decides(source_->path(), params_->safe()));
  return ok();
}

// Before anything is written: this file belongs to what is on the target.
Status Engine::check_source_identity() {
  CROSSFADE_TRY(const auto identity, capture::read_identity(source_->connection()));
  CROSSFADE_TRY(const bool present, target_->exists());
  if (!present) return ok();
  CROSSFADE_TRY(const auto progress, target_->progress());
  if (!identity || identity->source_id != progress.source_id) {
    if (!identity) {
      return fail(replaced(source_->path(),
                           "the target belongs to a move from a file that has a change log; this "
                           "one has none"));
    }
    return ok();  // another source's target: TargetStore::ensure() says so
  }
  CROSSFADE_TRY(const Lsn newest, capture::newest_lsn(source_->connection()));
  if (newest < progress.applied_lsn) {
    return fail(replaced(source_->path(),
                         fmt::format("its change log ends at {}, the target is at {} already",
                                     newest.value, progress.applied_lsn.value)));
  }
  if (progress.digest_lsn.value != 0) {
    CROSSFADE_TRY(const auto digest,
                  capture::log_row_digest(source_->connection(), progress.digest_lsn));
    if (digest && *digest != progress.digest) {
      return fail(replaced(source_->path(),
                           fmt::format("its change log holds another entry at {} than the one that "
                                       "was applied",
                                       progress.digest_lsn.value)));
    }
  }
  return ok();
}

Status Engine::make_first_backup() {
  if (options_.no_backup) {
    log::info("no backup is made before the move, as was asked for");
    return ok();
  }
  CROSSFADE_TRY(auto source, source_->connect(limits::kSourceBusyTimeout));
  const auto manifest = back_up_before_run(source, *state_, &stop_);
  if (manifest) {
    audit_->record("backup_made", to_json(manifest.value()));
    return ok();
  }
  const Error& error = manifest.error();
  if (error.remedy != Remedy::kRetry) return fail(error);
  // A move changes no row of the source; that its application is busy is no reason to refuse it.
  log::warn(fmt::format("the move begins without a backup: {}", describe(error)));
  audit_->record("backup_not_made", {{"reason", error.native}});
  return ok();
}

Status Engine::take_lease_and_recover() {
  CROSSFADE_TRY(check_source_identity());
  CROSSFADE_TRY(const auto identity, capture::read_identity(source_->connection()));
  CROSSFADE_TRY(const bool present, target_->exists());
  if (!identity || !present) {
    log::info("reading what is stored, to choose types");
    std::unique_ptr<DamageCheck> check;
    if (!identity) {
      CROSSFADE_TRY(check, DamageCheck::begin(*source_));
    }
    auto planned = plan_first(options_, *source_, *target_, stop_);
    // It says more than whoever came upon a damaged page.
    if (check && !stop_.requested()) {
      CROSSFADE_TRY(check->result());
    }
    CROSSFADE_TRY(auto plan, std::move(planned));
    prepared_ = std::move(plan.tables);
    findings_ = std::move(plan.findings);
  }
  if (!present) {
    CROSSFADE_TRY(target_->check_room(options_.target_schema, prepared_));
  }
  if (!identity) {
    CROSSFADE_TRY(make_first_backup());
  }
  if (!options_.keep_journal_mode && !identity) {
    // The identity remembers the mode there was; so it is made first.
    CROSSFADE_TRY(capture::ensure_identity(source_->connection()));
    CROSSFADE_TRY(source_->prefer_wal());
  }
  CROSSFADE_TRY(const auto known, capture::ensure_identity(source_->connection()));
  CROSSFADE_TRY(claim_backup(*state_, known.source_id));
  // Now, because a table that is made later is a change of the schema that tables are compared for.
  CROSSFADE_TRY(apply::make_reverse_tables(source_->connection()));
  CROSSFADE_TRY(target_->ensure(known.source_id, options_));
  CROSSFADE_TRY(token_, target_->take_lease(fmt::format("pid {}", ::getpid()), stop_));
  fault_point("lease.taken");
  audit_->record(
      "engine_started",
      {{"source", source_->path()}, {"target", params_->safe()}, {"token", token_->value}});
  return ok();
}

// The route row is the authority. A fence without a flip is what a crash between the two left: the
// source is primary still, so it is opened again.
Status Engine::recover_route(Move& move, const Route& route, int64_t known) {
  CROSSFADE_TRY(const bool fenced, capture::fence_is_up(move.source.connection()));
  Route copy = route;
  route_known_ = true;
  if (route.primary == Primary::kPostgres) {
    copy.url = params_->safe();
    cut_over_ = true;
  } else {
    // Of a cutover that did not come to its flip, or of a rollback that has flipped.
    CROSSFADE_TRY(const auto way_back, apply::read_reverse_state(move.source.connection()));
    if (fenced) {
      CROSSFADE_TRY(const bool opened, open_source(move, known, std::nullopt));
      if (!opened) return fail(changed_meanwhile(source_->path()));
      log::warn("SQLite was still closed, and is the primary: it takes writes again");
      audit_->record("source_opened", {{"epoch", route.epoch.value}});
    }
    CROSSFADE_TRY(const auto progress, move.target.progress());
    fault_point("route.recovered");
    if (way_back && progress.phase != kDualPhase) {
      CROSSFADE_TRY(const std::string id, source_id());
      CROSSFADE_TRY(remove_way_back(move, id));
    }
  }
  board_.update([&](StatusReport& r) {
    r.primary = route.primary;
    r.epoch = route.epoch;
  });
  return write_route_file(state_->route(), copy);
}

Status Engine::run(bool until_idle) {
  auto opened = open();
  if (!opened) {
    if (log_bound_ && may_pass(opened.error())) log_bound_->look();
    answer_all(opened.error());
    watch_.reset();
    close_cluster();
    return stop_.requested() && stop_may_cause(opened.error()) ? ok() : opened;
  }
  Backoff backoff(limits::kReconnectBase, limits::kReconnectCap, limits::kReconnectAttemptsMax);
  Status status = ok();
  Next next = Next::kAgain;
  while (next == Next::kAgain) {
    const StatusReport before = board_.get();
    status = give_up_if_wanted();
    if (!status) break;
    status = session(until_idle, &next);
    if (status) continue;
    if (stop_.requested() || !may_pass(status.error())) break;
    // Of several connections one was lost: the others may be as dead, and not have noticed.
    if (status.error().code == ErrorCode::kTargetUnreachable) reconnect_ = true;
    const StatusReport after = board_.get();
    if (after.applied_lsn > before.applied_lsn || after.reverse_applied != before.reverse_applied) {
      backoff.reset();
    }
    if (!backoff.next() && !watching()) break;
    if (until_idle && watch_ && !watching() && !current_task()) break;  // it stayed to watch
    log::warn(fmt::format("trying again in {} ms: {}", backoff.pause().count(),
                          describe(status.error())));
    board_.update([&](StatusReport& r) { r.trouble = describe(status.error()); });
    answer_that_target_is_gone(status.error());
    stop_.wait_until(Deadline::after(backoff.pause()));
    if (stop_.requested()) break;
    next = Next::kAgain;  // which connects again
  }
  if (stop_.requested() && (status || stop_may_cause(status.error()))) status = ok();
  if (!status) answer_all(status.error());
  watch_.reset();  // what is left of it is for the next engine
  board_.update([](StatusReport& r) { r.running = false; });
  audit_->record("engine_stopped", {{"ok", status.has_value()}});
  end_audit();
  close_cluster();
  return status;
}

// Until the route row was read, the file is all that is known of it.
bool Engine::may_be_primary() const {
  if (cut_over_ || route_known_) return cut_over_;
  const auto noted = read_route_file(state_->route());
  return !noted || noted.value().primary == Primary::kPostgres;
}

// What the trail has is not worth more than the move. A connection that is lost is the move's.
Status Engine::keep_audit_head() {
  auto kept = audit_head_.keep_now_and_then(target_->connection(), *audit_);
  if (!kept && kept.error().code == ErrorCode::kTargetUnreachable) return kept;
  if (!kept && !audit_head_fails_) {
    log::warn("the audit trail's newest entry is not recorded on the target: " +
              describe(kept.error()));
  }
  audit_head_fails_ = !kept;
  return ok();
}

// Also when it was told to stop; what does not answer is not waited for.
void Engine::end_audit() {
  if (reconnect_ || !target_ || !target_->connection().alive()) return;
  target_->connection().rollback();
  target_->connection().ignore_stop(true);
  target_->connection().set_statement_timeout(limits::kConnectTimeout);
  (void)audit_head_.keep(target_->connection(), *audit_);
}

// The cluster serves nobody once the engine ends, unless it is the primary. Whoever told the engine
// to stop is not kept waiting for the server's last checkpoint.
void Engine::close_cluster() {
  target_.reset();
  if (!cluster_ || may_be_primary()) return;
  const std::chrono::milliseconds patience =
      stop_.requested() ? limits::kClusterStopPatience : postgres::EmbeddedCluster::kStopPatience;
  if (auto stopped = cluster_->stop(patience); !stopped) log::warn(describe(stopped.error()));
}

// One pass from connecting to the end or to the next reason to begin again.
Status Engine::session(bool until_idle, Next* next) {
  *next = Next::kEnd;
  if (reconnect_ || !target_ || !target_->connection().alive()) {
    CROSSFADE_TRY(connect());
    reconnect_ = false;
  }
  gone_until_.reset();
  target_->connection().rollback();  // what the last pass left open
  board_.update([](StatusReport& r) { r.trouble.clear(); });
  Move move{options_,
            *state_,
            stop_,
            board_,
            *audit_,
            *source_,
            *target_,
            *params_,
            *token_,
            {},
            0,
            true,
            {},
            std::move(prepared_),
            std::move(to_rebuild_),
            std::move(plain_columns_),
            [this]() -> Status {
              if (!cluster_) return ok();
              CROSSFADE_TRY(*params_, resolve_target());
              return ok();
            }};
  // In this order: from here on another engine that takes the lease may change both.
  CROSSFADE_TRY(const int64_t known, source_->connection().query_int("PRAGMA schema_version"));
  CROSSFADE_TRY(const auto route, target_->route());
  CROSSFADE_TRY(recover_route(move, route, known));
  CROSSFADE_TRY(settle_watch(route));
  if (cut_over_) {
    CROSSFADE_TRY(move.tables, target_->tables());
    CROSSFADE_TRY(const auto way_back, apply::read_reverse_state(source_->connection()));
    if (way_back) return reverse(move, until_idle, next);
    move.set_phase("finished");
    answer_after_cutover(route);
    return validate_constraints(move);  // an engine may have ended before it came to that
  }
  if (answer_rollbacks() && until_idle && !current_task()) return ok();
  CROSSFADE_TRY(const auto progress, target_->progress());
  if (progress.phase == kDualPhase) {
    CROSSFADE_TRY(move.tables, target_->tables());
    CROSSFADE_TRY(drop_views(move));
    CROSSFADE_TRY(put_unvalidated_aside(move));
    CROSSFADE_TRY(drop_checks(move));
    return dual(move, until_idle, next);
  }
  auto done = [&]() -> Status {
    // Of a cutover that did not come to its end; they would be in the way of tables.
    CROSSFADE_TRY(drop_views(move));
    CROSSFADE_TRY(put_unvalidated_aside(move));
    CROSSFADE_TRY(drop_foreign_keys(move));
    CROSSFADE_TRY(copy_anew_what_was_lost(move, progress.applied_lsn));
    CROSSFADE_TRY(reconcile(move));
    const int64_t given_up = log_bound_->times_given_up();
    CROSSFADE_TRY(const auto end, copy_tables(move));
    if (log_bound_->times_given_up() > given_up) return fail(log_outgrew_copy(source_->path()));
    if (end == CopyEnd::kStopped) return ok();
    if (end == CopyEnd::kSchemaChanged) {
      *next = Next::kAgain;
      return ok();
    }
    return follow(move, until_idle, next);
  }();
  for (schema::Finding& finding : move.findings) findings_.push_back(std::move(finding));
  to_rebuild_ = std::move(move.to_rebuild);
  plain_columns_ = std::move(move.plain_columns);
  return done;
}

Status Engine::follow(Move& move, bool until_idle, Next* next) {
  CROSSFADE_TRY(drop_checks(move));  // of a cutover that did not come to its end
  CROSSFADE_TRY(const auto progress, move.target.progress());
  CROSSFADE_TRY(const auto quarantined, move.target.quarantined_tables());
  CROSSFADE_TRY(const int64_t waiting, move.target.quarantined());
  CROSSFADE_TRY(const bool widened, follow_misfit_policy(move));
  if (widened) {
    *next = Next::kAgain;
    return ok();
  }
  capture::Shapes shapes;
  for (const TargetTable& t : move.tables) shapes[t.capture_id] = {t.table, t.base_lsn};
  board_.update([&](StatusReport& r) {
    r.applied_lsn = progress.applied_lsn;
    r.verified_lsn = progress.verified_lsn;
    r.quarantined = waiting;
  });
  apply::Applier applier(move.target.connection(), move.options.target_schema, move.token,
                         progress.applied_lsn);
  applier.set_quarantined_tables({quarantined.begin(), quarantined.end()});
  CROSSFADE_TRY(auto source,
                SourceThread::start(move.source, board_,
                                    {.shapes = std::move(shapes),
                                     .schema_version = move.schema_version,
                                     .from = progress.applied_lsn,
                                     .old_rows = capture::OldRows::kKeys,
                                     .utf8 = move.utf8,
                                     .keep_log = move.options.keep_log,
                                     .server_version = move.target.connection().server_version()}));
  Follower follower(move, *source, applier);
  follower.set_exact(live_tables(move));
  CROSSFADE_TRY(on_caught_up(move, follower));
  while (!stop_.requested()) {
    // A round may be over with the indexes' build; then it is answered at once.
    const bool answer_waits =
        wants_comparison(current_task()) && all_live(move) && follower.has_round();
    const std::chrono::milliseconds patience(answer_waits && !follower.round_running() ? 0 : 50);
    CROSSFADE_TRY(const auto event, follower.pump(Deadline::after(patience)));
    if (event == Follower::Event::kSchemaChanged) {
      *next = Next::kAgain;
      return ok();
    }
    CROSSFADE_TRY(on_caught_up(move, follower));
    CROSSFADE_TRY(clear_rest(move));
    CROSSFADE_TRY(keep_audit_head());
    bool ended = false;
    CROSSFADE_TRY(serve(move, follower, &ended));
    CROSSFADE_TRY(const bool begins, ready_for_dual(move, follower));
    if (begins) {
      source->stop();
      *next = Next::kAgain;
      return begin_dual(move);
    }
    // With a way back the next session keeps SQLite in step; where a cutover only stepped back it
    // goes on following.
    if (ended && (way_back_made_ || !cut_over_)) *next = Next::kAgain;
    if (ended || (until_idle && !current_task())) break;
  }
  // It may not be there any more, and what matters is committed.
  (void)remember_digest(move, follower.applied());
  return ok();
}

Status Engine::clear_rest(Move& move) {
  if (Deadline::Clock::now() < next_rest_ || move.target.connection().in_transaction()) return ok();
  next_rest_ = Deadline::Clock::now() + limits::kSlotCheckInterval;
  return remove_rest_of_way_back(move);
}

Status Engine::on_caught_up(Move& move, Follower& follower) {
  if (!all_live(move)) {
    move.set_phase("catching_up");
    CROSSFADE_TRY(const int made, make_live(move, follower.applied(),
                                            [&] { return compare_early(move, follower); }));
    if (made == 0) return ok();
    follower.set_exact(live_tables(move));
    if (!all_live(move)) return ok();
  }
  if (!move.views && !move.target.connection().in_transaction()) {
    CROSSFADE_TRY(try_views(move));
  }
  if (board_.get().phase != "following") {
    if (move.target.replica_role()) {
      CROSSFADE_TRY(add_foreign_keys(move));
    }
    // The target first: what fails here is made up for when it is found that the board does not say
    // so yet.
    CROSSFADE_TRY(move.target.set_phase("following"));
    move.set_phase("following");
  }
  if (Deadline::Clock::now() < next_digest_) return ok();
  return remember_digest(move, follower.applied());
}

Result<bool> Engine::ready_for_dual(Move& move, Follower& follower) {
  if (options_.mode != RunMode::kDual || current_task() || !all_live(move)) return false;
  if (!dual_round_) {
    CROSSFADE_TRY(follower.start_round());
    dual_round_ = true;
    return false;
  }
  if (follower.round_running() || move.target.connection().in_transaction()) return false;
  const auto report = follower.take_report();
  dual_round_ = false;
  if (!report) return false;  // a task has taken it
  if (report->equal()) return true;
  Error error;
  error.code = ErrorCode::kDifferent;
  error.remedy = Remedy::kDecide;
  error.op = "dual.start";
  error.native =
      "rows are not the same on both sides, so neither may be written to as if they "
      "were:\n" +
      to_text(*report);
  error.hint = "nothing was overwritten. Make them the same on PostgreSQL, and run again";
  return fail(std::move(error));
}

// Once a second while following: a restored source is noticed by the digest, a target that went
// away by the asking.
Status Engine::remember_digest(Move& move, Lsn applied) {
  next_digest_ = Deadline::Clock::now() + std::chrono::seconds(1);
  if (move.target.connection().in_transaction()) return ok();
  if (digest_at_ != applied) {
    CROSSFADE_TRY(const auto digest, capture::log_row_digest(move.source.connection(), applied));
    if (digest) {
      CROSSFADE_TRY(move.target.set_digest(applied, *digest));
      digest_at_ = applied;
      return ok();
    }
  }
  CROSSFADE_TRY(move.target.connection().exec("SELECT 1"));
  return ok();
}

}  // namespace crossfade::run
