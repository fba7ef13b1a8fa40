// Numbers for new rows while both sides give them out: so that they never give out the same.
//
// SQLite takes the largest key plus one, whatever it is. Of an AUTOINCREMENT table it takes
// sqlite_sequence's too: so that is raised by a block, and PostgreSQL's sequence has the numbers of
// the block, which lie below all that SQLite gives out from then on. Of other tables PostgreSQL's
// sequence counts down from below the smallest key, at most from -1: whatever it gives out does not
// raise the largest.
// Threads: the connections'.
#pragma once

#include <set>
#include <string>

#include "apply/source_writer.h"
#include "engine/core/result.h"
#include "engine/run/move.h"

namespace crossfade::run {

// `shared`: tables that keep their numbers as they are. Idempotent: a block that is half used up is
// followed by another. kRetry when SQLite's write lock is not to be had.
Status keep_numbers_apart(Move& move, apply::SourceWriter& source,
                          const std::set<std::string>& shared);

// Sequences count up by one again; hand_over_sequences() says from where.
Status join_numbers(Move& move);

}  // namespace crossfade::run
