#include "tools/cli/verbs.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "engine/observe/log.h"
#include "engine/postgres/embedded.h"
#include "engine/run/control_client.h"
#include "engine/run/control_server.h"
#include "engine/run/engine.h"
#include "engine/run/finish.h"
#include "engine/schema/inspect_report.h"
#include "engine/schema/plan.h"
#include "engine/sqlite/connection.h"
#include "tools/cli/progress.h"
#include "tools/client/crossfade_client.h"

namespace crossfade::cli {
namespace {

using nlohmann::json;

std::string dump(const json& document, int indent = 2) {
  return document.dump(indent, ' ', false, json::error_handler_t::replace);
}

// What a verb ends with: its document on stdout, or its text; errors on stderr as well.
int show(const Common& common, const run::TaskResult& result) {
  if (common.json) {
    fmt::print("{}\n", dump(result.document));
  } else if (result.exit_code == 0 || !result.document.contains("error")) {
    fmt::print("{}", result.text);
  }
  if (result.document.is_object() && result.document.contains("error")) {
    fmt::print(stderr, "crossfade: {}", result.text);
  }
  return result.exit_code;
}

int show(const Common& common, const Error& error) {
  return show(common, run::to_result(error));
}

// The engine in this process, with its control socket, signals and progress.
class LocalEngine {
 public:
  explicit LocalEngine(const Common& common) : engine_(common.engine, stop_) {
    engine_.on_locked([this](const run::StateFolder& state) -> Status {
      CROSSFADE_TRY(control_, run::ControlServer::start(state.folder(), engine_, stop_));
      return ok();
    });
  }

  Status run(bool until_idle) {
    const Progress progress(engine_.board(), ::isatty(STDERR_FILENO) != 0);
    auto status = engine_.run(until_idle);
    control_.reset();
    return status;
  }

  run::Engine& engine() { return engine_; }
  [[nodiscard]] bool stopped() const { return stop_.requested(); }

 private:
  StopSource stop_;
  run::Engine engine_;
  std::unique_ptr<run::ControlServer> control_;
};

// Runs one task here, or has the running engine do it.
Result<run::TaskResult> do_task(const Common& common, run::Task task, const json& request) {
  CROSSFADE_TRY(const auto state, run::StateFolder::of(common.engine.database));
  CROSSFADE_TRY(auto answered, run::ask_engine(state.folder(), request));
  if (answered) return std::move(*answered);
  std::optional<run::TaskResult> result;
  task.done = [&result](const run::TaskResult& r) { result = r; };
  Common local = common;
  local.engine.must_have_begun = true;
  LocalEngine engine(local);
  engine.engine().post(std::move(task));
  auto status = engine.run(/*until_idle=*/true);
  if (result) return std::move(*result);
  if (!status) return fail(std::move(status).error());
  Error error;
  error.code = ErrorCode::kInterrupted;
  error.op = "run";
  error.native = "stopped by a signal before it was done; nothing was changed halfway";
  error.hint = "run the same command again";
  return fail(std::move(error));
}

int show(const Common& common, Result<run::TaskResult> result) {
  return result ? show(common, result.value()) : show(common, result.error());
}

}  // namespace

int inspect(const Common& common) {
  const auto planned = [&]() -> Result<schema::Plan> {
    CROSSFADE_TRY(auto source,
                  sqlite::Connection::open({common.engine.database, sqlite::Access::kReadOnly,
                                            limits::kSourceBusyTimeout}));
    CROSSFADE_TRY(const auto catalog, schema::read_catalog(source));
    return schema::make_plan(source, catalog, {common.engine.target_schema, nullptr});
  }();
  if (!planned) return show(common, planned.error());
  const schema::Plan& plan = planned.value();
  run::TaskResult result;
  result.exit_code = plan.blocked() ? exit_code(ErrorCode::kBlocked) : 0;
  result.document = schema::to_json(plan);
  result.text = schema::to_text(plan, ::isatty(STDOUT_FILENO) != 0);
  return show(common, result);
}

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
  if (verified) {
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
    result.text = "PostgreSQL is primary; there is nothing to follow\n";
  } else {
    result.text = fmt::format("stopped at position {}; the same command goes on from there\n",
                              report.applied_lsn.value);
  }
  return show(common, result);
}

int status(const Common& common) {
  const auto asked = [&]() -> Result<run::TaskResult> {
    CROSSFADE_TRY(const auto state, run::StateFolder::of(common.engine.database));
    CROSSFADE_TRY(auto answered, run::ask_engine(state.folder(), {{"command", "status"}}));
    if (answered) return std::move(*answered);
    std::string target =
        common.engine.target.empty() ? state.remembered_target() : common.engine.target;
    std::optional<postgres::EmbeddedCluster> cluster;
    if (target == "embedded") {
      const postgres::EmbeddedOptions embedded{state.cluster(), "crossfade", {}};
      target.clear();
      if (!postgres::EmbeddedCluster::url_of(embedded).empty()) {
        CROSSFADE_TRY(cluster, postgres::EmbeddedCluster::start(embedded));
        target = cluster->url();
      }
    }
    auto report = run::read_status(state.database(), target);
    if (cluster && cluster->started_here() &&
        !(report && report.value().primary == run::Primary::kPostgres)) {
      CROSSFADE_TRY(cluster->stop());
    }
    if (!report) return fail(std::move(report).error());
    return run::TaskResult{0, run::to_json(report.value()), run::to_text(report.value())};
  }();
  return show(common, asked);
}

int verify(const Common& common) {
  return show(common, do_task(common, run::Task{}, {{"command", "verify"}}));
}

int cutover(const Common& common, const run::CutoverOptions& options) {
  if (!options.no_rollback && !options.dry_run) {
    Error error;
    error.code = ErrorCode::kBlocked;
    error.op = "cutover";
    error.object = common.engine.database;
    error.native =
        "there is no way back after this cutover yet: what is written to PostgreSQL "
        "afterwards would not reach SQLite again";
    error.hint = "if that is understood, say so with --no-rollback; --dry-run rehearses it";
    return show(common, error);
  }
  run::Task task;
  task.kind = run::TaskKind::kCutover;
  task.cutover = options;
  return show(common, do_task(common, std::move(task), run::cutover_request(options)));
}

int rollback(const Common& common) {
  Error error;
  error.code = ErrorCode::kBlocked;
  error.op = "rollback";
  error.object = common.engine.database;
  error.native =
      "this version has no reverse replication: it cannot bring writes made on "
      "PostgreSQL back to SQLite";
  error.hint = "before a cutover nothing needs to be rolled back: SQLite is the primary";
  return show(common, error);
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
