// SQLite takes the application's writes again: its fence comes down, and what stood still while
// PostgreSQL was the primary is brought up to date.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/core/result.h"
#include "engine/run/move.h"

namespace crossfade::run {

// Rebuilds full-text indexes of external content, which triggers keep in step otherwise. Returns
// the full-text tables with text of their own: they lack what was written to PostgreSQL.
Result<std::vector<std::string>> refresh_searches(Move& move);
// The same after only these tables were written to, in the caller's transaction.
Result<std::vector<std::string>> refresh_searches_of(sqlite::Connection& source,
                                                     const std::vector<std::string>& written);

// Notes in the change log that SQLite has what PostgreSQL wrote, if it has. The fence is still up.
Status mark_reopened(sqlite::Connection& source);

// Takes the fence down, unless the file's schema is not `known` any more, which it was before the
// target said that SQLite is the primary: then false, because another engine may have closed it
// again. `schema_version`: as it was while the fence was up; when it still is, the target is told
// the new one, so that nothing is taken for changed that only lost its fence.
Result<bool> open_source(Move& move, int64_t known, std::optional<int64_t> schema_version);

}  // namespace crossfade::run
