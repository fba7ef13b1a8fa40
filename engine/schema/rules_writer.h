// A plan as a rules file to begin with: every decision as a comment, and the rules in force as they
// are. It reads back without a problem and changes nothing.
#pragma once

#include <string>

#include "engine/schema/plan.h"
#include "engine/schema/rules.h"

namespace crossfade::schema {

[[nodiscard]] std::string write_rules(const Plan& plan, const Rules* rules);

}  // namespace crossfade::schema
