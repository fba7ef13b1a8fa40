// Keys as people read them: id=42, (a, b)=(1, 'x'). SQLite's literals, so they can be pasted.
#pragma once

#include <string>
#include <string_view>

#include "engine/core/schema.h"
#include "engine/core/value.h"

namespace crossfade::verify {

// `key` holds the key columns' values, in key order.
[[nodiscard]] std::string key_text(const Table& table, const Row& key);

// From the canonical form of a key whose values are all representable (or foreign).
[[nodiscard]] std::string key_text(const Table& table, std::string_view canonical_key);

}  // namespace crossfade::verify
