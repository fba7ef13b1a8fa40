// Columns that the target computes (Column::target_generated), and rows for which it cannot.
#pragma once

#include <string>

#include "engine/core/result.h"
#include "engine/core/schema.h"
#include "engine/core/value.h"
#include "engine/postgres/connection.h"

namespace crossfade::apply {

// A row that the target refused without saying for which column: the first of those columns that it
// cannot compute from the row, each tried alone; empty when it can compute all. Inside the caller's
// transaction, which stays as it was.
Result<std::string> find_not_computable(postgres::Connection& target, const Table& table,
                                        const Row& row);

}  // namespace crossfade::apply
