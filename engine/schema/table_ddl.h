// The target's DDL of one table: CREATE TABLE, primary key, indexes. Foreign keys are made in
// foreign_key_plan.h, once every table's types are known.
#pragma once

#include <string>
#include <vector>

#include "engine/core/schema.h"
#include "engine/schema/finding.h"
#include "engine/schema/scan.h"
#include "engine/schema/target_names.h"

namespace crossfade::schema {

// Fills create_table_ddl, primary_key_ddl and the indexes' target_ddl; an index that is not carried
// is a finding. `kept_back`: columns whose values the target does not hold as they are.
void write_ddl(const TableEvidence& evidence, const TableNames& names,
               const std::vector<std::string>& kept_back, const std::string& target_schema,
               Table* table, std::vector<Finding>* findings);

// CREATE TABLE, of columns as they are planned by now.
[[nodiscard]] std::string create_table_ddl(const Table& table, const std::string& target_schema);

// COMMENT ON TABLE: what it was in SQLite, comments in it included. Empty when a rule keeps a part
// of it back.
[[nodiscard]] std::string comment_ddl(const Table& table, const std::string& target_schema);

// Columns in parentheses: ("a", "b").
[[nodiscard]] std::string column_list(const std::vector<std::string>& names);

}  // namespace crossfade::schema
