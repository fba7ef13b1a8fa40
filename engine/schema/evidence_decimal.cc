#include "engine/schema/evidence_decimal.h"

#include <array>
#include <charconv>
#include <cmath>
#include <vector>

#include "engine/core/limits.h"

namespace crossfade::schema {
namespace {

// The numbers in the parentheses at the end of a declared type; nothing when there is anything
// else.
std::optional<std::vector<int64_t>> arguments(std::string_view declared_type) {
  const size_t open = declared_type.find('(');
  const size_t close = declared_type.find(')');
  if (open == std::string_view::npos || close == std::string_view::npos || close < open) {
    return std::nullopt;
  }
  std::vector<int64_t> out;
  std::string_view rest = declared_type.substr(open + 1, close - open - 1);
  while (true) {
    while (!rest.empty() && rest.front() == ' ') rest.remove_prefix(1);
    int64_t value = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), value);
    if (error != std::errc()) return std::nullopt;
    out.push_back(value);
    rest.remove_prefix(static_cast<size_t>(end - rest.data()));
    while (!rest.empty() && rest.front() == ' ') rest.remove_prefix(1);
    if (rest.empty()) return out;
    if (rest.front() != ',') return std::nullopt;
    rest.remove_prefix(1);
  }
}

}  // namespace

std::optional<DecimalLimits> decimal_limits(std::string_view declared_type) {
  const auto numbers = arguments(declared_type);
  if (!numbers || numbers->empty() || numbers->size() > 2) return std::nullopt;
  const int64_t precision = numbers->front();
  const int64_t scale = numbers->size() == 2 ? numbers->back() : 0;
  if (precision < 1 || precision > limits::kPgNumericPrecisionMax || scale < 0 ||
      scale > precision) {
    return std::nullopt;
  }
  return DecimalLimits{static_cast<int>(precision), static_cast<int>(scale)};
}

std::optional<int64_t> declared_length(std::string_view declared_type) {
  const auto numbers = arguments(declared_type);
  if (!numbers || numbers->size() != 1 || numbers->front() < 1) return std::nullopt;
  return numbers->front();
}

bool fits(int64_t value, const DecimalLimits& limits) {
  int digits = 0;
  for (int64_t rest = value; rest != 0; rest /= 10) ++digits;
  return digits <= limits.precision - limits.scale;
}

bool fits(double value, const DecimalLimits& limits) {
  if (!std::isfinite(value)) return false;
  if (value == 0) return !std::signbit(value);
  if (value == -0x1p63) return false;  // it would come back INTEGER
  std::array<char, 32> buffer{};
  const auto [end, error] = std::to_chars(buffer.data(), buffer.data() + buffer.size(),
                                          std::fabs(value), std::chars_format::scientific);
  const std::string_view text(buffer.data(), static_cast<size_t>(end - buffer.data()));
  const size_t e = text.find('e');  // "d.ddde+xx", or "de+xx"
  const int digits = static_cast<int>(e == 1 ? 1 : e - 1);
  int exponent = 0;
  const size_t exponent_at = text[e + 1] == '+' ? e + 2 : e + 1;
  std::from_chars(text.data() + exponent_at, text.data() + text.size(), exponent);
  return digits - 1 - exponent <= limits.scale && exponent + 1 <= limits.precision - limits.scale;
}

}  // namespace crossfade::schema
