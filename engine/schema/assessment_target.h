// What the target means for this move: findings about its reach, rights, disk and extensions.
#pragma once

#include <string>
#include <vector>

#include "engine/schema/assessment.h"

namespace crossfade::schema {

// The extensions crossfade could make use of, for TargetFacts::extensions.
[[nodiscard]] const std::vector<std::string>& known_extensions();

struct ExtensionAdvice {
  std::string name;
  std::string why;  // what in this database it would serve
};
[[nodiscard]] std::vector<ExtensionAdvice> advise_extensions(const Plan& plan,
                                                             const Catalog& catalog);

// None when no target was named. The plan is the one made for this target.
[[nodiscard]] std::vector<Finding> find_in_target(const Assessment& assessment, const Plan& plan,
                                                  const Catalog& catalog,
                                                  const std::string& target_schema);

}  // namespace crossfade::schema
