// How a verb gets its work done and shows what came of it.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>

#include "engine/core/result.h"
#include "engine/core/stop.h"
#include "engine/run/control_server.h"
#include "engine/run/engine.h"
#include "tools/cli/verbs.h"

namespace crossfade::cli {

// The document on stdout with --json, else the text; errors on stderr as well. Returns the exit
// code.
int show(const Common& common, const run::TaskResult& result);
int show(const Common& common, const Error& error);
int show(const Common& common, Result<run::TaskResult> result);

// The engine in this process, with its control socket, signals and progress.
class LocalEngine {
 public:
  explicit LocalEngine(const Common& common);
  Status run(bool until_idle);
  run::Engine& engine() { return engine_; }
  [[nodiscard]] bool stopped() const { return stop_.requested(); }

 private:
  StopSource stop_;
  run::Engine engine_;
  std::unique_ptr<run::ControlServer> control_;
};

// Runs one task here, or has the running engine do it. `request` is the task as the control socket
// takes it. An engine that is just starting or ending, and so neither answers nor lets this process
// work, is waited for, limits::kEngineHandover at most. `here` learns whether it was done here.
Result<run::TaskResult> do_task(const Common& common, const run::Task& task,
                                const nlohmann::json& request, bool* here = nullptr);

}  // namespace crossfade::cli
