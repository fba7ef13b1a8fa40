// The rules of a run: read, checked against the source, and remembered in the state folder.
#pragma once

#include <string>

#include "engine/core/result.h"
#include "engine/run/move.h"

namespace crossfade::run {

// Fills options->rules from `file`, or, when that is empty, from what the last run remembered.
// kUsage (exit 2) names everything that is wrong with them, by line. Writes nothing.
Status load_rules(const std::string& file, EngineOptions* options);

}  // namespace crossfade::run
