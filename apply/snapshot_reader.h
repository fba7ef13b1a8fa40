// Reads a table in chunks for the initial copy, each already encoded for COPY.
//
// A chunk is read inside the caller's read transaction and remembers where it ended, so the copy
// resumes mid-table. Rowid tables go by rowid, up to the newest rowid there was at the start (what
// comes later is in the change log); WITHOUT ROWID tables by their primary key.
// A row whose key moves between chunks can be copied twice or not at all; the change log, replayed
// from before the copy, puts that right.
// Threads: the connection's.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "apply/encoder.h"
#include "apply/quarantine.h"
#include "engine/core/deadline.h"
#include "engine/core/result.h"
#include "engine/core/schema.h"
#include "engine/core/value.h"

namespace crossfade::sqlite {
class Connection;
class Statement;
}  // namespace crossfade::sqlite

namespace crossfade::apply {

// How far a table's copy has come. As text it is kept on the target beside the rows.
struct CopyPosition {
  bool started = false;
  int64_t rowid = INT64_MIN;      // rows up to it are copied
  int64_t rowid_end = INT64_MIN;  // the copy's last rowid
  bool rowid_done = false;        // `rowid` was a row: go on above it
  Row key;                        // WITHOUT ROWID: rows up to it are copied

  [[nodiscard]] std::string to_text() const;
  static std::optional<CopyPosition> from_text(const std::string& text);
};

struct CopyChunk {
  EncodedRows rows;
  std::vector<Misfit> misfits;
  size_t misfit_bytes = 0;
  CopyPosition position;  // after this chunk
  bool last = false;
  // A row has a NULL in its declared key: the table must be planned anew, with another identity.
  // The rows here are then of no use.
  bool null_key = false;

  [[nodiscard]] size_t count() const { return rows.count() + misfits.size(); }
  [[nodiscard]] size_t bytes() const { return rows.bytes.size() + misfit_bytes; }
};

// Whether a VACUUM may renumber what this table's copy goes by.
[[nodiscard]] bool copy_order_is_stable(const Table& table);

// The chunk after `position`. Ends at `rows_max`, at limits::kCopyBufferBytesMax or at `deadline`,
// whichever comes first, with at least one row if there is one.
Result<CopyChunk> read_copy_chunk(sqlite::Connection& source, const Table& table,
                                  CopyPosition position, int64_t rows_max, Deadline deadline);

// The same with every row as a misfit for this reason: what the server said of it.
Result<CopyChunk> read_refused_chunk(sqlite::Connection& source, const Table& table,
                                     CopyPosition position, int64_t rows_max,
                                     const std::string& reason);

}  // namespace crossfade::apply
