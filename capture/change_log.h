// The change log inside the source database: installing capture, pruning it, fencing, removing it.
//
// Every function is one short write transaction on the given connection, or nothing. The connection
// must not be inside a transaction unless said so.
// Threads: the connection's.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "capture/names.h"
#include "engine/core/limits.h"
#include "engine/core/result.h"
#include "engine/core/schema.h"
#include "engine/core/strong.h"

namespace crossfade::sqlite {
class Connection;
}

namespace crossfade::capture {

// A table under capture, as the source remembers it.
struct Captured {
  CaptureId id;
  std::string table;  // the name when it was installed; a rename shows in the catalog only
  std::string shape;
  Lsn base_lsn;  // changes of this id lie above it
};

struct SourceIdentity {
  std::string source_id;  // made once, when capture is first installed
  std::string journal_mode_before;
};

// Nothing when capture was never installed here.
Result<std::optional<SourceIdentity>> read_identity(sqlite::Connection& source);

// Makes the log's tables and the identity if they are absent.
Result<SourceIdentity> ensure_identity(sqlite::Connection& source);

// Shapes that are not retired.
Result<std::vector<Captured>> read_captured(sqlite::Connection& source);

// The newest position; 0 when the log is empty or absent. Inside a read transaction: its watermark.
Result<Lsn> newest_lsn(sqlite::Connection& source);

// Whether the log goes on from `applied`: no position behind it has been deleted.
Result<bool> log_goes_on_from(sqlite::Connection& source, Lsn applied);

// A digest of the log row at `lsn`, kept on the target beside applied_lsn: a source that was
// restored from a backup and written to again has another row there. Nothing: no such row.
Result<std::optional<std::string>> log_row_digest(sqlite::Connection& source, Lsn lsn);

// Installs capture for `tables`, replacing what was installed for a table of the same name, and
// retiring the ids in `retire`. The identity must exist. Our triggers end up newest, so they fire
// before the application's and the log's order is the true one.
// With 25,000 triggers writers wait for half a second, most of which SQLite takes to read its
// schema. The tables were read from the catalog at `schema_version`: when the source has moved on,
// the error's remedy is kRetry.
struct Installed {
  std::vector<Captured> captured;  // one per table, in order
  int64_t schema_version = 0;      // as it is after the installation
};
Result<Installed> install(sqlite::Connection& source, const std::vector<Table>& tables,
                          const std::vector<CaptureId>& retire, int64_t schema_version);

// True when the catalog's triggers named for `captured` are exactly those that install() makes, and
// no trigger of the application on that table is newer than them.
struct TriggerRow {
  std::string name;
  std::string table;
  std::string sql;
  int64_t schema_rowid = 0;
};
bool triggers_intact(const Table& table, const Captured& captured,
                     const std::vector<TriggerRow>& triggers);

// Of one transaction, in which nobody else can write.
struct PruneBounds {
  int64_t rows_max = limits::kPruneRowsMax;
  std::chrono::milliseconds hold_max = limits::kPruneHoldMax;  // then the row at hand is the last
};
struct Pruned {
  int64_t rows = 0;
  bool more = false;  // a bound was met
};
// Deletes log rows below `applied`, the oldest first, never the newest row of all nor the one at
// `applied`. BUSY is not an error: nothing was pruned. What is freed is not written over, so that a
// row of half a gigabyte takes a moment: PRAGMA secure_delete, which Debian's SQLite has on, would
// write as much again.
Result<Pruned> prune(sqlite::Connection& source, Lsn applied, PruneBounds bounds = {});

// About how much the log takes of the file, by what the newest few of its rows have.
class LogSize {
 public:
  // Above a position, in bytes, but for `kept` rows; never more than the file has in all. Takes no
  // longer than reading the newest rows, and nothing while these are the same.
  Result<int64_t> bytes(sqlite::Connection& source, Lsn above, int64_t kept);

 private:
  Lsn sampled_;  // the newest position, when the rows' size was looked at
  int64_t row_bytes_ = 0;
};

// In a transaction of its own, in which `may` is asked first: nothing is captured any more, as if
// somebody had dropped the triggers, so that the tables must be copied anew. The log's rows stay
// for prune(). False: it may not.
Result<bool> give_up(sqlite::Connection& source, const std::function<Result<bool>()>& may);

// Inside the caller's write transaction: makes every one of these tables refuse writes by
// strangers.
Status raise_fence(sqlite::Connection& source, const std::vector<Captured>& captured);
// In a transaction of its own: takes the fence away. Returns the number of triggers dropped.
Result<int64_t> lower_fence(sqlite::Connection& source);
// The same, unless the schema is another one than when it was known that the fence may go: then
// nothing is done, and nothing returned. Whoever was paused meanwhile does not open what another
// engine has closed. `before` runs in the same transaction.
Result<std::optional<int64_t>> lower_fence_of(sqlite::Connection& source, int64_t schema_version,
                                              const std::function<Status()>& before);
Result<bool> fence_is_up(sqlite::Connection& source);

// Inside the caller's write transaction: removes every trace: triggers, tables. Returns the names
// of what was removed.
Result<std::vector<std::string>> uninstall(sqlite::Connection& source);

}  // namespace crossfade::capture
