// Which views can be carried, and their DDL on the target.
#pragma once

#include <string>
#include <vector>

#include "engine/core/schema.h"
#include "engine/schema/catalog.h"
#include "engine/schema/finding.h"
#include "engine/schema/naming.h"

namespace crossfade::schema {

struct Rules;

struct ViewPlan {
  std::string name;         // the source's
  std::string source_sql;   // CREATE VIEW as written
  std::string target_name;  // unquoted
  std::string target_ddl;   // CREATE VIEW on the target
};

struct ViewOptions {
  std::string target_schema;
  Naming naming = Naming::kExact;
  const Rules* rules = nullptr;  // may be null
};

// Those that have an equal, each after the views that it reads. The others are findings that say
// which part has none; where rows may come out a little differently, a finding says how. `tables`
// are those that are carried, with their types chosen.
[[nodiscard]] std::vector<ViewPlan> plan_views(const std::vector<View>& views,
                                               const std::vector<const Table*>& tables,
                                               const ViewOptions& options,
                                               std::vector<Finding>* findings);

// COMMENT ON VIEW with its text in SQLite.
[[nodiscard]] std::string comment_ddl(const ViewPlan& view, const std::string& target_schema);

// Also for a view that only the target turns out to refuse.
[[nodiscard]] Finding view_finding(const std::string& name, const std::string& source_sql,
                                   const std::string& why);

}  // namespace crossfade::schema
