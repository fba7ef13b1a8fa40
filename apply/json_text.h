// Whether PostgreSQL takes a text as json, and whether jsonb would give the same text back.
#pragma once

#include <string_view>

namespace crossfade::apply {

// RFC 8259 as json_in() reads it: any white space, duplicate keys and \u0000 are kept as they are.
// Valid UTF-8 without NUL; at most 256 levels deep, because the server's own bound is its stack.
[[nodiscard]] bool is_json(std::string_view text);

// JSON in the very bytes that jsonb_out() writes: keys unique and ordered by length, then bytes;
// ", " and ": "; numbers without exponent, and no zero with a sign; strings escaped only as needed.
[[nodiscard]] bool is_jsonb_spelling(std::string_view text);

}  // namespace crossfade::apply
