// Which foreign keys can be carried, and their DDL on the target.
#pragma once

#include <string>
#include <vector>

#include "engine/core/result.h"
#include "engine/core/schema.h"
#include "engine/schema/finding.h"
#include "engine/schema/target_names.h"

namespace crossfade::sqlite {
class Connection;
}

namespace crossfade::schema {

// Fills target_ddl and target_constraint of the table's foreign keys. `parents` holds every table a
// key may refer to, with its types and DDL made, `table` itself included or not.
// A key is carried when the parent's columns are unique on the target, the types agree, and no
// stored row is an orphan; every other key is a finding.
Status plan_foreign_keys(sqlite::Connection& connection, const std::vector<const Table*>& parents,
                         const TableNames& names, const std::string& target_schema, Table* table,
                         std::vector<Finding>* findings);

}  // namespace crossfade::schema
