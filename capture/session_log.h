// Writes what a session recorded into the change log: rows as triggers write them
// (docs/change_log_format.md), so that one reader and one order serve both captures.
//
// A session holds of an update the changed columns only; the others are read from the row, which is
// still there. That is why this happens inside the application's transaction, before its COMMIT.
// Threads: the connection's. Keeps prepared statements: destroy it before the connection.
#pragma once

#include <sqlite3.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "capture/session_sqlite.h"
#include "capture/session_tables.h"

struct sqlite3_session;
struct sqlite3_changeset_iter;

namespace crossfade::capture {

class SessionLog {
 public:
  explicit SessionLog(sqlite3* db) : db_(db) {}

  // Inside the application's transaction. Every table in the session is one of `tables`, recorded.
  // `changes` grows by what was written. An error leaves some of it written: undo it.
  RecorderStatus append(sqlite3_session* session, const std::vector<SessionTable>& tables,
                        uint64_t* changes);
  // The same of a changeset's bytes. What is no changeset of these tables is an error, but bytes
  // that no session made are not to be given: SQLite 3.40 does not come to the end of a header that
  // is cut off.
  RecorderStatus append_changeset(void* bytes, int size, const std::vector<SessionTable>& tables,
                                  uint64_t* changes);
  // The tables are no longer what they were.
  void forget() { selects_.clear(); }

 private:
  RecorderStatus append_all(sqlite3_changeset_iter* changes,
                            const std::vector<SessionTable>& tables, uint64_t* count);
  RecorderStatus append_change(sqlite3_changeset_iter* changes, const SessionTable& table, int op);
  RecorderStatus collect_update(sqlite3_changeset_iter* changes, const SessionTable& table);
  RecorderStatus write_entry(int64_t capture_id, int64_t op);

  sqlite3* db_;
  PreparedStatement insert_;
  std::map<std::string, PreparedStatement> selects_;  // by table: the row image of a key
  std::vector<const sqlite3_value*> values_;          // of one entry; they live until the next
};

}  // namespace crossfade::capture
