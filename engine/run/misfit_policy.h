// What happens to a table once a row of it was set aside: Column::on_misfit, carried out.
#pragma once

#include "engine/core/result.h"
#include "engine/run/move.h"

namespace crossfade::run {

// Looks at what waits in quarantine. Tables with a value that widens its column are noted in
// Move::to_rebuild, and their columns in Move::plain_columns unless the table was empty when it was
// planned: true, and the caller reconciles. An error (kBlocked) names the column when the policy is
// to stop.
Result<bool> follow_misfit_policy(Move& move);

}  // namespace crossfade::run
