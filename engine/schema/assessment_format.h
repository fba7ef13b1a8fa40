// Numbers as people read them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace crossfade::schema {

[[nodiscard]] std::string format_count(int64_t number);    // "1,234,567"
[[nodiscard]] std::string format_bytes(int64_t bytes);     // "270.3 MB"; 1 MB is 1,000,000 bytes
[[nodiscard]] std::string format_seconds(double seconds);  // "4 s", "12 min", "3.5 h"
[[nodiscard]] std::string plural(int64_t number, std::string_view noun);  // "1 row", "2 rows"

}  // namespace crossfade::schema
