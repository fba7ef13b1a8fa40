// Result<T>: a T, or the Error that says why not. CROSSFADE_TRY passes an error up.
#pragma once

#include <boost/outcome/basic_result.hpp>
#include <boost/outcome/policy/terminate.hpp>
#include <boost/outcome/try.hpp>
#include <utility>

#include "engine/core/error.h"

namespace crossfade {

template <typename T>
using Result = boost::outcome_v2::basic_result<T, Error, boost::outcome_v2::policy::terminate>;

using Status = Result<void>;

[[nodiscard]] inline auto ok() {
  return boost::outcome_v2::success();
}
[[nodiscard]] inline auto fail(Error error) {
  return boost::outcome_v2::failure(std::move(error));
}

}  // namespace crossfade

// NOLINTBEGIN(cppcoreguidelines-macro-usage): an early return needs a macro.
// CROSSFADE_TRY(expression) or CROSSFADE_TRY(auto name, expression)
#define CROSSFADE_TRY(...) BOOST_OUTCOME_TRY(__VA_ARGS__)
// NOLINTEND(cppcoreguidelines-macro-usage)
