// The `crossfade` command: its flags, and nothing else.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <string>

#include "engine/core/limits.h"
#include "engine/observe/log.h"
#include "engine/run/rules_file.h"
#include "tools/cli/audit_verb.h"
#include "tools/cli/backup_verb.h"
#include "tools/cli/common_flags.h"
#include "tools/cli/config.h"
#include "tools/cli/conflicts_verb.h"
#include "tools/cli/examples.h"
#include "tools/cli/grants_verb.h"
#include "tools/cli/inspect_verb.h"
#include "tools/cli/operator_record.h"
#include "tools/cli/quarantine_verb.h"
#include "tools/cli/scrub.h"
#include "tools/cli/verbs.h"
#include "tools/cli/verify_verb.h"
#include "tools/cli/watch_flags.h"

namespace crossfade::cli {
namespace {

struct Arguments : CommonFlags {
  std::string html_file;
  std::string rules_out;
  bool quarantine = false;
  bool keep_journal_mode = false;
  std::string until;
  std::string mode;
  bool wait = false;
  double timeout_s = 0;
  bool keep_fence = false;
  std::string ddl;
  run::CutoverOptions cutover;
  WatchArguments watch;
  run::RollbackOptions rollback;
  run::UndoOptions undo;
  bool target_lost = false;
  QuarantineArguments quarantined;
  ConflictsArguments conflicting;
  VerifyArguments verified;
  AuditArguments audit;
  BackupArguments backup;
  std::string role;
  bool no_backup = false;
};

void add_rules(CLI::App* verb, Arguments* a) {
  verb->add_option("--rules", a->settings.rules,
                   "a TOML file of rules per table and column; remembered (docs/rules.md)");
}

void add_run_options(CLI::App* verb, Arguments* a) {
  add_rules(verb, a);
  verb->add_flag("--quarantine", a->quarantine,
                 "set rows aside on the target that it cannot represent, instead of refusing");
  verb->add_flag("--keep-journal-mode", a->keep_journal_mode, "do not switch the source to WAL");
  verb->add_flag("--no-backup", a->no_backup,
                 "make no backup of the file before anything is changed (docs/backup.md)");
  verb->add_option(
          "--keep-log", a->settings.keep_log,
          "so many positions of the change log stay behind what the target has, for `undo` "
          "to go back over (default: 0)")
      ->check(CLI::NonNegativeNumber);
  verb->add_option(
          "--max-log", a->settings.max_log_mib,
          "MiB that the change log may take of the source's disk while the target is "
          "behind; then capture is given up and tables are copied anew (default: no limit)")
      ->check(CLI::NonNegativeNumber);
  verb->add_option("--keep-free", a->settings.keep_free_mib,
                   "MiB of the source's disk that the change log leaves to the application "
                   "(default: 256; 0: none)")
      ->check(CLI::NonNegativeNumber);
}

CLI::App* add_undo(CLI::App* app, Arguments* a) {
  CLI::App* verb = app->add_subcommand(
      "undo",
      "give up what was written to SQLite after a position of the change log; the target follows");
  add_common(verb, a, false);
  verb->add_option("--to", a->undo.to.value,
                   "the position to go back to: captured_lsn of `status --json`, noted earlier")
      ->required()
      ->check(CLI::NonNegativeNumber);
  verb->add_flag("--dry-run", a->undo.dry_run,
                 "tell what would be undone; writers wait for a moment, nothing changes");
  return verb;
}

CLI::App* add_quarantine(CLI::App* app, Arguments* a) {
  CLI::App* verb = app->add_subcommand(
      "quarantine", "rows that were set aside: list, show, retry, or accept to go without them");
  verb->require_subcommand(1);
  const auto add = [&](const char* name, const char* what, QuarantineAction action) {
    CLI::App* sub = verb->add_subcommand(name, what);
    add_common(sub, a, true);
    sub->add_option("--table", a->quarantined.table, "only this table's");
    sub->callback([a, action] { a->quarantined.action = action; });
    if (action == QuarantineAction::kList) {
      sub->add_option("--limit", a->quarantined.limit, "at most so many (default: 100; 0: all)")
          ->check(CLI::NonNegativeNumber);
      return;
    }
    sub->add_option("numbers", a->quarantined.ids, "the rows' numbers, as `list` shows them");
    sub->add_flag("--all", a->quarantined.all, "all of them");
  };
  add("list", "which rows, why, and since when", QuarantineAction::kList);
  add("show", "their exact values", QuarantineAction::kShow);
  add("retry", "have the source's present rows tried again", QuarantineAction::kRetry);
  add("accept", "the target goes without these versions of them", QuarantineAction::kAccept);
  return verb;
}

CLI::App* add_conflicts(CLI::App* app, Arguments* a) {
  CLI::App* verb = app->add_subcommand(
      "conflicts", "rows that both sides changed: list, show, or resolve those that wait");
  verb->require_subcommand(1);
  const auto add = [&](const char* name, const char* what, ConflictsAction action) {
    CLI::App* sub = verb->add_subcommand(name, what);
    add_common(sub, a, true);
    sub->add_option("--table", a->conflicting.table, "only this table's");
    sub->callback([a, action] { a->conflicting.action = action; });
    return sub;
  };
  CLI::App* list =
      add("list", "which rows, what both sides did, and what came of it", ConflictsAction::kList);
  list->add_option("--limit", a->conflicting.limit, "at most so many (default: 100; 0: all)")
      ->check(CLI::NonNegativeNumber);
  CLI::App* show = add("show", "the columns that differ, side by side", ConflictsAction::kShow);
  CLI::App* resolve =
      add("resolve", "decide what both sides are to have", ConflictsAction::kResolve);
  for (CLI::App* sub : {list, show}) {
    CLI::Option* all = sub->add_flag("--all", a->conflicting.all, "the resolved ones as well");
    sub->add_flag("--waiting", a->conflicting.waiting, "those that wait (the default of list)")
        ->excludes(all);
  }
  resolve->add_flag("--all", a->conflicting.all, "all that wait");
  for (CLI::App* sub : {show, resolve}) {
    sub->add_option("numbers", a->conflicting.ids, "their numbers, as `list` shows them");
  }
  CLI::Option* take =
      resolve->add_option("--take", a->conflicting.take, "source (SQLite's row) or target")
          ->check(CLI::IsMember({"source", "target"}));
  resolve
      ->add_option("--row", a->conflicting.row,
                   "JSON of the columns that are to differ from the source's row")
      ->excludes(take);
  return verb;
}

CLI::App* add_cutover(CLI::App* app, Arguments* a) {
  CLI::App* verb = app->add_subcommand(
      "cutover", "fence SQLite, drain, verify, and make PostgreSQL the primary, atomically");
  add_common(verb, a, true);
  CLI::Option* dry_run =
      verb->add_flag("--dry-run", a->cutover.dry_run,
                     "do all but the switch: writers wait for a moment, nothing changes");
  CLI::Option* no_rollback =
      verb->add_flag("--no-rollback", a->cutover.no_rollback,
                     "make no way back: SQLite is not kept in step afterwards");
  verb->add_option_function<std::string>(
          "--way-back",
          [a](const std::string& kind) { a->cutover.way_back = parse_way_back_kind(kind); },
          "slot (logical decoding), outbox (triggers), or auto: a slot where there can be one, "
          "else "
          "an outbox (default: auto)")
      ->check(CLI::IsMember({"auto", "slot", "outbox"}))
      ->excludes(no_rollback);
  verb->add_option("--max-pause", a->settings.max_pause_ms,
                   "milliseconds writers may wait before it steps back (default: 5000)")
      ->check(CLI::PositiveNumber);
  add_watch_options(verb, &a->watch)->excludes(dry_run)->excludes(no_rollback);
  return verb;
}

CLI::App* add_rollback(CLI::App* app, Arguments* a) {
  CLI::App* verb = app->add_subcommand(
      "rollback",
      "make SQLite the primary again, with all that was written to PostgreSQL, atomically");
  add_common(verb, a, true);
  CLI::Option* dry_run =
      verb->add_flag("--dry-run", a->rollback.dry_run,
                     "do all but the switch: writers wait for a moment, nothing changes");
  verb->add_option("--max-pause", a->settings.max_pause_ms,
                   "milliseconds writers may wait before it steps back (default: 5000)")
      ->check(CLI::PositiveNumber);
  verb->add_flag("--target-lost", a->target_lost,
                 "PostgreSQL does not come back: SQLite goes on from what reached it")
      ->excludes(dry_run);
  return verb;
}

// A setting from a flag, the environment or the file: the last two are not checked before.
Result<int64_t> not_negative(const char* name, const char* of_what, std::optional<int64_t> value,
                             int64_t otherwise) {
  if (value.value_or(otherwise) >= 0) return value.value_or(otherwise);
  Error error;
  error.code = ErrorCode::kUsage;
  error.op = "config";
  error.object = name;
  error.native = fmt::format("{} is no number of {}", *value, of_what);
  error.hint = "give 0 or more";
  return fail(std::move(error));
}

Status settle(Arguments* a) {
  if (a->quarantine) a->settings.quarantine = true;
  if (a->schema_from_target) a->settings.schema_from_target = true;
  if (a->keep_journal_mode) a->settings.keep_journal_mode = true;
  if (a->no_backup) a->settings.no_backup = true;
  CROSSFADE_TRY(complete_settings(a->config_file, &a->settings));
  const Settings& s = a->settings;
  run::EngineOptions& engine = a->common.engine;
  engine.target = s.target.value_or("");
  engine.target_schema = s.target_schema.value_or("public");
  const auto naming = schema::naming_from(s.naming.value_or("exact"));
  if (!naming) {
    Error error;
    error.code = ErrorCode::kUsage;
    error.op = "naming";
    error.native = fmt::format("'{}' is neither exact nor snake_case", *s.naming);
    error.hint = "use one of the two";
    return fail(std::move(error));
  }
  engine.naming = *naming;
  engine.schema_from_target = s.schema_from_target.value_or(false);
  engine.quarantine = s.quarantine.value_or(false);
  engine.keep_journal_mode = s.keep_journal_mode.value_or(false);
  engine.no_backup = s.no_backup.value_or(false);
  if (a->mode == "dual") engine.mode = run::RunMode::kDual;
  if (a->mode == "follow") engine.mode = run::RunMode::kFollow;
  CROSSFADE_TRY(engine.keep_log, not_negative("keep_log", "positions", s.keep_log, 0));
  constexpr auto kMiB = static_cast<int64_t>(limits::kMiB);
  CROSSFADE_TRY(const int64_t max_log, not_negative("max_log", "MiB", s.max_log_mib, 0));
  CROSSFADE_TRY(const int64_t keep_free,
                not_negative("keep_free", "MiB", s.keep_free_mib, limits::kKeepFreeDefault / kMiB));
  engine.log_limits = {std::min(max_log, INT64_MAX / kMiB) * kMiB,
                       std::min(keep_free, INT64_MAX / kMiB) * kMiB, engine.keep_log};
  if (engine.database.find("://") != std::string::npos) {
    Error error;  // which does not repeat it: it may have a password
    error.code = ErrorCode::kUsage;
    error.op = "arguments";
    error.native = "a URL stands where the SQLite file's path belongs";
    error.hint = "crossfade VERB FILE --target URL";
    return fail(std::move(error));
  }
  if (s.max_pause_ms.value_or(1) <= 0) {
    Error error;
    error.code = ErrorCode::kUsage;
    error.op = "config";
    error.object = "max_pause_ms";
    error.native = fmt::format("{} is no pause", *s.max_pause_ms);
    error.hint = "give a number of milliseconds above 0";
    return fail(std::move(error));
  }
  a->cutover.max_pause =
      std::chrono::milliseconds(s.max_pause_ms.value_or(limits::kMaxPauseDefault.count()));
  a->rollback.max_pause = a->cutover.max_pause;
  CROSSFADE_TRY(a->cutover.watch, to_watch_options(a->watch));
  // On a terminal the progress is drawn; lines of the log would run through it.
  const char* const default_level = ::isatty(STDERR_FILENO) != 0 ? "warn" : "info";
  CROSSFADE_TRY(const auto level, parse_log_level(s.log_level.value_or(default_level)));
  log::init(level);
  return ok();
}

int fail_usage(const Error& error) {
  fmt::print(stderr, "crossfade: {}\n", describe(error));
  return exit_code(error.code);
}

// The parser quotes what it does not understand, so it gets to see it without passwords.
int say_usage(CLI::App& app, int argc, char** argv) {
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    app.exit(e);
  }
  return exit_code(ErrorCode::kUsage);
}

// Each verb's own examples instead of all of them.
void add_examples(CLI::App* app) {
  for (const auto& [verb, examples] : kExamples) {
    app->get_subcommand(verb)->footer(std::string("Examples:\n") + examples);
  }
}

// It changes something, or has the two sides compared.
bool leaves_record(const CLI::App& app) {
  const CLI::App* verb = app.get_subcommands().front();
  const std::string name = verb->get_name();
  if (name == "status" || name == "route") return false;
  const auto subs = verb->get_subcommands();
  const std::string sub = subs.empty() ? "" : subs.front()->get_name();
  return sub != "list" && sub != "show" && (name != "backup" || sub != "verify");
}

int main_of(int argc, char** argv) {
  CLI::App app{"Moves a live application from SQLite to PostgreSQL without stopping it.",
               "crossfade"};
  app.require_subcommand(1);
  app.set_version_flag("--version", std::string("crossfade ") + CROSSFADE_VERSION);
  app.footer(kFooter);
  Arguments a;
  CLI::App* inspect_verb = app.add_subcommand(
      "inspect", "what is in there, what will happen to it, what blocks it; touches nothing");
  add_common(inspect_verb, &a, true);
  inspect_verb->add_option("--html", a.html_file, "write the report to this file, as one page");
  add_rules(inspect_verb, &a);
  inspect_verb->add_option("--write-rules", a.rules_out,
                           "write what was decided to this file, as rules to begin with");
  CLI::App* run_verb =
      app.add_subcommand("run", "schema, copy, then follow live changes until told to stop");
  add_common(run_verb, &a, true);
  add_run_options(run_verb, &a);
  run_verb->add_option("--until", a.until, "`verified`: end once both sides are verified equal")
      ->check(CLI::IsMember({"verified"}));
  run_verb
      ->add_option("--mode", a.mode,
                   "`dual`: both sides are written to, and kept in step; `follow`: only SQLite. "
                   "Default: goes on as it is")
      ->check(CLI::IsMember({"follow", "dual"}));
  CLI::App* status_verb = app.add_subcommand("status", "phase, rows, lag, last verification");
  add_common(status_verb, &a, true);
  CLI::App* verify_verb = add_verify(&app, &a, &a.verified);
  CLI::App* cutover_verb = add_cutover(&app, &a);
  CLI::App* quarantine_verb = add_quarantine(&app, &a);
  CLI::App* conflicts_verb = add_conflicts(&app, &a);
  CLI::App* rollback_verb = add_rollback(&app, &a);
  CLI::App* undo_verb = add_undo(&app, &a);
  CLI::App* ddl_verb = app.add_subcommand(
      "ddl", "change the source's schema where capture is in the way (ALTER TABLE DROP COLUMN)");
  add_common(ddl_verb, &a, false);
  ddl_verb->add_option("sql", a.ddl, "the statements, without BEGIN and COMMIT")->required();
  CLI::App* finish_verb = app.add_subcommand(
      "finish",
      "the last, destructive step: remove what crossfade made on both sides; says what it keeps");
  add_common(finish_verb, &a, true);
  finish_verb->add_flag("--keep-fence", a.keep_fence,
                        "let the side that was left go on refusing writes: SQLite after a cutover, "
                        "PostgreSQL after a rollback");
  CLI::App* route_verb = app.add_subcommand("route", "which side is primary right now");
  add_common(route_verb, &a, false);
  route_verb->add_flag("--wait", a.wait, "wait until PostgreSQL is primary");
  route_verb->add_option("--timeout", a.timeout_s, "seconds to wait (default: no limit)");
  CLI::App* audit_verb = add_audit(&app, &a, &a.audit);
  CLI::App* backup_verb = add_backup(&app, &a, &a.backup);
  CLI::App* grants_verb = add_grants(&app, &a, &a.role);
  add_examples(&app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() == 0) return app.exit(e);
    scrub_passwords(argc, argv);
    return say_usage(app, argc, argv);
  }
  scrub_passwords(argc, argv);
  if (auto settled = settle(&a); !settled) return fail_usage(settled.error());
  const bool plans = inspect_verb->parsed() || run_verb->parsed() || verify_verb->parsed() ||
                     cutover_verb->parsed() || rollback_verb->parsed() ||
                     quarantine_verb->parsed() || conflicts_verb->parsed() || undo_verb->parsed();
  if (plans) {
    const auto loaded = run::load_rules(a.settings.rules.value_or(""), &a.common.engine);
    if (!loaded) return fail_usage(loaded.error());
  }
  if (inspect_verb->parsed()) return inspect(a.common, a.html_file, a.rules_out);
  if (audit_verb->parsed()) return audit(a.common, a.audit);
  if (grants_verb->parsed()) return grants(a.common, a.role);
  OperatorRecord record(*app.get_subcommands().front());
  if (leaves_record(app)) {
    record.begin(a.common.engine.database);
    a.common.record = &record;
  }
  const auto verb = [&]() -> int {
    if (backup_verb->parsed()) return backup(a.common, a.backup);
    if (run_verb->parsed()) return run_engine(a.common, a.until == "verified");
    if (status_verb->parsed()) return status(a.common);
    if (verify_verb->parsed()) return verify(a.common, a.verified);
    if (cutover_verb->parsed()) return cutover(a.common, a.cutover);
    if (quarantine_verb->parsed()) return quarantine(a.common, a.quarantined);
    if (conflicts_verb->parsed()) return conflicts(a.common, a.conflicting);
    if (rollback_verb->parsed()) {
      return a.target_lost ? give_up_target(a.common) : rollback(a.common, a.rollback);
    }
    if (undo_verb->parsed()) return undo(a.common, a.undo);
    if (ddl_verb->parsed()) return ddl(a.common, a.ddl);
    if (finish_verb->parsed()) return finish(a.common, a.keep_fence);
    return route(a.common, a.wait,
                 std::chrono::milliseconds(static_cast<int64_t>(a.timeout_s * 1000)));
  };
  const int code = verb();
  if (a.common.record != nullptr) record.end(code, a.common);
  return code;
}

}  // namespace
}  // namespace crossfade::cli

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  return crossfade::cli::main_of(argc, argv);
}
