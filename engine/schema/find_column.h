// A table's column by the name that SQL gives it.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "engine/core/schema.h"

namespace crossfade::schema {

// Its index in `table.columns`. Names are SQLite's: ASCII case does not count. A synthetic column
// has no name on the source and is never found.
[[nodiscard]] std::optional<size_t> find_column(const Table& table, std::string_view name);

}  // namespace crossfade::schema
