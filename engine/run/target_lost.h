// `rollback --target-lost`: PostgreSQL is the primary and does not come back, so SQLite becomes it
// at the last position that reached it.
//
// Without the row that is the authority nobody can say that writers on PostgreSQL are stopped: the
// operator says so. A target that comes back later is refused by every command, as the route
// file's epoch is ahead of its own.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "apply/source_writer.h"
#include "engine/core/result.h"
#include "engine/postgres/pg_lsn.h"
#include "engine/run/move.h"

namespace crossfade::run {

struct TargetGivenUp {
  bool changed = false;  // else SQLite was the primary already
  Epoch epoch;
  postgres::PgLsn applied;  // what PostgreSQL committed after it is not in SQLite
  int64_t committed_us =
      0;                  // since 1970: when the newest transaction that is was committed; 0: none
  int64_t set_aside = 0;  // rows that SQLite has in an older version, or not at all
  std::vector<apply::SetAside> samples;
};

[[nodiscard]] nlohmann::json to_json(const TargetGivenUp& report);
[[nodiscard]] std::string to_text(const TargetGivenUp& report);

// No engine may run (kFenced). Idempotent. kBlocked, and nothing is changed, while the target
// answers and says that it is the primary, or when SQLite was not kept in step.
Result<TargetGivenUp> give_up_target(const EngineOptions& options);
// The same by the engine, which holds the folder's lock and has the source open.
Result<TargetGivenUp> give_up_target(const EngineOptions& options, const StateFolder& state,
                                     SourceFile& source);

// A target that was given up: it says that it is the primary, of an older epoch than the file's.
[[nodiscard]] bool is_given_up(const StateFolder& state, const Route& on_target);
[[nodiscard]] Error given_up_error(const std::string& database, const std::string& target);

}  // namespace crossfade::run
