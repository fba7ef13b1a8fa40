// What a column's declared type takes less than its base does: integer, smallint, real,
// varchar(n), char(n), timestamp(p), enums. On tables that somebody else made.
#pragma once

#include <cstddef>
#include <string>

#include "engine/core/column_type.h"

namespace crossfade::apply {

[[nodiscard]] bool is_narrowed(const ColumnType& type);

// `out` ends in a field of the base type, from `start` on, its length first. False: the declared
// type would not take it as it is.
[[nodiscard]] bool fits_declared(const std::string& out, size_t start, const ColumnType& type);

// Makes that field, which fits, one of the declared type's own width.
void narrow_field(size_t start, const ColumnType& type, std::string* out);

}  // namespace crossfade::apply
