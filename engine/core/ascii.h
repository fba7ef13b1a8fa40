// Characters by their ASCII code, whatever the locale.
#pragma once

namespace crossfade {

[[nodiscard]] constexpr bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

}  // namespace crossfade
