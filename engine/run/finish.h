// The separate, destructive last step: removes every trace of crossfade from both sides, and says
// what it removed. The data stays where it is, on both sides.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "engine/core/result.h"
#include "engine/core/stop.h"
#include "engine/run/move.h"

namespace crossfade::run {

struct FinishOptions {
  // The side that was left goes on refusing writes: SQLite after a cutover, PostgreSQL after a
  // rollback. Nothing to keep is OK.
  bool keep_fence = false;
};

struct FinishReport {
  std::vector<std::string> source;
  std::vector<std::string> target;
  std::vector<std::string> state;
  std::vector<Aside> not_put_back;      // as what they name on the target was dropped or renamed
  std::string put_aside_file;           // has the statements of those; empty: there are none
  std::vector<std::string> not_valid;   // statements that validate what is NOT VALID still
  Primary fence_kept = Primary::kNone;  // the side that is fenced still
  std::string fence_lifted_by;          // the statement, when that is PostgreSQL
};

[[nodiscard]] nlohmann::json to_json(const FinishReport& report);
[[nodiscard]] std::string to_text(const FinishReport& report);

// No engine may run (kFenced). Idempotent. The target being out of reach is an error before
// anything is removed.
Result<FinishReport> finish(const EngineOptions& options, const FinishOptions& finish_options,
                            StopSource& stop);

}  // namespace crossfade::run
