// Defaults of columns whose type has a form: what SQLite would have stored must be of the form.
#pragma once

#include <optional>
#include <string>

#include "engine/core/column_type.h"
#include "engine/core/value.h"

namespace crossfade::schema {

// `value` as an expression of `type`, which has a form; nothing when it is not of that form.
[[nodiscard]] std::optional<std::string> form_literal(const Value& value, const ColumnType& type);

// What strftime writes of `format` at some moment; nothing for letters no date is made of.
[[nodiscard]] std::optional<std::string> present_time_example(const std::string& format);

// The present time for a timestamp, timestamptz or date column; `format` is strftime's, in UTC.
// Nothing when the column's pattern is not what the format writes.
[[nodiscard]] std::optional<std::string> present_time_literal(const std::string& format,
                                                              const ColumnType& type);

}  // namespace crossfade::schema
