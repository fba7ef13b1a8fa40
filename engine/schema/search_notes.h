// What people are told about full-text tables: how queries are written on the target, and what they
// find that they did not, or the other way round.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "engine/core/schema.h"
#include "engine/schema/fts_source.h"
#include "engine/schema/scan.h"

namespace crossfade::schema {

// MATCH rewritten, for this table.
[[nodiscard]] std::string query_in_postgres(const FtsSource& source, const Table& table,
                                            const Search& search);

// Sentences; none: nothing is known to differ. `columns`: the searched ones of `table`.
[[nodiscard]] std::vector<std::string> search_differences(const FtsSource& source,
                                                          const TableEvidence& evidence,
                                                          const Table& table,
                                                          const std::vector<size_t>& columns);

// For rows that only the full-text table has.
[[nodiscard]] std::string keep_rows_remedy(const std::string& virtual_table,
                                           const std::string& select_list);

}  // namespace crossfade::schema
