// When a recogniser gives a column up: free text must not be tried row after row.
#pragma once

#include <cstdint>

namespace crossfade::schema {

// A few strangers among many values of the form are worth naming; a column of strangers is not.
inline constexpr int64_t kStrangersMax = 8;

[[nodiscard]] constexpr bool lost_interest(int64_t hits, int64_t strangers) {
  return strangers > kStrangersMax && strangers > hits / 4;
}

}  // namespace crossfade::schema
