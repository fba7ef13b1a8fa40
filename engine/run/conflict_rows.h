// Rows of crossfade.conflicts as jsonb, every value with its class, and back.
//
// {"column": value, ...} with values as TargetType::kVariant has them (apply/variant.h).
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "engine/core/schema.h"
#include "engine/core/value.h"

namespace crossfade::run {

// A column whose name is no UTF-8 goes by schema::printable()'s.
[[nodiscard]] std::string row_to_jsonb(const Table& table, const Row& row);

// Nothing: it is none of the forms.
[[nodiscard]] std::optional<Value> value_from_jsonb(const nlohmann::json& value);
// Nothing: a column is missing, or a value is none of the forms.
[[nodiscard]] std::optional<Row> row_from_jsonb(const Table& table, const nlohmann::json& row);

// A value as a person reads it: a SQL literal, and the bytes of a text that is none.
[[nodiscard]] std::string shown_value(const nlohmann::json& value);

}  // namespace crossfade::run
