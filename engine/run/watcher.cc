#include "engine/run/watcher.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "engine/core/limits.h"
#include "engine/observe/log.h"
#include "engine/postgres/connection.h"
#include "engine/postgres/server_process.h"

namespace crossfade::run {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kProbeMax{5'000};  // for connecting, and for the answer

WatchRules rules_of(const WatchRecord& record) {
  WatchRules rules;
  rules.failures_max = record.options.failures_max;
  rules.until = std::clamp(milliseconds(record.until_ms - wall_clock_ms()), milliseconds(0),
                           record.options.window);
  rules.target_lost_after = record.options.target_lost_after;
  rules.retry_base = limits::kWatchRetryBase;
  rules.retry_cap = limits::kWatchRetryCap;
  return rules;
}

// What an engine was about to do when it ended is not under way any more.
WatchState begin_in(WatchState state) {
  return state == WatchState::kWatching ? WatchState::kWatching : WatchState::kTriggered;
}

std::string differing(const VerifyReport& report) {
  std::string out;
  for (const VerifyReport::TableVerdict& t : report.tables) {
    if (t.verdict.equal()) continue;
    out += fmt::format("{}{}: {} missing, {} extra, {} changed", out.empty() ? "" : "; ", t.name,
                       t.verdict.missing, t.verdict.extra, t.verdict.changed);
    for (const verify::Difference& d : t.verdict.samples) out += " " + d.key;
  }
  return out;
}

std::string reason_of(WatchCause cause, int failures, const std::string& text) {
  switch (cause) {
    case WatchCause::kCommand:
      return fmt::format("the command of --rollback-if {}, {} times in a row", text, failures);
    case WatchCause::kTarget:
      return fmt::format("PostgreSQL did not answer, {} checks in a row: {}", failures, text);
    case WatchCause::kDifference:
      return "the two sides differ (missing, extra and changed are SQLite's rows on PostgreSQL): " +
             text;
    case WatchCause::kNone:
      break;
  }
  return {};
}

}  // namespace

std::optional<std::string> run_watch_command(const std::string& command, Primary primary,
                                             Epoch epoch, const std::string& database,
                                             const StopSource* stop) {
  const std::optional<postgres::ServerUser> same_user;
  postgres::Command shell{{"/bin/sh", "-c", command},
                          {fmt::format("CROSSFADE_PRIMARY={}", to_string(primary)),
                           fmt::format("CROSSFADE_EPOCH={}", epoch.value),
                           fmt::format("CROSSFADE_DATABASE={}", database)},
                          same_user};
  shell.path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  shell.stop = stop;
  // What it says is for whoever reads the engine's log, if anybody does.
  const bool heard = ::fcntl(STDERR_FILENO, F_GETFD) >= 0;
  const int null_fd = heard ? -1 : ::open("/dev/null", O_WRONLY | O_CLOEXEC);
  shell.output_fd = heard ? STDERR_FILENO : null_fd;
  const auto status = postgres::run_command(shell, Deadline::after(limits::kWatchCommandMax));
  if (null_fd >= 0) ::close(null_fd);
  if (!status) {
    return fmt::format("did not end within {} s", limits::kWatchCommandMax.count() / 1000);
  }
  if (status.value() == 0) return std::nullopt;
  return fmt::format("exited with {}", status.value());
}

Watcher::Watcher(WatchRecord record, Surroundings surroundings)
    : surroundings_(std::move(surroundings)),
      machine_(rules_of(record), begin_in(record.state), record.cause),
      state_(begin_in(record.state)),
      record_(std::move(record)),
      round_began_(zero_),
      next_round_(zero_ + record_.options.every) {
  record_.state = state_;
  surroundings_.board.update([&](StatusReport& r) { r.watch = record_; });
  thread_ = std::thread([this] { work(); });
}

Watcher::~Watcher() {
  stop_.request();
  noted_.notify_all();
  thread_.join();
}

WatchRecord Watcher::record() const {
  const std::lock_guard lock(mutex_);
  return record_;
}

void Watcher::set_target(const postgres::ConnectionParams& params) {
  const std::lock_guard lock(mutex_);
  target_ = params;
}

bool Watcher::wants_round() const {
  const std::lock_guard lock(mutex_);
  return state_.load() == WatchState::kWatching && Deadline::Clock::now() >= next_round_;
}

void Watcher::begin_round() {
  const std::lock_guard lock(mutex_);
  round_began_ = Deadline::Clock::now();
}

void Watcher::end_round() {
  const std::lock_guard lock(mutex_);
  const auto ended = Deadline::Clock::now();
  next_round_ =
      ended + std::max<Deadline::Clock::duration>(record_.options.every,
                                                  (ended - round_began_) * limits::kWatchRoundRest);
}

void Watcher::note_round(const VerifyReport& report) {
  end_round();
  if (!report.equal()) return tell(WatchEvent::kDifference, differing(report));
  const std::lock_guard lock(mutex_);
  ++record_.rounds;
}

void Watcher::note_no_round(const Error& error) {
  end_round();
  log::warn("the watch could not compare the two sides: " + describe(error));
}

void Watcher::note_given_up(const Result<TargetGivenUp>& done) {
  if (!done) return tell(WatchEvent::kNotGivenUp, describe(done.error()));
  {
    const std::lock_guard lock(mutex_);
    record_.lost = to_json(done.value()).dump();
  }
  tell(WatchEvent::kGivenUp, to_text(done.value()));
}

void Watcher::note_sqlite_is_primary() {
  tell(WatchEvent::kSqliteIsPrimary);
}

void Watcher::tell(WatchEvent event, std::string text) {
  {
    const std::lock_guard lock(mutex_);
    notes_.push_back({event, std::move(text)});
  }
  noted_.notify_all();
}

milliseconds Watcher::now() const {
  return std::chrono::duration_cast<milliseconds>(Deadline::Clock::now() - zero_);
}

// It outlives the window: the answer to a rollback may come late.
void Watcher::work() {
  const milliseconds every = record_.options.every;
  // At the flip nobody has moved yet; what was triggered before waits for the target's answer.
  milliseconds next_check = machine_.state() == WatchState::kWatching ? every : milliseconds(0);
  while (!stop_.requested()) {
    std::deque<Note> notes;
    {
      std::unique_lock lock(mutex_);
      noted_.wait_for(lock, limits::kPollInterval,
                      [this] { return !notes_.empty() || stop_.requested(); });
      notes.swap(notes_);
    }
    for (const Note& note : notes) handle(note);
    if (machine_.ended() || stop_.requested()) continue;
    if (now() >= next_check) {
      next_check = now() + every;
      check();
    }
    handle({WatchEvent::kTime, ""});
  }
}

void Watcher::check() {
  if (machine_.state() == WatchState::kWatching) check_command();
  if (!machine_.ended()) check_target();
  const std::lock_guard lock(mutex_);
  ++record_.checks;
  record_.last_check_ms = wall_clock_ms();
}

void Watcher::check_command() {
  const std::string& command = record_.options.command;
  if (command.empty()) return;
  const auto failed = run_watch_command(command, Primary::kPostgres, record_.epoch,
                                        surroundings_.state.database(), &stop_);
  if (stop_.requested()) return;
  handle(failed ? Note{WatchEvent::kCommandFailed, *failed} : Note{WatchEvent::kCommandPassed, ""});
}

// As an application comes in: by a new connection.
void Watcher::check_target() {
  std::optional<postgres::ConnectionParams> target;
  {
    const std::lock_guard lock(mutex_);
    target = target_;
  }
  if (!target) return handle({WatchEvent::kTargetRefuses, "it could not be started"});
  const auto asked = [&]() -> Status {
    postgres::ConnectOptions options;
    options.params = *target;
    options.connect_timeout = kProbeMax;
    options.statement_timeout = kProbeMax;
    options.application_name = "crossfade watch";
    options.stop = &stop_;
    CROSSFADE_TRY(auto connection, postgres::Connection::open(std::move(options)));
    CROSSFADE_TRY(connection.exec("SELECT 1"));
    return ok();
  }();
  if (stop_.requested()) return;
  if (asked) return handle({WatchEvent::kTargetAnswers, ""});
  const Error& error = asked.error();
  const bool silent = error.code == ErrorCode::kTargetUnreachable && error.sqlstate.empty();
  handle({silent ? WatchEvent::kTargetSilent : WatchEvent::kTargetRefuses, describe(error)});
}

void Watcher::handle(const Note& note) {
  const WatchState before = machine_.state();
  const WatchAction action = machine_.on(note.event, now());
  const bool same = machine_.state() == before;
  if (same && (note.event == WatchEvent::kTime || has_ended(before))) return;
  const WatchRecord record = note_in_record(note);
  if (action == WatchAction::kRollBack) ask_for_rollback();
  // One that waits for the target is not wanted any more when it comes.
  const bool over = action == WatchAction::kGiveUp || action == WatchAction::kFinish;
  if (over && withdrawn_) *withdrawn_ = true;
  if (!same || note.event == WatchEvent::kSteppedBack) {
    if (auto saved = save_watch(surroundings_.state, record); !saved) {
      log::error(describe(saved.error()));
    }
  }
  announce(note, before, record);
  surroundings_.board.update([&](StatusReport& r) { r.watch = record; });
  state_ = record.state;
}

WatchRecord Watcher::note_in_record(const Note& note) {
  const std::lock_guard lock(mutex_);
  record_.state = machine_.state();
  if (record_.cause != machine_.cause()) {
    record_.cause = machine_.cause();
    const bool of_command = record_.cause == WatchCause::kCommand;
    record_.reason =
        reason_of(record_.cause,
                  of_command ? machine_.command_failures() : machine_.target_failures(), note.text);
  }
  record_.command_failures = machine_.command_failures();
  record_.target_failures = machine_.target_failures();
  if (note.event == WatchEvent::kSteppedBack) {
    ++record_.attempts;
    record_.last_step = note.text;
  }
  if (note.event == WatchEvent::kNotGivenUp) record_.last_step = note.text;
  if (machine_.ended() && record_.ended_ms == 0) record_.ended_ms = wall_clock_ms();
  return record_;
}

void Watcher::announce(const Note& note, WatchState before, const WatchRecord& record) {
  AuditLog& audit = surroundings_.audit;
  const bool begins_to_fail =
      (note.event == WatchEvent::kCommandFailed && record.command_failures == 1) ||
      ((note.event == WatchEvent::kTargetSilent || note.event == WatchEvent::kTargetRefuses) &&
       record.target_failures == 1);
  if (begins_to_fail) {
    const bool of_command = note.event == WatchEvent::kCommandFailed;
    log::warn(fmt::format("watch: {} {}",
                          of_command ? "the command" : "PostgreSQL does not answer:", note.text));
    audit.record("watch_check_failed",
                 {{"check", of_command ? "command" : "target"}, {"cause", note.text}});
  }
  if (note.event == WatchEvent::kSteppedBack) {
    log::error(
        fmt::format("watch: the rollback stepped back, PostgreSQL is primary: {}", note.text));
  }
  if (record.state == before) return;
  if (before == WatchState::kWatching && record.cause != WatchCause::kNone) {
    log::error("watch: a rollback is wanted: " + record.reason);
    if (record.cause == WatchCause::kTarget) {
      log::error(
          "watch: while PostgreSQL does not answer nothing can be rolled back without losing what "
          "was written to it; it is done as soon as it answers within the window");
    }
    audit.record("watch_triggered", {{"reason", record.reason}});
  }
  if (record.state == WatchState::kGivingUp) {
    log::error("watch: nobody has answered for the time of --watch-target-lost");
    audit.record("watch_gives_target_up", nlohmann::json::object());
  }
  if (!has_ended(record.state)) return;
  audit.record("watch_ended", to_json(record));
  const std::string said = "watch: " + to_text(record);
  record.state == WatchState::kPassed ? log::info(said) : log::error(said);
  if (record.state == WatchState::kTargetLost) log::error(note.text);
}

void Watcher::ask_for_rollback() {
  withdrawn_ = std::make_shared<std::atomic<bool>>(false);
  RollbackOptions options;
  options.max_pause = record_.max_pause;
  options.withdrawn = withdrawn_;
  const std::weak_ptr<const bool> alive = alive_;
  surroundings_.roll_back(options, [this, alive](const std::optional<std::string>& why_not) {
    if (alive.expired()) return;
    why_not ? tell(WatchEvent::kSteppedBack, *why_not) : tell(WatchEvent::kSqliteIsPrimary);
  });
}

}  // namespace crossfade::run
