// The control socket of a running engine, and its signals.
//
// A Unix socket in the state folder, for its owner alone. One request per connection: a line of
// JSON
// {"command":"status"|"verify"|"cutover"|"rollback"|"stop", ...}, answered by one line
// {"exit_code":n,"document":{...},"text":"..."}.
// SIGTERM and SIGINT request the stop, and are ignored from its end on: the process is ending, with
// an exit code that says how its work went. Threads: its own, with one Asio loop.
#pragma once

#include <memory>

#include "engine/core/result.h"
#include "engine/core/stop.h"
#include "engine/run/engine.h"

namespace crossfade::run {

class ControlServer {
 public:
  // `folder`: the state folder. An old socket file is replaced: the engine holds the lock.
  static Result<std::unique_ptr<ControlServer>> start(const std::string& folder, Engine& engine,
                                                      StopSource& stop);
  ~ControlServer();
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;

 private:
  struct Impl;
  explicit ControlServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// The tasks as the server takes them.
[[nodiscard]] nlohmann::json cutover_request(const CutoverOptions& options);
[[nodiscard]] nlohmann::json rollback_request(const RollbackOptions& options);

}  // namespace crossfade::run
