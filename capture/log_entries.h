// The change log's rows as entries: what the triggers and the recorders wrote, one after the other,
// undecided.
//
// Threads: its connection's. Borrows the connection and the shapes, which must outlive it.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "capture/names.h"
#include "engine/core/error.h"
#include "engine/core/result.h"
#include "engine/core/schema.h"
#include "engine/core/strong.h"
#include "engine/core/value.h"
#include "engine/sqlite/statement.h"

namespace crossfade::sqlite {
class Connection;
}

namespace crossfade::capture {

// What the reader must know of each captured shape. Log rows of other ids are retired, and skipped.
struct Shape {
  std::shared_ptr<const Table> table;
  Lsn base_lsn;  // changes at or below it are in the copy already
};
using Shapes = std::map<CaptureId, Shape>;

// What is read of a row as it was before a change.
enum class OldRows : uint8_t {
  kWhole,
  kKeys,  // its key; the other values are NULL. A row may have half a gigabyte
};

struct LogEntry {
  Lsn first;
  Lsn last;  // the entry's position
  CaptureId id;
  LogOp op = LogOp::kInsert;
  Row values;  // none for an id that is no shape's
};

// How many rows of the log an entry has.
[[nodiscard]] size_t log_rows(const Table& table, LogOp op);

// The key of the row that a recheck notes.
[[nodiscard]] Row recheck_key(const Table& table, const Row& values);

// "column=?" for each part of the key, under the key's own collation.
[[nodiscard]] std::string where_key(const Table& table);
[[nodiscard]] Row key_of(const Table& table, const Row& row);

[[nodiscard]] Error log_tampered(const sqlite::Connection& source, Lsn lsn, std::string what);

class LogEntries {
 public:
  LogEntries(sqlite::Connection& source, const Shapes& shapes, OldRows old_rows);

  // Stands before the entry that begins at `first`; next() goes as far as `last`.
  Status walk(Lsn first, Lsn last);
  [[nodiscard]] bool walking() const { return select_.has_value(); }
  [[nodiscard]] bool more() const { return have_row_; }
  // An error is a hole, or an entry that cannot be what is written here: the log was tampered with.
  Result<LogEntry> next();
  // The position after the last row read.
  [[nodiscard]] Lsn expected() const { return expected_; }
  void end();

 private:
  [[nodiscard]] const std::vector<bool>* keys_alone(CaptureId id, LogOp op) const;

  sqlite::Connection& source_;
  const Shapes& shapes_;
  std::optional<sqlite::Statement> select_;
  std::map<CaptureId, std::vector<bool>> keys_;  // of OldRows::kKeys: which columns they are
  Lsn expected_;
  Lsn last_;
  bool have_row_ = false;  // select_ stands on a row that begins the next entry
};

}  // namespace crossfade::capture
