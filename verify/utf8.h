// What PostgreSQL's text type can hold in a UTF-8 database.
#pragma once

#include <string_view>

namespace crossfade::verify {

// Valid UTF-8 (no overlong forms, no surrogates, nothing above U+10FFFF) without NUL.
[[nodiscard]] bool is_storable_text(std::string_view bytes);

}  // namespace crossfade::verify
