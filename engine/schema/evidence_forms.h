// From what the recognisers saw to a type with a form. A form is chosen only when every value of
// the column has it, and there is at least one.
#pragma once

#include <optional>

#include "engine/schema/scan.h"
#include "engine/schema/type_choice.h"

namespace crossfade::schema {

// `plain` is the column's plain type. Nothing: it stays.
[[nodiscard]] std::optional<TypeChoice> choose_form(const Column& column,
                                                    const ColumnEvidence& evidence,
                                                    const ColumnPlace& place,
                                                    const TypeChoice& plain);

// The values, whatever the column's place, are all valid JSON of the kind that the column may
// hold: objects and arrays, and scalars too where it is declared JSON.
[[nodiscard]] bool is_all_json(const ColumnEvidence& evidence);

}  // namespace crossfade::schema
