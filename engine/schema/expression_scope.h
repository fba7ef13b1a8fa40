// What an expression of a planned table may name, and how that stands on the target.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/schema.h"
#include "engine/schema/expression/outcome.h"
#include "engine/schema/expression/translate.h"

namespace crossfade::schema {

struct Rules;

// The types must be chosen. `table` need not outlive it.
[[nodiscard]] expression::Scope expression_scope(const Table& table);

// The source's columns that a rule excludes, masks or changes on the way: what the target holds
// says nothing about their values.
[[nodiscard]] std::vector<std::string> kept_back_columns(const Rules* rules, const Table& table);

// The first of `columns` that the SQL names, in any quotes: a double-quoted name without its column
// would be read as a text.
[[nodiscard]] std::optional<std::string> find_named(std::string_view sql,
                                                    const std::vector<std::string>& columns);

// For a finding: the reason, with the part that is refused if that is not all of it.
[[nodiscard]] std::string describe(const expression::Refusal& refusal, std::string_view sql);

}  // namespace crossfade::schema
