// Columns of which nothing is stored, as in the tables that a framework's migrations just made:
// what is declared and what the default stores decide on a form.
#pragma once

#include <optional>

#include "engine/schema/default_value.h"
#include "engine/schema/type_choice.h"

namespace crossfade::schema {

// The form that is likely to come; a value that has another one widens the column. Nothing: the
// declaration names no form or several, or the default is not of it, and `plain` stays.
[[nodiscard]] std::optional<TypeChoice> choose_declared_form(const Column& column,
                                                             const ColumnPlace& place,
                                                             const TypeChoice& plain,
                                                             DefaultTranslator* defaults);

}  // namespace crossfade::schema
