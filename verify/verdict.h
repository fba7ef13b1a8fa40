// How a verdict is filled: counts are exact, names stop at samples_max of each kind.
#pragma once

#include <string>

#include "verify/chunk.h"

namespace crossfade::verify {

// The kind's count.
[[nodiscard]] int64_t& count_of(ChunkVerdict* verdict, Difference::Kind kind);

// The source's row has no equal on the target: none of its key (kMissing), or another (kChanged).
void count_source_row(const Table& table, const RowDigest& row, Difference::Kind kind,
                      ChunkVerdict* verdict);
void count_extra(const Table& table, const std::string& canonical_key, ChunkVerdict* verdict);

}  // namespace crossfade::verify
