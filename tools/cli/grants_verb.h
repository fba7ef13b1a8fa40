// `crossfade grants`: what a role on the target must be granted (engine/run/grants.h).
#pragma once

#include <string>

#include "tools/cli/common_flags.h"

namespace crossfade::cli {

// Returns the verb; `role` gets --role.
CLI::App* add_grants(CLI::App* app, CommonFlags* common, std::string* role);
// Connects to nothing.
int grants(const Common& common, const std::string& role);

}  // namespace crossfade::cli
