// Text as a rule wants it (docs/rules.md), by verify's own reckoning: the forms kTextBytes to
// kMasked. The reversible ones have the source's value as their canonical form, the one-way ones
// what the target should hold.
#pragma once

#include <string>
#include <string_view>

#include "engine/core/column_type.h"
#include "verify/canonical.h"

namespace crossfade::verify {

[[nodiscard]] bool is_policy(SourceForm form);
[[nodiscard]] bool append_policy_source(const ValueView& value, const ColumnType& type,
                                        std::string* out);
[[nodiscard]] bool append_policy_target(std::string_view field, const ColumnType& type,
                                        std::string* out);

}  // namespace crossfade::verify
