#include "tools/cli/task.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <optional>
#include <thread>
#include <utility>

#include "engine/core/deadline.h"
#include "engine/core/limits.h"
#include "engine/run/control_client.h"
#include "tools/cli/operator_record.h"
#include "tools/cli/progress.h"

namespace crossfade::cli {
namespace {

using nlohmann::json;

std::string dump(const json& document, int indent = 2) {
  return document.dump(indent, ' ', false, json::error_handler_t::replace);
}

}  // namespace

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

int show(const Common& common, Result<run::TaskResult> result) {
  return result ? show(common, result.value()) : show(common, result.error());
}

LocalEngine::LocalEngine(const Common& common) : engine_(common.engine, stop_) {
  engine_.on_locked([this, record = common.record](const run::StateFolder& state) -> Status {
    if (record != nullptr) record->begin(state);
    CROSSFADE_TRY(control_, run::ControlServer::start(state.folder(), engine_, stop_));
    return ok();
  });
}

Status LocalEngine::run(bool until_idle) {
  const Progress progress(engine_.board(), ::isatty(STDERR_FILENO) != 0);
  auto status = engine_.run(until_idle);
  control_.reset();
  return status;
}

namespace {

Result<run::TaskResult> do_here(const Common& common, run::Task task) {
  std::optional<run::TaskResult> result;
  task.done = [&result](const run::TaskResult& r) { result = r; };
  Common local = common;
  local.engine.must_have_begun = true;
  LocalEngine engine(local);
  engine.engine().post(std::move(task));
  auto status = engine.run(/*until_idle=*/true);
  if (result) {
    // What came afterwards does not change the answer.
    if (!status && result->exit_code == 0)
      fmt::print(stderr, "crossfade: {}\n", describe(status.error()));
    return std::move(*result);
  }
  if (!status) return fail(std::move(status).error());
  Error error;
  error.code = ErrorCode::kInterrupted;
  error.op = "run";
  error.native = "stopped by a signal before it was done; nothing was changed halfway";
  error.hint = "run the same command again";
  return fail(std::move(error));
}

}  // namespace

Result<run::TaskResult> do_task(const Common& common, const run::Task& task,
                                const nlohmann::json& request, bool* here) {
  CROSSFADE_TRY(const auto state, run::StateFolder::of(common.engine.database));
  const Deadline deadline = Deadline::after(limits::kEngineHandover);
  while (true) {
    CROSSFADE_TRY(auto answered, run::ask_engine(state.folder(), request));
    if (answered) return std::move(*answered);
    auto done = do_here(common, task);
    if (here != nullptr) *here = true;
    const int code = done ? done.value().exit_code : exit_code(done.error().code);
    if (code != exit_code(ErrorCode::kFenced) || deadline.expired()) return done;
    std::this_thread::sleep_for(limits::kPollInterval);
  }
}

}  // namespace crossfade::cli
