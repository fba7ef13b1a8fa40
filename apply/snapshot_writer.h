// Writes copied chunks to the target: rows, misfits and the copy's progress in one transaction.
//
// The commits are asynchronous (synchronous_commit = off): a crash of the server loses rows and
// progress together, and the copy goes on from there. What follows the copy commits synchronously,
// and so makes all of it durable.
// Threads: its connection's.
#pragma once

#include <string>

#include "apply/snapshot_reader.h"
#include "engine/core/result.h"
#include "engine/core/schema.h"
#include "engine/core/strong.h"
#include "engine/postgres/connection.h"

namespace crossfade::apply {

// `watermark`: the newest position when the chunk was read. An error whose remedy is kQuarantine is
// the server's refusal of some row, for its size mostly, which no type tells beforehand: nothing
// was written, and the caller finds the row (engine/run/copy_phase.cc).
Status write_copy_chunk(postgres::Connection& target, const std::string& target_schema,
                        LeaseToken token, const Table& table, const CopyChunk& chunk,
                        Lsn watermark);

// Adds the primary key. Rows that were copied twice, because their rowid moved during the copy,
// are reduced to one first; which one does not matter, since the change that moved it is replayed.
Status add_primary_key(postgres::Connection& target, const std::string& target_schema,
                       const Table& table);

}  // namespace crossfade::apply
