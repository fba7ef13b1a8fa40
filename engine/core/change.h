// Changes as they leave the source: rows with their positions, in batches that end at a watermark.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "engine/core/schema.h"
#include "engine/core/strong.h"
#include "engine/core/value.h"

namespace crossfade {

enum class ChangeOp : uint8_t {
  kInsert,  // `after` is the row
  kUpdate,  // `before` and `after`; the key may differ
  kDelete,  // `before` is the row
  // `before` is a row that a REPLACE removed without firing a DELETE trigger: the whole row, or its
  // key alone where the log has no more (capture/trigger_sql.h).
  kVanish,
};

struct Change {
  Lsn lsn;
  std::shared_ptr<const Table> table;
  ChangeOp op = ChangeOp::kInsert;
  Row before;  // empty for kInsert; of some readers the key alone (capture/log_entries.h)
  Row after;   // empty for kDelete and kVanish
};

// Part of what lies between two watermarks. A watermark is the newest position in one snapshot of
// the source, so all parts up to `closes_watermark` together are whole source transactions. Settled
// parts before it may be of earlier snapshots.
struct ChangeBatch {
  std::vector<Change> changes;
  Lsn through;                   // every change at or below it, and above the last batch's, is here
  bool closes_watermark = true;  // false: more parts follow before the target may commit
  // False: rows were taken out that a later part of this watermark puts back. A commit here would
  // lose them if that part never came.
  bool settled = true;
  size_t bytes = 0;
  int64_t oldest_captured_us =
      0;  // monotonic clock, when the tail first saw this batch; for lag_ms
};

}  // namespace crossfade
