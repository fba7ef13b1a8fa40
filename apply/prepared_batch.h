// What a batch comes to, in the forms in which it is sent: worked out ahead, so that the server
// does not wait for it between two statements.
//
// Threads: any; nothing here touches a database. Views into the batch, which must outlive it and
// may be moved, but not changed.
#pragma once

#include <cstddef>
#include <vector>

#include "apply/encoder.h"
#include "apply/net_changes.h"
#include "apply/row_writer.h"
#include "engine/core/change.h"

namespace crossfade::apply {

struct PreparedTable {
  struct Unfit {
    const NetRow* row;
    size_t column;
  };

  NetTable net;
  EncodedKeys gone;                   // of the rows that are to be there before
  EncodedRows rows;                   // the final ones that fit
  std::vector<const NetRow*> origin;  // whose they are
  std::vector<Unfit> unfit;           // the others
};

struct PreparedBatch {
  std::vector<PreparedTable> tables;
  [[nodiscard]] size_t size_bytes() const;
};

// Rows are in the order of their keys, so that neighbours in the key's index are written one after
// another: 6% of the time of a backlog with 40% updates (docs/performance.md). `server_version`:
// what it cannot hold does not fit (encoder.h).
[[nodiscard]] PreparedBatch prepare(std::vector<NetTable> net, int server_version);

}  // namespace crossfade::apply
