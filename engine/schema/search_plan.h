// What stands on the target for full-text tables: a generated tsvector column with a GIN index, or
// for the trigram tokenizer an index of pg_trgm.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "engine/core/schema.h"
#include "engine/schema/finding.h"
#include "engine/schema/fts_source.h"
#include "engine/schema/scan.h"
#include "engine/schema/target_names.h"

namespace crossfade::schema {

struct SearchOptions {
  std::string target_schema;
  std::string trgm_schema;  // where pg_trgm is; empty: it is not there
};

// Fills table->searches from those of `sources` that are about it, with findings for each. Types
// must be chosen. A column that is generated holds what any row says: no text makes it fail.
void plan_searches(const std::vector<FtsSource>& sources, const TableEvidence& evidence,
                   const std::map<std::string, TableNames>& names, const SearchOptions& options,
                   Table* table, std::vector<Finding>* findings);

// Those of `sources` that are about no table: blockers where rows are nowhere else. `tables` are
// planned.
void find_unplaced_searches(const std::vector<FtsSource>& sources,
                            const std::vector<const Table*>& tables,
                            const std::map<std::string, TableNames>& names,
                            const SearchOptions& options, std::vector<Finding>* findings);

// Also for one that only the target turns out to refuse.
[[nodiscard]] Finding search_finding(const std::string& source, const std::string& why,
                                     std::string remedy);

// The blocker: its rows are nowhere else.
[[nodiscard]] Finding only_copy_finding(const FtsSource& source);

// Whether the trigger keeps nothing but full-text tables current that the target keeps itself.
[[nodiscard]] bool is_covered(const Table& table, const Trigger& trigger);

}  // namespace crossfade::schema
