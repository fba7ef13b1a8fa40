// What capture calls its things inside the source database. Everything begins with _crossfade_.
#pragma once

#include <string>

#include "engine/core/strong.h"

namespace crossfade::capture {

inline constexpr const char* kPrefix = "_crossfade_";
inline constexpr const char* kLogTable = "_crossfade_log";
inline constexpr const char* kControlTable = "_crossfade_control";
inline constexpr const char* kShapesTable = "_crossfade_shapes";
// What a stranger's write fails with after a cutover: "no such function: " and this.
inline constexpr const char* kMovedFunction = "crossfade_moved_to_postgresql";

// The number in the log's `op` column (docs/change_log_format.md).
enum class LogOp : int64_t {
  kContinuation = 0,  // further values of the row before
  kInsert = 1,        // the new row
  kUpdate = 2,        // the old row, then the new
  kDelete = 3,        // the old row
  kRecheck = 4,       // the row, or its key, that a REPLACE may be about to remove
  kReopened = 5,      // of no table: until here the way back wrote, and none of that is in the log
};

}  // namespace crossfade::capture
