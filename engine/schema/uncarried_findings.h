// Findings that follow from declarations: what is not carried, with its original text, and what
// means something else on the target.
#pragma once

#include <vector>

#include "engine/core/schema.h"
#include "engine/schema/catalog.h"
#include "engine/schema/finding.h"

namespace crossfade::schema {

// About one table: names, ON CONFLICT, collations, its triggers. Its searches must be planned.
void find_uncarried(const Catalog& catalog, const Table& table, std::vector<Finding>* findings);

// About the database: triggers of views, the encoding.
void find_uncarried(const Catalog& catalog, std::vector<Finding>* findings);

// Tables and views of the application's that are named as ours are: blockers.
void find_reserved_names(const Catalog& catalog, std::vector<Finding>* findings);

// A default that has no equal of the column's target type.
[[nodiscard]] Finding default_finding(const Table& table, const Column& column,
                                      const std::string& why);

}  // namespace crossfade::schema
