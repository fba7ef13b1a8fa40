// How PostgreSQL's writes are had for SQLite after a cutover.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace crossfade {

enum class WayBackKind : uint8_t {
  kSlot,    // logical decoding
  kOutbox,  // triggers that write into a table
};

[[nodiscard]] constexpr const char* to_string(WayBackKind kind) {
  return kind == WayBackKind::kOutbox ? "outbox" : "slot";
}

[[nodiscard]] inline std::optional<WayBackKind> parse_way_back_kind(std::string_view text) {
  if (text == "slot") return WayBackKind::kSlot;
  if (text == "outbox") return WayBackKind::kOutbox;
  return std::nullopt;
}

}  // namespace crossfade
