// The numbers of an assessment as short lines, the same in the terminal and on the page.
#pragma once

#include <string>
#include <vector>

#include "engine/schema/assessment.h"

namespace crossfade::schema {

struct Fact {
  std::string label;  // "file", "writes"
  std::string value;  // a few words; printable
  std::string basis;  // where it is from, or what it means; may be empty
};

// Not about the target.
[[nodiscard]] std::vector<Fact> source_facts(const Plan& plan, const Assessment& assessment);
[[nodiscard]] std::vector<Fact> target_facts(const Assessment& assessment);
// "2 take minutes, 1 takes hours"
[[nodiscard]] std::string effort_sentence(const Plan& plan);

}  // namespace crossfade::schema
