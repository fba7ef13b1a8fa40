// Looks at the target for `inspect`: version, rights, disk, extensions. One read-only transaction;
// starts no server, makes nothing.
#pragma once

#include <string>

#include "engine/run/move.h"
#include "engine/run/state_folder.h"
#include "engine/schema/assessment.h"
#include "engine/schema/target_schema.h"

namespace crossfade::run {

// The target given, or the remembered one. That it cannot be reached is a fact, not an error. With
// no target at all, or an embedded one that does not run, only the disk beside the source is known,
// where the embedded cluster would be.
[[nodiscard]] schema::TargetFacts assess_target(const EngineOptions& options,
                                                const StateFolder& state);

// The tables that are to be loaded into (--schema-from-target), in one read-only transaction. That
// they cannot be looked at is an error.
Result<schema::TargetSchema> look_at_target_schema(const EngineOptions& options,
                                                   const StateFolder& state);

}  // namespace crossfade::run
