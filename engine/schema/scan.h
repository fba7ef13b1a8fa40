// One pass over a table's stored values, keeping what type choice and findings need.
//
// Rowid tables are read in rowid order, in read transactions of at most limits::kChunkReadMax and
// kChunkRowsMax, so that a large table does not pin the WAL. A WITHOUT ROWID table is one read
// transaction. Inside a transaction of the caller's it is all read there. Rows that come or go
// meanwhile may be missed: the evidence is a basis for choices, not a snapshot.
//
// Of a long table (kScanLongRows) two threads read half of the columns each, the second on a
// connection of its own: nothing else is under way then, and most of the time goes into taking
// values out of rows. What is learned of a column does not depend on the others.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "engine/core/result.h"
#include "engine/core/schema.h"
#include "engine/core/stop.h"
#include "engine/schema/evidence_column.h"
#include "engine/schema/evidence_rows.h"
#include "engine/schema/plan.h"

namespace crossfade::schema {

struct ColumnEvidence {
  StorageCounts storage;
  int64_t integer_min = INT64_MAX;
  int64_t integer_max = INT64_MIN;
  double number_min =
      0;  // of the INTEGER and REAL values but zeros and infinities; both zero: none
  double number_max = 0;
  int64_t infinities = 0;
  RowTally beyond_boolean;  // integers other than 0 and 1
  RowTally text_nul;
  RowTally text_invalid;
  size_t text_bytes_max = 0;
  size_t blob_bytes_max = 0;
  FormEvidence forms;
  // Per StorageClass. NULLs are sampled in key and NOT NULL columns only; of the class that was
  // seen first only a few are kept.
  std::array<std::vector<std::string>, 5> samples;
};

struct TableEvidence {
  int64_t rows = 0;
  std::vector<ColumnEvidence>
      columns;         // beside Table::columns; the synthetic one has integers only
  RowTally null_keys;  // rows with a NULL in a key column
  RowTally long_keys;  // rows whose key exceeds kKeyBytesMax
  size_t key_bytes_max = 0;
};

// A btree entry of PostgreSQL holds 2704 bytes (BTMaxItemSize of an 8 KiB page); 104 are left for
// headers, alignment and the fixed-width columns of the key.
inline constexpr size_t kKeyBytesMax = 2600;
inline constexpr size_t kIndexColumnsMax = 32;  // INDEX_MAX_KEYS as built by default

// By the highest rowid, which is found at once: one that is too high costs a thread, no more.
inline constexpr int64_t kScanLongRows = 50'000;

// kInterrupted when `stop` (which may be null) is requested.
Result<TableEvidence> scan_table(sqlite::Connection& connection, const Table& table,
                                 StopSource* stop);

}  // namespace crossfade::schema
