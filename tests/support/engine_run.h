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

// For settle() and verify(): long after a loaded machine would have done it.
inline constexpr std::chrono::seconds kSettleMax{30};

class EngineRun {
 public:
  // `keep_log`: positions of the change log that are not pruned though applied.
  EngineRun(const std::string& database, const std::string& url, int64_t keep_log = 0);
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

// The engine at `url` has stopped, and nobody writes. `verified` is what verify said last. Empty
// when both sides are equal, or when what the target lacks is what it set aside, verify said so
// with exit code 3, and nothing else differs. Else what is amiss.
[[nodiscard]] std::string check_target(const std::string& database, const std::string& url,
                                       const run::TaskResult& verified);

}  // namespace crossfade::testing
