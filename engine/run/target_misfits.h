// Which stored values the columns of adopted tables do not take.
#pragma once

#include <vector>

#include "engine/core/result.h"
#include "engine/core/stop.h"
#include "engine/schema/plan.h"

namespace crossfade::run {

// Tries every value as the copy would, and names the rows of those that do not fit: blockers
// (`target_misfit`), whose rows --quarantine sets aside. Reads each adopted table once, in short
// read transactions.
Status find_target_misfits(sqlite::Connection& source, const std::vector<schema::TablePlan>& plans,
                           StopSource* stop, std::vector<schema::Finding>* findings);

}  // namespace crossfade::run
