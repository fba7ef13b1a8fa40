// What the target's own columns will hold beside the source's rows: their defaults. Where a default
// is the same for all rows, the target's constraints on it can be told before any row is copied.
#pragma once

#include <vector>

#include "engine/core/result.h"
#include "engine/schema/finding.h"
#include "engine/schema/plan.h"
#include "engine/schema/target_schema.h"
#include "engine/sqlite/connection.h"

namespace crossfade::run {

// Unique constraints that two rows break, and foreign keys whose parent the default is not, of
// tables that are loaded into: `target_constraint_refused`, as a run would find them.
Status find_broken_by_defaults(sqlite::Connection& source,
                               const std::vector<schema::TablePlan>& plans,
                               const schema::TargetSchema& target,
                               std::vector<schema::Finding>* findings);

}  // namespace crossfade::run
