// A copy of a database through SQLite's backup API: page by page, so that it is the same to the
// last rowid.
//
// In WAL mode all of it is one read transaction: nobody waits for it, and no writer makes it begin
// anew. Outside WAL mode a read lock is held for one step at a time; when writers have made it
// begin anew too often it is given up, unless the whole would take no longer than any read may
// (docs/decisions/0011).
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

#include "engine/core/result.h"
#include "engine/core/stop.h"
#include "engine/sqlite/connection.h"

namespace crossfade::sqlite {

struct BackupProgress {
  int64_t pages_done = 0;
  int64_t pages = 0;
};

struct BackupCopy {
  int64_t page_size = 0;
  int64_t pages = 0;
  int restarts = 0;  // by writers, outside WAL mode
};

struct BackupOptions {
  std::string to;                    // a file that is not there, or an empty one; of mode 0600
  const StopSource* stop = nullptr;  // may be null
  std::function<void(const BackupProgress&)> on_step = [](const BackupProgress&) {};
};

// `source` must not be in a transaction, and is in none afterwards. The copy is synced. On an error
// nothing is left of it. Remedy::kRetry: writers were too fast, or the WAL grew too much meanwhile.
Result<BackupCopy> back_up(Connection& source, const BackupOptions& options);

}  // namespace crossfade::sqlite
