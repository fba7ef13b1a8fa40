// How a verdict is filled: counts are exact, names stop at limits::kSamplesMax of each kind.
#pragma once

#include <string>

#include "verify/chunk.h"

namespace crossfade::verify {

// Whether one more name of this kind is wanted; names cost more than counts.
[[nodiscard]] bool wants_sample(const ChunkVerdict& verdict, Difference::Kind kind);
void add_sample(ChunkVerdict* verdict, Difference::Kind kind, std::string key);

// The source's row has no equal on the target: none of its key (kMissing), or another (kChanged).
void count_source_row(const Table& table, const RowDigest& row, Difference::Kind kind,
                      ChunkVerdict* verdict);
void count_extra(const Table& table, const std::string& canonical_key, ChunkVerdict* verdict);

}  // namespace crossfade::verify
