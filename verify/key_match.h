// Pairs the target's rows with the source's by key, whatever order they come in.
//
// meet() each target row, then finish(). Borrows the table and the rows; holds one pointer a row.
#pragma once

#include <string>
#include <vector>

#include "verify/chunk.h"

namespace crossfade::verify {

class KeyMatch {
 public:
  KeyMatch(const Table& table, const std::vector<RowDigest>& source);

  // A second row of one key is extra: the target has lost its unique index. `sha256`: where the
  // source's rows have theirs.
  void meet(const std::string& key, const Digest128& digest, ChunkVerdict* verdict,
            const Sha256Bytes* sha256 = nullptr);
  // Counts the source's rows that met none.
  void finish(ChunkVerdict* verdict);

 private:
  struct Entry {
    const RowDigest* row;
    bool met = false;
  };
  const Table& table_;
  std::vector<Entry> entries_;  // by key
};

}  // namespace crossfade::verify
