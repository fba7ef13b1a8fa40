// Carries a cutover out: performs what CutoverMachine says and tells it what came of it.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "engine/core/limits.h"
#include "engine/core/result.h"
#include "engine/core/way_back_kind.h"
#include "engine/run/dual_follower.h"
#include "engine/run/follow.h"
#include "engine/run/move.h"
#include "engine/run/watch_record.h"

namespace crossfade::run {

struct CutoverOptions {
  bool dry_run = false;
  bool no_rollback = false;             // no way back is made
  std::optional<WayBackKind> way_back;  // nothing: what the server allows
  std::chrono::milliseconds max_pause = limits::kMaxPauseDefault;
  std::optional<WatchOptions> watch;  // afterwards
  // Whoever asked is gone: it steps back unless the source is fenced already. Null: cannot happen.
  std::shared_ptr<const std::atomic<bool>> withdrawn;
};

struct CutoverReport {
  Primary primary = Primary::kSqlite;
  Epoch epoch;
  std::chrono::microseconds write_pause{0};  // from holding the source's write lock to the flip
  int64_t verified_rows = 0;
  Lsn drained_lsn;
  bool dry_run = false;
  std::string route_file_error;  // why clients that follow the file were not told; else empty
};

[[nodiscard]] nlohmann::json to_json(const CutoverReport& report);
// For a terminal. `way_back`: SQLite is kept in step.
[[nodiscard]] std::string cutover_text(const CutoverReport& report, bool way_back);

// `verified`: the report of the round that ended just now; dirty keys have been kept since it
// began. An error means the old side is primary and accepts writes (kSteppedBack), unless it says
// that the outcome is in doubt.
Result<CutoverReport> cut_over(Move& move, Follower& follower, const VerifyReport& verified,
                               const CutoverOptions& options);
// The same while both sides are written to. SQLite's writers are refused from the lock on; those of
// PostgreSQL go on throughout.
Result<CutoverReport> cut_over_from_dual(Move& move, DualFollower& follower,
                                         const VerifyReport& verified,
                                         const CutoverOptions& options);

}  // namespace crossfade::run
