// `crossfade inspect`.
#pragma once

#include <string>

#include "tools/cli/verbs.h"

namespace crossfade::cli {

// With `html_file`, the report is written there too; with `rules_file`, the decisions as rules.
int inspect(const Common& common, const std::string& html_file, const std::string& rules_file);

}  // namespace crossfade::cli
