// What the target keeps for full-text tables of the source's.
#pragma once

#include <vector>

#include "engine/core/result.h"
#include "engine/core/schema.h"
#include "engine/postgres/connection.h"
#include "engine/schema/finding.h"

namespace crossfade::run {

// Inside the transaction that has just made the table: adds the columns, and tries their indexes,
// which are made once the rows are there. One that PostgreSQL refuses is left out of the table, and
// is a finding.
Result<std::vector<schema::Finding>> add_searches(postgres::Connection& target, Table* table);

}  // namespace crossfade::run
