// Text as a rule wants it (docs/rules.md): the forms kTextBytes to kMasked.
#pragma once

#include <string>

#include "apply/codec.h"

namespace crossfade::apply {

// Appends the field; false, and nothing appended: the value does not fit.
[[nodiscard]] bool append_policy_field(const ValueView& value, const ColumnType& type,
                                       std::string* out);

}  // namespace crossfade::apply
