// How rows and values are shown to a person in findings.
#pragma once

#include <string>
#include <vector>

#include "engine/core/value_view.h"

namespace crossfade::sqlite {
class Statement;
}

namespace crossfade::schema {

// A short literal, always valid UTF-8: 'ab\x00c', x'00ff', 42.
[[nodiscard]] std::string sample_literal(const ValueView& value);

// "id=42" or "(a, b)=(1, 'x')": the statement's `positions` under these names.
[[nodiscard]] std::string sample_key(const std::vector<std::string>& names,
                                     const std::vector<int>& positions,
                                     const sqlite::Statement& row);

}  // namespace crossfade::schema
