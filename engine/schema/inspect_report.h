// `inspect`, rendered: JSON for scripts (the contract is in docs/findings.md), text for people.
// Both are valid UTF-8 whatever the source's names and values hold.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "engine/schema/plan.h"

namespace crossfade::schema {

// The synthetic _crossfade_rowid is not listed as a column: it is the table's "identity".
[[nodiscard]] nlohmann::json to_json(const Plan& plan);

// A table per table, findings by severity, one closing line with the verdict.
[[nodiscard]] std::string to_text(const Plan& plan, bool colour);

[[nodiscard]] const char* to_string(Severity severity);

}  // namespace crossfade::schema
