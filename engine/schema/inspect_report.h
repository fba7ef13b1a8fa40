// `inspect`, rendered: JSON for scripts (the contract is in docs/findings.md), text for a terminal.
// Both are valid UTF-8 whatever the source's names and values hold. As a page: inspect_html.h.
#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "engine/schema/assessment.h"
#include "engine/schema/plan.h"

namespace crossfade::schema {

// The synthetic _crossfade_rowid is not listed as a column: it is the table's "identity".
[[nodiscard]] nlohmann::json to_json(const Plan& plan);
[[nodiscard]] nlohmann::json to_json(const Plan& plan, const Assessment& assessment);

struct TextOptions {
  bool colour = false;
  size_t width = 0;  // of the terminal, in characters; 0: lines are never wrapped
};

// The grade and the numbers first, then findings by severity, tables with their types, the DDL, and
// one closing line with the verdict.
[[nodiscard]] std::string to_text(const Plan& plan, const Assessment& assessment,
                                  const TextOptions& options);

[[nodiscard]] const char* to_string(Severity severity);
// One or two sentences on what the grade means for this plan.
[[nodiscard]] std::string grade_meaning(const Plan& plan);
// "ready with decisions"
[[nodiscard]] const char* grade_title(Grade grade);

}  // namespace crossfade::schema
