// Makes one table on the target.
#pragma once

#include <string>
#include <vector>

#include "engine/core/result.h"
#include "engine/core/schema.h"
#include "engine/postgres/connection.h"
#include "engine/schema/finding.h"

namespace crossfade::run {

// Inside a transaction. A generated column that PostgreSQL refuses to compute becomes a plain one
// in `table` and on the target, and is a finding. Any other refusal is an error.
Result<std::vector<schema::Finding>> create_table(postgres::Connection& target,
                                                  const std::string& target_schema, Table* table);

}  // namespace crossfade::run
