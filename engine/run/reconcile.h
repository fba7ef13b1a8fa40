// Makes source and target agree on which tables there are, what they look like, and that capture
// records them: at the start, and again whenever the source's schema changes.
//
// A table is left alone when plan, shape and triggers are what they were. Any other is planned
// anew, gets its triggers anew and is copied anew: new tables, added, dropped and renamed columns,
// renamed tables, rebuilds, triggers that were dropped or that an application's newer trigger would
// outrun. A table that is gone on the source goes on the target.
#pragma once

#include "engine/core/result.h"
#include "engine/run/move.h"

namespace crossfade::run {

// The whole plan, before anything is written on either side. kBlocked when a finding needs a
// decision; its samples name the rows.
Result<schema::Plan> plan_first(const EngineOptions& options, SourceFile& source,
                                TargetStore& target, StopSource& stop);

// Fills move.tables and move.schema_version. kBlocked when a finding needs a decision.
Status reconcile(Move& move);

// True when every table's changes are exactly captured at present: cheap, used before a cutover.
Result<bool> capture_is_intact(Move& move);

}  // namespace crossfade::run
