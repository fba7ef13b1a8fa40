// Assertions for what cannot happen, live in release builds: a crash restarts from a watermark,
// while a wrong row spreads.
#pragma once

#include <fmt/core.h>

#include <string>

namespace crossfade::internal {
[[noreturn]] void assertion_failed(const char* condition, const char* file, int line,
                                   const std::string& detail);
}  // namespace crossfade::internal

// NOLINTNEXTLINE(cppcoreguidelines-macro-usage): it must capture the condition's text and place.
#define CROSSFADE_ASSERT(condition, ...)                                      \
  do {                                                                        \
    if (!(condition)) [[unlikely]] {                                          \
      ::crossfade::internal::assertion_failed(#condition, __FILE__, __LINE__, \
                                              fmt::format(__VA_ARGS__));      \
    }                                                                         \
  } while (false)
