// Outcome<T>: a T, or the Refusal that says which part of the SQL has no equal, and what to do.
//
// A refusal is no error of the program: it becomes a finding. CROSSFADE_TRY passes it up.
#pragma once

#include <boost/outcome/basic_result.hpp>
#include <boost/outcome/policy/terminate.hpp>
#include <cstddef>
#include <string>

#include "engine/core/result.h"

namespace crossfade::schema::expression {

struct Refusal {
  std::string reason;  // one sentence, with the remedy when there is one
  size_t offset = 0;   // bytes into the SQL that was given, of the part that is refused
  size_t length = 0;
};

template <typename T>
using Outcome = boost::outcome_v2::basic_result<T, Refusal, boost::outcome_v2::policy::terminate>;

[[nodiscard]] inline auto refuse(size_t offset, size_t length, std::string reason) {
  return boost::outcome_v2::failure(Refusal{std::move(reason), offset, length});
}

}  // namespace crossfade::schema::expression
