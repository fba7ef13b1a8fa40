// Numbers for new rows while both sides give them out: so that they never give out the same.
//
// SQLite takes the largest key plus one, whatever it is. Of an AUTOINCREMENT table it takes
// sqlite_sequence's too: so that is raised by a block, and PostgreSQL's sequence has the numbers of
// the block, which lie below all that SQLite gives out from then on. Of other tables PostgreSQL's
// sequence counts down from below the smallest key, at most from -1: whatever it gives out does not
// raise the largest.
//
// What a sequence was before stands in crossfade.numbers, written in the transaction that changes
// it: whoever ends the move, in whatever state, gives it back.
//
// Threads: the connections'.
#pragma once

#include <set>
#include <string>

#include "apply/source_writer.h"
#include "engine/core/deadline.h"
#include "engine/core/result.h"
#include "engine/run/move.h"

namespace crossfade::run {

// `shared`: tables that keep their numbers as they are. Idempotent: a block that is half used up is
// followed by another. kRetry when SQLite's write lock is not to be had, or when a transaction that
// has taken a number from a sequence is still open (is_lock_timeout()): what was done until then
// holds.
Status keep_numbers_apart(Move& move, apply::SourceWriter& source,
                          const std::set<std::string>& shared);

// Gives every sequence back what it was, inside the caller's transaction, and has it go on beyond
// the keys that are there. Nothing to do unless some were set apart.
Status join_numbers(postgres::Connection& target);
// In transactions of its own, until open transactions let go of the sequences. Beyond what the
// source has given out: hand_over_sequences().
Status join_numbers(Move& move, std::chrono::milliseconds patience);

}  // namespace crossfade::run
