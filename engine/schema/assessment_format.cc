#include "engine/schema/assessment_format.h"

#include <fmt/core.h>

#include <array>

namespace crossfade::schema {

std::string format_count(int64_t number) {
  const std::string digits = std::to_string(number);
  const size_t first = number < 0 ? 1 : 0;
  std::string out;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > first && (digits.size() - i) % 3 == 0) out += ',';
    out += digits[i];
  }
  return out;
}

std::string format_bytes(int64_t bytes) {
  constexpr std::array kUnits{"bytes", "kB", "MB", "GB", "TB", "PB"};
  if (bytes < 1000) return plural(bytes, "byte");
  auto size = static_cast<double>(bytes);
  size_t unit = 0;
  while (size >= 999.95 && unit + 1 < kUnits.size()) {
    size /= 1000;
    ++unit;
  }
  return fmt::format("{:.{}f} {}", size, size < 99.95 ? 1 : 0, kUnits[unit]);
}

std::string format_seconds(double seconds) {
  if (seconds < 1) return "under 1 s";
  if (seconds < 90) return fmt::format("{:.0f} s", seconds);
  if (seconds < 90 * 60) return fmt::format("{:.0f} min", seconds / 60);
  return fmt::format("{:.1f} h", seconds / 3600);
}

std::string plural(int64_t number, std::string_view noun) {
  if (number == 1) return fmt::format("1 {}", noun);
  const bool y = noun.size() > 1 && noun.ends_with('y') && !noun.ends_with("ey");
  const std::string_view stem = y ? noun.substr(0, noun.size() - 1) : noun;
  const std::string_view end = y ? "ies" : noun.ends_with('x') ? "es" : "s";
  return fmt::format("{} {}{}", format_count(number), stem, end);
}

}  // namespace crossfade::schema
