// Rows that full-text tables of the source's keep themselves. No trigger sees them being written,
// so they are looked at again before a cutover.
#pragma once

#include <vector>

#include "engine/core/result.h"
#include "engine/run/move.h"
#include "engine/schema/finding.h"

namespace crossfade::run {

// Blockers: the full-text tables with rows that no ordinary table has. Reads those tables.
Result<std::vector<schema::Finding>> find_only_copies(Move& move);

}  // namespace crossfade::run
