// `inspect --html`: the assessment as one page to hand to somebody else.
#pragma once

#include <string>

#include "engine/schema/assessment.h"

namespace crossfade::schema {

// One HTML document without scripts, links out or anything else to load; valid UTF-8 whatever the
// source's names and values hold, and all of them as text. `made_at` is shown as it is.
[[nodiscard]] std::string to_html(const Plan& plan, const Assessment& assessment,
                                  const std::string& made_at);

}  // namespace crossfade::schema
