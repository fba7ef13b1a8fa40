// The rows that undo has to look at, and those it has to write, in TEMP tables: what a log of any
// length touches need not fit into memory.
//
// Threads: the connection's, which it borrows. In the caller's transaction.
#pragma once

#include <optional>

#include "capture/undo_table.h"
#include "engine/core/result.h"
#include "engine/core/strong.h"
#include "engine/core/value.h"
#include "engine/sqlite/statement.h"

namespace crossfade::capture {

// What the first entry above a position says of a key there.
enum class Was : uint8_t {
  kAbsent = 0,
  kPresent = 1,  // the entry holds the row
  kKeyOnly = 2,  // it was there, and no entry since has its values
  kLost = 3,     // the same, and another row has its key now
};

// What the last one leaves.
enum class Left : uint8_t {
  kAbsent = 0,
  kPresent = 1,
  kOpen = 2,  // a REPLACE may have removed it
};

struct TouchedRow {
  CaptureId id;
  Row key;
  Was was = Was::kAbsent;
  Lsn was_at;  // where the entry begins that holds the row
  Left left = Left::kAbsent;
  Lsn left_at;
  bool noted = false;  // by a recheck
};

struct RowToWrite {
  CaptureId id;
  Lsn row_at;  // where the entry begins that holds the row
  std::optional<Row> before;
  HiddenRowid rowid;
};

class UndoRows {
 public:
  static Result<UndoRows> make(sqlite::Connection& source);

  // Entries from the oldest to the newest; `row` is what one of them says of one key.
  Status touch(const TouchedRow& row);
  // Each key once, by table and key. Nothing: that was the last.
  Result<std::optional<TouchedRow>> next_touched();
  Status add(const RowToWrite& row);
  // Rows that took another's place first, so that their rowids are free.
  Result<std::optional<RowToWrite>> next_to_write();

 private:
  UndoRows(sqlite::Statement touch, sqlite::Statement touched, sqlite::Statement add,
           sqlite::Statement to_write)
      : touch_(std::move(touch)),
        touched_(std::move(touched)),
        add_(std::move(add)),
        to_write_(std::move(to_write)) {}

  sqlite::Statement touch_;
  sqlite::Statement touched_;
  sqlite::Statement add_;
  sqlite::Statement to_write_;
};

}  // namespace crossfade::capture
