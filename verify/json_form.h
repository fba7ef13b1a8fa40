// Which texts PostgreSQL's json and jsonb hold, seen from verify's side.
#pragma once

#include <string_view>

namespace crossfade::verify {

// A text of RFC 8259, at most 256 levels deep, in UTF-8 without NUL.
[[nodiscard]] bool is_json_text(std::string_view text);

// The same, where each token and each space is what jsonb prints, and keys stand in its order.
[[nodiscard]] bool is_jsonb_text(std::string_view text);

}  // namespace crossfade::verify
