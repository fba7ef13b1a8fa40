// Which tables a session of SQLite's can record, and for those it cannot, why not.
//
// A session skips tables without a key and fails on some others (docs/sessions.md). Those keep
// their triggers. What the log's row images hold is read from our own insert trigger, which is in
// the file with the table: the recorder knows nothing of the move's plan.
// Threads: the connection's.
#pragma once

#include <sqlite3.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "capture/session_sqlite.h"

namespace crossfade::capture {

enum class CapturedBy : uint8_t {
  kSession,
  kTriggers,  // loud in every transaction
  kNothing,   // no capture is installed on it
};

struct SessionTable {
  std::string name;  // as the schema spells it
  CapturedBy by = CapturedBy::kNothing;
  std::string reason;  // why not by the session; empty for kSession

  // The rest is for kSession. Positions among the table's columns are as a session counts them.
  int64_t capture_id = 0;
  std::vector<std::string> image;      // the columns of a row image in the log, in order
  std::vector<size_t> image_at;        // where each stands among the table's columns
  std::vector<size_t> key_at;          // likewise, the PRIMARY KEY's
  std::vector<size_t> nullable_image;  // in `image`: key columns without NOT NULL

  friend bool operator==(const SessionTable&, const SessionTable&) = default;
};

struct SessionTables {
  int64_t schema_version = -1;       // of main
  bool has_log = false;              // a move is on, in a format that this program writes
  std::vector<SessionTable> tables;  // by name; not SQLite's own, not crossfade's
};

// Call it inside a transaction.
RecorderStatus read_session_tables(sqlite3* db, SessionTables* out);

}  // namespace crossfade::capture
