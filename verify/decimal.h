// Decimals in canonical form: '#', a sign, the exponent, the significant digits.
//
// The value is 0.DIGITS x 10^exponent, the digits without leading or trailing zeros, so that 5,
// 5.0 and 5.00 are one form, and so are all zeros. A REAL is its shortest digits that read back as
// the same double: 0.1 is 0.1, and two different doubles never share a form.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace crossfade::verify {

void append_decimal(int64_t value, std::string* out);
void append_decimal(double value, std::string* out);
// `field` is PostgreSQL's binary numeric. False, and nothing appended, when it is none.
[[nodiscard]] bool append_decimal_numeric(std::string_view field, std::string* out);

// For people: the text of the decimal at the start of `form`, which is moved behind it.
std::string take_decimal_text(std::string_view* form);

}  // namespace crossfade::verify
