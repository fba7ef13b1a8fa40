// From which number on new rows are counted: a cutover hands that over to the target's sequences, a
// rollback hands it back.
//
// Threads: the connections'.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/core/result.h"
#include "engine/run/move.h"

namespace crossfade::run {

// The sequence that is the column's own, or the one that its default takes numbers from, which
// nobody need own: its name as SQL has it.
Result<std::optional<std::string>> sequence_of(postgres::Connection& target,
                                               const std::string& target_schema, const Table& table,
                                               size_t column);

// Every identity column's sequence goes above the largest key on the source and above its
// sqlite_sequence. `source` must see the final position.
Status hand_over_sequences(Move& move, sqlite::Connection& source);

// The same while applications write to the target and take numbers there: none goes back.
Status raise_sequences(Move& move, sqlite::Connection& source);

// The way back, inside the caller's transaction on the source: sqlite_sequence of every
// AUTOINCREMENT table is at least what the target's sequence has given out. Others number on from
// their largest key.
Status hand_back_sequences(postgres::Connection& target, const std::string& target_schema,
                           const std::vector<TargetTable>& tables, sqlite::Connection& source);

}  // namespace crossfade::run
