#include "capture/log_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "engine/core/limits.h"
#include "engine/sqlite/connection.h"

namespace crossfade::capture {

Result<LogWriter> LogWriter::prepare(sqlite::Connection& source) {
  std::string columns;
  std::string marks;
  for (size_t i = 0; i < limits::kLogValuesPerRow; ++i) {
    columns += fmt::format(",c{}", i);
    marks += ",?";
  }
  CROSSFADE_TRY(auto insert, sqlite::Statement::prepare(
                                 source, fmt::format("INSERT INTO main.{}(tbl,op{}) VALUES(?,?{})",
                                                     kLogTable, columns, marks)));
  return LogWriter(std::move(insert));
}

Status LogWriter::write(CaptureId id, LogOp op, const Row& row) {
  return write_values(id, op, row, {});
}

Status LogWriter::write_update(CaptureId id, const Row& before, const Row& after) {
  return write_values(id, LogOp::kUpdate, before, after);
}

Status LogWriter::write_values(CaptureId id, LogOp op, const Row& first, const Row& second) {
  const size_t count = first.size() + second.size();
  size_t at = 0;
  do {
    insert_.clear();
    insert_.bind(1, id.value);
    insert_.bind(2, static_cast<int64_t>(at == 0 ? op : LogOp::kContinuation));
    const size_t end = std::min(count, at + limits::kLogValuesPerRow);
    for (size_t i = at; i < end; ++i) {
      const Value& value = i < first.size() ? first[i] : second[i - first.size()];
      CROSSFADE_TRY(insert_.bind_borrowed(static_cast<int>(i - at) + 3, value));
    }
    const Status written = insert_.run();
    insert_.clear();
    CROSSFADE_TRY(written);
    at = end;
  } while (at < count);
  return ok();
}

}  // namespace crossfade::capture
