#include "tools/cli/verbs.h"

#include <fmt/format.h>

#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>
#include <utility>

#include "engine/core/deadline.h"
#include "engine/core/limits.h"
#include "engine/run/audit.h"
#include "engine/run/control_client.h"
#include "engine/run/engine.h"
#include "engine/run/finish.h"
#include "engine/run/reachable_target.h"
#include "engine/run/source_ddl.h"
#include "engine/run/target_lost.h"
#include "tools/cli/task.h"
#include "tools/cli/watch_wait.h"
#include "tools/client/crossfade_client.h"

namespace crossfade::cli {

int run_engine(const Common& common, bool until_verified) {
  LocalEngine local(common);
  std::optional<run::TaskResult> verified;
  if (until_verified) {
    run::Task task;
    task.done = [&verified](const run::TaskResult& r) { verified = r; };
    local.engine().post(std::move(task));
  }
  const auto status = local.run(until_verified);
  if (!status) return show(common, status.error());
  if (until_verified && !verified) {
    fmt::print(stderr,
               "crossfade: stopped by a signal before the two sides were verified; run the "
               "same command again to go on\n");
    return exit_code(ErrorCode::kInterrupted);
  }
  run::TaskResult result;
  const run::StatusReport report = local.engine().board().get();
  result.document = run::to_json(report);
  if (report.primary == run::Primary::kPostgres && report.phase != "reversed") {
    result.text = "PostgreSQL is primary; there is nothing to follow\n";
  } else if (verified) {
    if (verified->document.contains("error")) return show(common, *verified);
    result.exit_code = verified->exit_code;
    // The verification's per-table verdicts take the place of the copy's progress.
    for (auto& [key, value] : verified->document.items()) result.document[key] = value;
    result.text = verified->text;
    if (report.rows_per_s > 0) {
      result.text += fmt::format("copied {} rows at {} rows/minute\n", report.rows_copied,
                                 report.rows_per_s * 60);
    }
  } else if (report.primary == run::Primary::kPostgres) {
    result.text = fmt::format(
        "stopped; PostgreSQL is primary, and SQLite has its log up to {}. The same command goes on "
        "keeping it in step\n",
        report.reverse_applied);
  } else {
    result.text = fmt::format("stopped at position {}; the same command goes on from there\n",
                              report.applied_lsn.value);
  }
  return show(common, result);
}

namespace {

bool rest() {
  std::this_thread::sleep_for(limits::kPollInterval);
  return true;
}

}  // namespace

int status(const Common& common) {
  const auto asked = [&]() -> Result<run::TaskResult> {
    CROSSFADE_TRY(const auto state, run::StateFolder::of(common.engine.database));
    const Deadline deadline = Deadline::after(limits::kEngineHandover);
    do {  // an engine that is starting does not listen yet
      CROSSFADE_TRY(auto answered, run::ask_engine(state.folder(), {{"command", "status"}}));
      if (answered) return std::move(*answered);
    } while (state.locked_by_another() && !deadline.expired() && rest());
    CROSSFADE_TRY(auto target, run::ReachableTarget::find(common.engine, state));
    auto report = run::read_status(state.database(), target.url());
    CROSSFADE_TRY(target.close(report && report.value().primary == run::Primary::kPostgres));
    if (!report) return fail(std::move(report).error());
    return run::TaskResult{0, run::to_json(report.value()), run::to_text(report.value())};
  }();
  return show(common, asked);
}

int cutover(const Common& common, const run::CutoverOptions& options) {
  run::Task task;
  task.kind = run::TaskKind::kCutover;
  task.cutover = options;
  bool here = false;
  auto done = do_task(common, task, run::cutover_request(options), &here);
  if (!options.watch || !done || done.value().exit_code != 0) return show(common, std::move(done));
  return show(common, await_watch(common, std::move(done).value(), here));
}

int rollback(const Common& common, const run::RollbackOptions& options) {
  run::Task task;
  task.kind = run::TaskKind::kRollback;
  task.rollback = options;
  return show(common, do_task(common, task, run::rollback_request(options)));
}

int give_up_target(const Common& common) {
  const auto given_up = run::give_up_target(common.engine);
  if (!given_up) return show(common, given_up.error());
  return show(common,
              run::TaskResult{0, run::to_json(given_up.value()), run::to_text(given_up.value())});
}

int undo(const Common& common, const run::UndoOptions& options) {
  const auto undone = run::undo(common.engine, options);
  if (!undone) return show(common, undone.error());
  return show(common,
              run::TaskResult{0, run::to_json(undone.value()), run::to_text(undone.value())});
}

int ddl(const Common& common, const std::string& sql) {
  const auto done = [&]() -> Result<run::TaskResult> {
    CROSSFADE_TRY(const auto state, run::StateFolder::of(common.engine.database));
    CROSSFADE_TRY(auto source,
                  sqlite::Connection::open(
                      {state.database(), sqlite::Access::kReadWrite, limits::kSourceBusyTimeout}));
    CROSSFADE_TRY(const auto report, run::change_source_schema(source, sql));
    run::AuditLog(state.audit()).record("ddl", {{"sql", sql}, {"changed", report.changed}});
    const std::string changed =
        report.changed.empty()
            ? "no captured table changed its shape"
            : fmt::format("{}: copied anew by the engine", fmt::join(report.changed, ", "));
    return run::TaskResult{0, {{"changed", report.changed}}, "done; " + changed + "\n"};
  }();
  return show(common, done);
}

int finish(const Common& common, bool keep_fence) {
  StopSource stop;
  const auto report = run::finish(common.engine, {keep_fence}, stop);
  if (!report) return show(common, report.error());
  return show(common,
              run::TaskResult{0, run::to_json(report.value()), run::to_text(report.value())});
}

int route(const Common& common, bool wait, std::chrono::milliseconds timeout) {
  const auto found = [&]() -> Result<run::TaskResult> {
    CROSSFADE_TRY(const auto state, run::StateFolder::of(common.engine.database));
    CROSSFADE_TRY(auto now, run::read_route_file(state.route()));
    int code = 0;
    if (wait && now.primary != run::Primary::kPostgres) {
      crossfade_route* handle = nullptr;
      crossfade_route_info info{};
      if (crossfade_route_open(state.route().c_str(), &handle) == 0) {
        const int64_t waited = timeout.count() == 0 ? INT32_MAX : timeout.count();
        if (crossfade_route_wait(handle, static_cast<uint64_t>(now.epoch.value),
                                 static_cast<int>(waited), &info) != 0) {
          code = exit_code(ErrorCode::kInterrupted);
        }
        crossfade_route_close(handle);
      }
      CROSSFADE_TRY(now, run::read_route_file(state.route()));
    }
    if (now.primary == run::Primary::kNone) now.primary = run::Primary::kSqlite;
    const std::string url = now.primary == run::Primary::kSqlite ? state.database() : now.url;
    return run::TaskResult{
        code,
        {{"primary", run::to_string(now.primary)}, {"epoch", now.epoch.value}, {"url", url}},
        fmt::format("{} {}\n", run::to_string(now.primary), url)};
  }();
  return show(common, found);
}

}  // namespace crossfade::cli
