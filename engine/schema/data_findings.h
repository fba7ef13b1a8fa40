// Findings that follow from the stored values of one table, once its types are chosen.
#pragma once

#include <vector>

#include "engine/core/schema.h"
#include "engine/schema/finding.h"
#include "engine/schema/scan.h"

namespace crossfade::schema {

// Mixed classes, text PostgreSQL cannot hold, values and keys beyond its limits, NULLs where the
// declaration has none.
void find_in_data(const Table& table, const TableEvidence& evidence,
                  std::vector<Finding>* findings);

// The declared primary key holds NULLs, so `table` has just been given a surrogate.
[[nodiscard]] Finding null_key_finding(const Table& table, const RowTally& null_keys);

}  // namespace crossfade::schema
