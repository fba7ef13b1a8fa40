// Decimals in canonical form: '#', a sign, the exponent, the significant digits.
//
// The value is 0.DIGITS x 10^exponent, the digits without leading or trailing zeros, so that 5,
// 5.0 and 5.00 are one form, and so are all zeros. A REAL is its shortest digits that read back as
// the same double: 0.1 is 0.1, and two different doubles never share a form.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "engine/core/value.h"

namespace crossfade::verify {

void append_decimal(int64_t value, std::string* out);
void append_decimal(double value, std::string* out);
// `field` is PostgreSQL's binary numeric. False, and nothing appended, when it is none.
[[nodiscard]] bool append_decimal_numeric(std::string_view field, std::string* out);

// The value of a whole form: INTEGER if it is one that 64 bits hold, else the nearest REAL. Nothing
// for a NaN.
[[nodiscard]] std::optional<Value> decimal_value(std::string_view form);

// For people: the text of the decimal at the start of `form`, which is moved behind it.
std::string take_decimal_text(std::string_view* form);

}  // namespace crossfade::verify
