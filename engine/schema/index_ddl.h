// CREATE INDEX for the target, of a plain, partial, collated or expression index; of a constraint,
// where PostgreSQL has its equal, ALTER TABLE ... ADD CONSTRAINT ... UNIQUE.
#pragma once

#include <string>
#include <vector>

#include "engine/core/schema.h"
#include "engine/schema/scan.h"

namespace crossfade::schema {

struct IndexDdl {
  std::string sql;
  std::string obstacle;  // why there is no SQL; empty: there is
};

// `kept_back`: columns whose values the target does not hold as they are.
[[nodiscard]] IndexDdl make_index_ddl(const Table& table, const Index& index,
                                      const TableEvidence& evidence,
                                      const std::vector<std::string>& kept_back,
                                      const std::string& name, const std::string& target_schema);

// Whether the target's index is on the columns themselves, and on all rows.
[[nodiscard]] bool is_plain_on_target(const Table& table, const Index& index);

// Whether it is a UNIQUE constraint there too: PostgreSQL has them of columns as they are, each
// once.
[[nodiscard]] bool is_constraint_on_target(const Table& table, const Index& index);

}  // namespace crossfade::schema
