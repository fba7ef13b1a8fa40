// The engine at work on a thread of the test's own process.
//
// Threads: the test's; the engine has its own. The engine is stopped and joined at the end.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "engine/core/stop.h"
#include "engine/run/engine.h"

namespace crossfade::testing {

class EngineRun {
 public:
  EngineRun(const std::string& database, const std::string& url);
  ~EngineRun();  // stops
  EngineRun(const EngineRun&) = delete;
  EngineRun& operator=(const EngineRun&) = delete;

  [[nodiscard]] run::StatusReport status() { return engine_->board().get(); }
  // It has ended, by itself or because it was stopped.
  [[nodiscard]] bool ended() const { return ended_.load(); }
  // Ends it. Empty when it ended as it should; else its error.
  [[nodiscard]] std::string stop();

  // Waits until it follows and has applied the newest change in the log. Empty, or what is amiss.
  [[nodiscard]] std::string settle(std::chrono::milliseconds within);
  // Has everything verified; nothing when it did not answer in time or ended meanwhile.
  [[nodiscard]] std::optional<run::TaskResult> verify(std::chrono::milliseconds within);

 private:
  const std::string database_;
  StopSource stop_;
  std::unique_ptr<run::Engine> engine_;
  std::atomic<bool> ended_{false};
  std::string error_;  // written by the thread before ended_
  std::thread thread_;
};

}  // namespace crossfade::testing
