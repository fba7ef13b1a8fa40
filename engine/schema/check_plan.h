// Which CHECKs can be carried, and their DDL on the target.
#pragma once

#include <string>
#include <vector>

#include "engine/core/schema.h"
#include "engine/schema/finding.h"
#include "engine/schema/target_names.h"

namespace crossfade::schema {

struct Rules;

// Fills table->checks, in the order they are written. Types, NOT NULLs and the names of the other
// constraints must be decided. One without an equal on the target has no DDL and is a finding that
// says which part has none. `rules` may be null.
void plan_checks(const Rules* rules, const TableNames& names, const std::string& target_schema,
                 Table* table, std::vector<Finding>* findings);

// Also for a CHECK that only the target turns out to refuse.
[[nodiscard]] Finding check_finding(const Table& table, const std::string& column,
                                    const Check& check, const std::string& why);

}  // namespace crossfade::schema
