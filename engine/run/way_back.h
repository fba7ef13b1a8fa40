// Making and taking away the way back: the slot on PostgreSQL, and what SQLite remembers of it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/core/deadline.h"
#include "engine/core/result.h"
#include "engine/run/move.h"

namespace crossfade::run {

// What is in its way: of this server and role, and of this SQLite. Each with what to do; kBlocked.
// Changes nothing.
Status check_way_back(Move& move);

// Before a cutover's pause: makes the slot, and proves it by a probe that is written to PostgreSQL
// and must come to SQLite. On an error nothing of it is left, as far as the server can be reached.
Status make_way_back(Move& move, const std::string& source_id, Deadline deadline);

// Idempotent; nothing to do is OK. While it fails (a slot that is being read) it is to be tried
// again: the server keeps its log for the slot.
Status remove_way_back(Move& move, const std::string& source_id);

}  // namespace crossfade::run
