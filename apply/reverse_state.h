// The tables that SQLite keeps for the way back (docs/change_log_format.md).
//
// Threads: the connection's. All but make_reverse_tables() run in the caller's transaction, if any.
#pragma once

#include "apply/source_writer.h"
#include "engine/core/result.h"
#include "engine/sqlite/connection.h"

namespace crossfade::apply {

inline constexpr const char* kReverseTable = "_crossfade_reverse";
inline constexpr const char* kMisfitsTable = "_crossfade_misfits";

// Makes them if they are absent, in a transaction of its own; else only looks.
Status make_reverse_tables(sqlite::Connection& source);
Status write_reverse_state(sqlite::Connection& source, const ReverseState& state);

}  // namespace crossfade::apply
