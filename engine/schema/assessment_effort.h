// How much work a finding asks of people. The table is in the .cc, with a reason for every code.
#pragma once

#include <cstdint>
#include <string>

#include "engine/schema/plan.h"

namespace crossfade::schema {

enum class Effort : uint8_t {
  kNone,     // read it
  kMinutes,  // one statement or one setting, by somebody who knows the data
  kHours,    // the application changes, or people have to find something out first
};

struct EffortEstimate {
  Effort effort = Effort::kNone;
  const char* reason = "";
};

struct EffortTotals {
  int64_t none = 0;
  int64_t minutes = 0;
  int64_t hours = 0;
};

// A code that the table does not list is judged by its severity; an info never asks for work.
[[nodiscard]] EffortEstimate effort_of(const Finding& finding);
[[nodiscard]] EffortTotals effort_totals(const Plan& plan);
[[nodiscard]] const char* to_string(Effort effort);

}  // namespace crossfade::schema
