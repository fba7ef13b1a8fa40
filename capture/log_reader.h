// Reads the change log: exact batches between watermarks.
//
// A snapshot is one read transaction. It sees data and log together, so the log's newest position
// in it is an exact watermark for whatever is read beside it. Snapshots must be short: they pin the
// WAL (limits::kChunkReadMax).
// Threads: its connection's. Borrows the connection, which must outlive it.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "capture/log_entries.h"
#include "engine/core/change.h"
#include "engine/core/result.h"
#include "engine/sqlite/statement.h"
#include "engine/sqlite/transaction.h"

namespace crossfade::sqlite {
class Connection;
}

namespace crossfade::capture {

struct Watermark {
  Lsn newest;
  int64_t schema_version = 0;
};

class LogReader {
 public:
  // With OldRows::kKeys, Change::before has values in its key's columns alone.
  LogReader(sqlite::Connection& source, Shapes shapes, OldRows old_rows = OldRows::kWhole);
  LogReader(const LogReader&) = delete;
  LogReader& operator=(const LogReader&) = delete;

  // Opens a snapshot (ends the one before). The caller compares schema_version with the one its
  // shapes belong to before it reads: under another schema the log must not be interpreted.
  Result<Watermark> begin_snapshot();
  // The same inside the caller's transaction on the connection, which must outlast the snapshot.
  Result<Watermark> begin_within();
  void end_snapshot();

  // The next part of what lies above `after`, up to the snapshot's watermark, about `bytes_max`
  // large. closes_watermark is set on the last part. Call again with `after` = through until then.
  // A hole in the log, or a row that cannot be what the triggers wrote, is an error: the log was
  // tampered with.
  Result<ChangeBatch> read(Lsn after, size_t bytes_max);

  // Set when a row was read whose key holds a NULL, in a table known by its primary key: the table
  // needs another identity. Names the table.
  [[nodiscard]] const std::optional<std::string>& null_key_table() const { return null_key_table_; }

 private:
  struct Lookup {
    std::optional<sqlite::Statement> by_key;  // all carried columns
  };
  struct Stretch {
    Lsn first;
    Lsn last;
  };

  Result<Watermark> pin();
  Status decode(LogEntry entry, ChangeBatch* batch);
  Status read_log(size_t bytes_max, ChangeBatch* batch);
  Result<std::optional<Row>> current_row(const std::shared_ptr<const Table>& table, const Row& key);
  Result<bool> has_triggers(const Table& table);
  Status resolve_vanished(ChangeBatch* batch);
  Status put_back(size_t bytes_max, ChangeBatch* batch);
  Status put_back_row(const LogEntry& entry, ChangeBatch* batch);
  void note_null_key(const Table& table, const Row& row);

  sqlite::Connection& source_;
  const Shapes shapes_;  // entries_ borrows it
  std::optional<sqlite::Transaction> snapshot_;
  bool within_ = false;  // a transaction of the caller's
  LogEntries entries_;
  Watermark watermark_;
  bool one_part_ = true;  // the whole way to the watermark fits one part
  std::map<std::string, Lookup> lookups_;
  std::map<std::string, bool> triggered_;  // by table; of the shapes' schema, like them
  // Where rows were noted that a REPLACE may have removed, and that exist at the watermark: they
  // were taken out and are written again at its end. One stretch per part: the log remembers the
  // keys, so that a statement of any size costs no memory.
  std::deque<Stretch> taken_out_;
  std::optional<std::string> null_key_table_;
  bool log_read_ = false;  // up to the watermark; what remains is taken_out_
};

}  // namespace crossfade::capture
