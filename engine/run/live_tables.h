// What a table gets once its rows are the source's: secondary indexes, unique keys, foreign keys.
//
// Secondary unique keys come only now, because while changes are replayed over the copy a value may
// stand in two rows for a moment.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "apply/net_changes.h"
#include "engine/core/result.h"
#include "engine/run/move.h"

namespace crossfade::run {

class EarlyRound;

// Turns tables that have caught up (applied >= consistent_lsn) live. Returns how many became so. An
// index that the target refuses is reported, not fatal: the rows are there. A table that somebody
// has locked is left to a later call, after a pause; StatusReport::trouble says who has.
// What `meanwhile` begins may read the tables on another connection until it is destroyed: it is
// called, at most once, where no statement will lock out readers.
Result<int> make_live(Move& move, Lsn applied,
                      const std::function<std::unique_ptr<EarlyRound>()>& meanwhile);

// Whether every table holds what the source did at `applied`, with or without its indexes.
[[nodiscard]] bool all_caught_up(const Move& move, Lsn applied);

// Those that are: the target holds exactly what it should of them at what is applied.
[[nodiscard]] apply::ExactTables live_tables(const Move& move);
[[nodiscard]] bool all_live(const Move& move);

// Adds the foreign keys that are missing, NOT VALID. While the stream is applied they may exist
// only if this role can keep them quiet (replica_role); then nothing looks at the references of
// what is applied, so none is valid before validate_foreign_keys(), once PostgreSQL is the primary.
// One that rows break stays NOT VALID, with a finding.
Status add_foreign_keys(Move& move);
// Takes them away where they could not be kept quiet: after a rollback, or a cutover that stepped
// back.
Status drop_foreign_keys(Move& move);
Status validate_foreign_keys(Move& move);

}  // namespace crossfade::run
