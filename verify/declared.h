// The canonical form of columns whose declared type is narrower than its base: integer, smallint,
// real, varchar(n), char(n), timestamp(p), enums. It is the base's; not every value has one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "engine/core/column_type.h"

namespace crossfade::verify {

// Whether the value whose form `canonical` holds from `start` on goes through the declared type.
[[nodiscard]] bool passes_declared(const std::string& canonical, size_t start,
                                   const ColumnType& type);

// Whether a moment has no more digits after the second than the type keeps.
[[nodiscard]] bool passes_digits(int64_t micros, const ColumnType& type);

// The field as the base type would have it; `buffer` holds it where it is another.
[[nodiscard]] std::string_view as_base_field(std::string_view field, const ColumnType& type,
                                             std::string* buffer);

}  // namespace crossfade::verify
