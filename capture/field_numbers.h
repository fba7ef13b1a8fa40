// The numbers among PostgreSQL's fields, read exactly or not at all.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "engine/core/value.h"

namespace crossfade::capture {

[[nodiscard]] std::optional<int64_t> read_integer(std::string_view field);
// float8's text: "0.1", "1e+300", "-Infinity". SQLite stores no NaN.
[[nodiscard]] std::optional<double> read_double(std::string_view field);
[[nodiscard]] std::optional<float> read_float(std::string_view field);

// numeric's text, without an exponent. INTEGER when it is whole and 64 bits hold it, else the REAL
// whose shortest digits these are; nothing when there is none.
[[nodiscard]] std::optional<Value> read_decimal(std::string_view field);
// The same with the class told by the point: 1 is an INTEGER, 1.0 a REAL.
[[nodiscard]] std::optional<Value> read_pointed(std::string_view field);

}  // namespace crossfade::capture
