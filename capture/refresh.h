// Has rows of the source sent anew: each is logged as an update to what it is.
#pragma once

#include <vector>

#include "engine/core/result.h"
#include "engine/core/schema.h"
#include "engine/core/strong.h"
#include "engine/core/value.h"

namespace crossfade::sqlite {
class Connection;
}

namespace crossfade::capture {

struct Refreshed {
  std::vector<size_t> absent;  // into `keys`: there is no such row any more, nothing was logged
  Lsn through;                 // once the target has applied this, all of them have arrived
};

// One short write transaction. `table` is what was captured under `id`.
Result<Refreshed> log_refresh(sqlite::Connection& source, const Table& table, CaptureId id,
                              const std::vector<Row>& keys);

}  // namespace crossfade::capture
