// Findings about what the recognisers saw: why a type that the declaration or most of the values
// call for is not taken, and what a number or a blob may be that stays plain.
#pragma once

#include <vector>

#include "engine/core/schema.h"
#include "engine/schema/finding.h"
#include "engine/schema/scan.h"

namespace crossfade::schema {

void find_in_forms(const Table& table, const TableEvidence& evidence,
                   std::vector<Finding>* findings);

}  // namespace crossfade::schema
