// One SQLite value as jsonb text that keeps its storage class (TargetType::kVariant).
//
// 1 is an INTEGER; 1.0 a REAL, always with a point and never an exponent, because jsonb keeps a
// number's digits after the point; "x" a TEXT; {"$blob":"00ff"} a BLOB; {"$text":"6100"} a TEXT
// that jsonb cannot hold (NUL, invalid UTF-8); {"$real":"Infinity"}, {"$real":"-0.0"}.
#pragma once

#include <string>
#include <string_view>

#include "engine/core/value.h"

namespace crossfade::apply {

// Appends the JSON text of `value`, which is not NULL.
void append_variant(const Value& value, std::string* out);

void append_variant_integer(int64_t value, std::string* out);
void append_variant_real(double value, std::string* out);
void append_variant_text(std::string_view value, std::string* out);
void append_variant_blob(std::string_view value, std::string* out);

// Valid UTF-8 (no surrogates, nothing overlong, nothing above U+10FFFF) and no NUL: what
// PostgreSQL's text accepts.
[[nodiscard]] bool is_target_text(std::string_view bytes);

}  // namespace crossfade::apply
