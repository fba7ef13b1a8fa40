// Which generated columns the target computes too, and by what expression.
#pragma once

#include <string>
#include <vector>

#include "engine/core/schema.h"
#include "engine/schema/finding.h"
#include "engine/schema/rules_plan.h"
#include "engine/schema/scan.h"

namespace crossfade::schema {

struct Rules;

// Fills Column::target_generated where the expression has an exact equal; such a column is widened
// (made plain) for a row that the target turns out to refuse. Every other generated column stays
// plain, and is a finding that says why. Types and NOT NULLs must be decided, the policies for
// misfits not yet; but where nothing is stored nor declared, the expression gives the column its
// type. `plain`: columns that are not to be computed. `rules` may be null.
void plan_generated(const Rules* rules, const PlainColumns& plain, const TableEvidence& evidence,
                    Table* table, std::vector<Finding>* findings);

// Also for a column that only the target turns out to refuse.
[[nodiscard]] Finding generated_finding(const Table& table, const Column& column,
                                        const std::string& why);

}  // namespace crossfade::schema
