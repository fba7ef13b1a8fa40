// Carries a rollback out: performs what RollbackMachine says and tells it what came of it.
#pragma once

#include "engine/core/result.h"
#include "engine/run/move.h"
#include "engine/run/reverse_follower.h"
#include "engine/run/rollback.h"

namespace crossfade::run {

// `verified`: the report of the round that ended just now; keys have been noted as touched since it
// began. An error means that PostgreSQL is the primary and takes writes (kSteppedBack), unless it
// says that the outcome is in doubt. The follower is of no use afterwards.
Result<RollbackReport> roll_back(Move& move, ReverseFollower& follower,
                                 const std::string& source_id, const VerifyReport& verified,
                                 const RollbackOptions& options);

}  // namespace crossfade::run
