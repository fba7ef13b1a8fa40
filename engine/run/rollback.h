// What is asked of a rollback and what came of it: SQLite the primary again (docs/rollback.md).
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "engine/core/limits.h"
#include "engine/core/strong.h"
#include "engine/postgres/pg_lsn.h"
#include "engine/run/route_file.h"

namespace crossfade::run {

struct RollbackOptions {
  bool dry_run = false;
  std::chrono::milliseconds max_pause = limits::kMaxPauseDefault;
  // Whoever asked is gone: it steps back unless it has flipped. Null: cannot happen.
  std::shared_ptr<const std::atomic<bool>> withdrawn;
};

struct RollbackReport {
  Primary primary = Primary::kPostgres;
  Epoch epoch;
  std::chrono::microseconds write_pause{0};  // from holding the target's tables to SQLite's opening
  int64_t verified_rows = 0;
  postgres::PgLsn drained_lsn;  // SQLite has everything up to here
  bool dry_run = false;
  std::string route_file_error;  // why clients that follow the file were not told; else empty
  // Full-text tables with text of their own, which lack what was written to PostgreSQL.
  std::vector<std::string> stale_searches;
};

[[nodiscard]] nlohmann::json to_json(const RollbackReport& report);
[[nodiscard]] std::string to_text(const RollbackReport& report);

}  // namespace crossfade::run
