// The key that masked columns are hashed with: from CROSSFADE_MASK_KEY, read once, never logged and
// never stored. Any thread.
#pragma once

#include <cstddef>
#include <string_view>

namespace crossfade {

inline constexpr const char* kMaskKeyVariable = "CROSSFADE_MASK_KEY";
inline constexpr size_t kMaskKeyBytesMin = 16;

// Empty when there is none, or it is too short.
[[nodiscard]] std::string_view mask_key();

}  // namespace crossfade
