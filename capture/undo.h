// Takes the captured tables back to an earlier position of the change log, and logs that as further
// changes.
//
// Of each key that was touched since, the first entry says what was there: nothing, or the row that
// the entry holds. So nothing is replayed: rows that are no longer what they were are removed, then
// those that have to be there are put in, whatever unique keys changed hands in between. The last
// entry of a key must agree with the table as it is; else something was written that the log has
// not got, and undo refuses.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "capture/log_entries.h"
#include "engine/core/result.h"
#include "engine/core/strong.h"

namespace crossfade::sqlite {
class Connection;
}

namespace crossfade::capture {

struct Reach {
  Lsn oldest;  // the first position that can be gone back to
  Lsn newest;
  std::string why;  // what is in the way of an older one
};

// How far back the log goes, without a change of a captured table's schema or a time in which the
// source was written to without a log. Inside a transaction.
Result<Reach> read_reach(sqlite::Connection& source);

// kBlocked when `to` is out of reach, or between the rows of one change.
Status check_reach(sqlite::Connection& source, const Reach& reach, Lsn to);

struct UndoneTable {
  std::string name;
  int64_t rows_inserted = 0;
  int64_t rows_updated = 0;
  int64_t rows_deleted = 0;
};

struct Undone {
  int64_t changes = 0;              // above the position
  std::vector<UndoneTable> tables;  // those that have changed, by name
};

// Inside the caller's write transaction, on a connection that fires no triggers and enforces no
// foreign keys. `shapes`: every captured table. `to` was checked. kBlocked names the row when the
// log does not tell what it was. An error leaves some of it done: roll back.
Result<Undone> undo_changes(sqlite::Connection& source, const Shapes& shapes, Lsn to);

// Before applications may write to the source again to which the way back wrote: nothing from
// before this can be undone. In a transaction of its own, or the caller's.
Status log_reopened(sqlite::Connection& source);

}  // namespace crossfade::capture
