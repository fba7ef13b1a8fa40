// DECIMAL(p,s) as declared, and whether a value fits it digit for digit.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace crossfade::schema {

struct DecimalLimits {
  int precision = 0;  // 1-1000
  int scale = 0;      // 0..precision
};

// Of "DECIMAL(10, 2)" and "NUMERIC(8)"; nothing when PostgreSQL's numeric takes no such limits.
[[nodiscard]] std::optional<DecimalLimits> decimal_limits(std::string_view declared_type);

// The n of VARCHAR(n), CHAR(n) and their like.
[[nodiscard]] std::optional<int64_t> declared_length(std::string_view declared_type);

// Nothing is rounded: the shortest digits that give the REAL back have to fit.
[[nodiscard]] bool fits(int64_t value, const DecimalLimits& limits);
[[nodiscard]] bool fits(double value, const DecimalLimits& limits);

}  // namespace crossfade::schema
