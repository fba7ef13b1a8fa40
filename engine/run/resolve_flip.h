// What became of a flip whose answer was lost.
#pragma once

#include "engine/core/result.h"
#include "engine/run/move.h"

namespace crossfade::run {

// One attempt to ask the route row: on move.target's connection if it lives, else on a new one that
// becomes it. The lease is asked for before the row is read: only when the old session is gone is
// its transaction decided.
// True: `wanted` is the primary. An error: it is not known; ask again.
Result<bool> resolve_flip(Move& move, Primary wanted);

}  // namespace crossfade::run
