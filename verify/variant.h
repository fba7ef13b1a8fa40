// A SQLite value with its class inside jsonb (TargetType::kVariant), seen from verify's side.
#pragma once

#include <string>
#include <string_view>

#include "engine/core/value.h"

namespace crossfade::verify {

// `json` is jsonb's text form as the server prints it: numbers keep their scale and never have an
// exponent, so an INTEGER and a REAL are told apart by the point. Anything crossfade never writes
// (null, true, arrays, other objects, integers beyond 64 bits) becomes a '?' form.
void append_variant(std::string_view json, std::string* out);

// JSON text of a value, to look it up by jsonb equality. NULL has none: the caller keeps it away.
[[nodiscard]] std::string variant_json(const Value& value);

}  // namespace crossfade::verify
