// `undo --to LSN`: what was written to SQLite after a position of the change log is given up, and
// the target follows.
//
// Only the source is asked and changed: SQLite's fence says whether it is the primary. It works
// beside a running engine, which sees further changes.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "capture/undo.h"
#include "engine/core/result.h"
#include "engine/core/strong.h"
#include "engine/run/move.h"

namespace crossfade::run {

struct UndoOptions {
  Lsn to;
  bool dry_run = false;
};

// Rows that refer to none.
struct Orphans {
  std::string table;
  std::string parent;
  int64_t rows = 0;
};

struct UndoReport {
  bool dry_run = false;
  Lsn from;
  Lsn to;
  Lsn now;  // the newest position after it
  capture::Undone undone;
  std::vector<std::string> stale_searches;  // full-text tables with text of their own
  std::vector<Orphans> orphans;             // as there are now
};

[[nodiscard]] nlohmann::json to_json(const UndoReport& report);
[[nodiscard]] std::string to_text(const UndoReport& report);

// One write transaction, or nothing. kBlocked when SQLite is not the primary, when the position is
// out of reach, and when the log does not tell all of a row.
Result<UndoReport> undo(const EngineOptions& options, const UndoOptions& undo_options);

}  // namespace crossfade::run
