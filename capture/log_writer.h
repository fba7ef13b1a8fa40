// Writes entries into the change log as triggers do (docs/change_log_format.md), for changes that
// are made with the triggers silent.
//
// Threads: the connection's, which it borrows. Call it in the transaction that makes the change.
#pragma once

#include "capture/names.h"
#include "engine/core/result.h"
#include "engine/core/strong.h"
#include "engine/core/value.h"
#include "engine/sqlite/statement.h"

namespace crossfade::sqlite {
class Connection;
}

namespace crossfade::capture {

class LogWriter {
 public:
  static Result<LogWriter> prepare(sqlite::Connection& source);

  // One row image, or an update's two.
  Status write(CaptureId id, LogOp op, const Row& row);
  Status write_update(CaptureId id, const Row& before, const Row& after);

 private:
  explicit LogWriter(sqlite::Statement insert) : insert_(std::move(insert)) {}
  Status write_values(CaptureId id, LogOp op, const Row& first, const Row& second);

  sqlite::Statement insert_;
};

}  // namespace crossfade::capture
