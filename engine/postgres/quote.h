// The only two ways text becomes SQL for the target.
#pragma once

#include <string>
#include <string_view>

namespace crossfade::postgres {

// An identifier in double quotes, inner quotes doubled. The bytes must be UTF-8 without NUL.
[[nodiscard]] std::string quote(std::string_view identifier);

// schema.name, both quoted.
[[nodiscard]] std::string quote(std::string_view schema, std::string_view name);

// A literal that means `text` whatever standard_conforming_strings says.
[[nodiscard]] std::string quote_literal(std::string_view text);

}  // namespace crossfade::postgres
