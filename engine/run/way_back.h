// Making and taking away the way back: the slot or the outbox on PostgreSQL, and what SQLite
// remembers of it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/core/deadline.h"
#include "engine/core/result.h"
#include "engine/core/way_back_kind.h"
#include "engine/run/move.h"

namespace crossfade::run {

// The kind that is asked for; if none is, a slot where there can be one, else an outbox, which is
// said. What is in its way, of this server and role and of this SQLite, each with what to do, is an
// error; kBlocked. Changes nothing.
Result<WayBackKind> choose_way_back(Move& move, std::optional<WayBackKind> asked);

// Before a cutover's pause: makes it, and proves it by a probe that is written to PostgreSQL and
// must come to SQLite. On an error nothing of it is left, as far as the server can be reached.
Status make_way_back(Move& move, const std::string& source_id, WayBackKind kind, Deadline deadline);

// Of either kind. Idempotent; nothing to do is OK. While it fails (a slot that is being read) it is
// to be tried again: the server keeps its log for a slot. A table in use keeps triggers of an
// outbox, which do nothing: SQLite remembers that, and it is OK.
Status remove_way_back(Move& move, const std::string& source_id);
// While SQLite is the primary, now and then: those triggers, if the tables are free by now. The
// target's connection must not be in a transaction.
Status remove_rest_of_way_back(Move& move);

}  // namespace crossfade::run
