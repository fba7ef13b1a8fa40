// Chunks of tables whose keys the two sides order differently. See verify/chunk.h.
#pragma once

#include <cstddef>
#include <memory>

#include "verify/chunk.h"

namespace crossfade::verify {

// Reads the whole table and keeps the `rows_max` rows with the smallest canonical keys above
// `after` (empty, or one Blob: a canonical key), holding at most 1.25 x rows_max of them at a time.
// `through` is the largest key kept, as such a Blob, or empty when nothing lies beyond.
Result<SourceChunk> read_unordered_chunk(sqlite::Connection& source,
                                         const std::shared_ptr<const Table>& table,
                                         const Row& after, size_t rows_max,
                                         DigestKind digest = DigestKind::kXxh3);

}  // namespace crossfade::verify
