#include "engine/postgres/pg_lsn.h"

#include <fmt/format.h>

#include <charconv>

namespace crossfade::postgres {
namespace {

constexpr int kHalfBits = 32;

std::optional<uint32_t> parse_half(std::string_view text) {
  uint32_t out = 0;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, out, 16);
  if (parsed.ec != std::errc() || parsed.ptr != end) return std::nullopt;
  return out;
}

}  // namespace

std::string to_string(PgLsn lsn) {
  return fmt::format("{:X}/{:X}", lsn.value >> kHalfBits, lsn.value & UINT32_MAX);
}

std::optional<PgLsn> parse_pg_lsn(std::string_view text) {
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto high = parse_half(text.substr(0, slash));
  const auto low = parse_half(text.substr(slash + 1));
  if (!high || !low) return std::nullopt;
  return PgLsn{uint64_t{*high} << kHalfBits | *low};
}

}  // namespace crossfade::postgres
