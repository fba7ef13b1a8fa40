// Captures an application's own transactions with SQLite's session extension, for applications that
// link this library (docs/sessions.md, docs/decisions/0007).
//
// Between begin() and commit() one sqlite3_session notes what changes, and our triggers are silent
// for this connection and these tables. commit() writes the net changes into the change log inside
// the same transaction, as the rows that triggers would have written. Everybody else's writes,
// autocommit statements of this connection, and tables that a session cannot record are captured
// by the triggers as ever: one log, one order.
//
// A move may begin or end while the recorder is attached.
// Never lets a change go unrecorded: what cannot be logged is an error before COMMIT, and a COMMIT
// that is not commit() is refused by a commit hook.
//
// Threads: the connection's. Borrows the connection: destroy the recorder before closing it.
// Applications link this without the engine: it includes headers of constants from it, no more.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "capture/session_log.h"
#include "capture/session_silence.h"
#include "capture/session_sqlite.h"
#include "capture/session_tables.h"

namespace crossfade::capture {

// A connection has one of each of these hooks, and during a recorded transaction they are the
// recorder's. Those of the application, if it has any, are called from there.
struct RecorderHooks {
  int (*commit)(void*) = nullptr;
  void* commit_data = nullptr;
  void (*rollback)(void*) = nullptr;
  void* rollback_data = nullptr;
};

struct RecorderCounters {
  uint64_t transactions = 0;  // committed with something to record
  uint64_t changes = 0;       // written into the log by them
  // Rows of the log that came from elsewhere meanwhile: other connections and processes, and
  // statements of this connection outside begin() and commit().
  uint64_t outside_rows = 0;
  // Tables that were written to and altered in one transaction: their triggers were taken away, so
  // that the engine copies them anew.
  uint64_t tables_given_up = 0;
};

class SessionRecorder {
 public:
  // kUnsupported: this SQLite or this database cannot be recorded. kMisuse: a transaction is open,
  // or another recorder is attached to the connection.
  static RecorderStatus attach(sqlite3* db, const RecorderHooks& hooks,
                               std::unique_ptr<SessionRecorder>* out);
  // Rolls back a transaction that begin() opened and nobody ended: committed by other means, it
  // would lose its changes.
  ~SessionRecorder();
  SessionRecorder(const SessionRecorder&) = delete;
  SessionRecorder& operator=(const SessionRecorder&) = delete;

  // BEGIN IMMEDIATE, waiting as the connection's busy handler does. Savepoints may be used inside.
  RecorderStatus begin();
  // OK: committed, and recorded. kBusy, kSqlite: the transaction is still open and as it was before
  // the call, which may be made again. kRolledBack: SQLite or somebody else has ended it.
  // sqlite3_changes() is the log's afterwards; last_insert_rowid() is the application's.
  RecorderStatus commit();
  // OK when there is none, too.
  RecorderStatus rollback();
  [[nodiscard]] bool recording() const;

  // How each table of the database is captured, and why not by the session: as of the last begin()
  // or refresh().
  [[nodiscard]] const std::vector<SessionTable>& tables() const { return tables_.tables; }
  // Looks again, outside of a transaction. begin() does it when the schema has moved.
  RecorderStatus refresh();
  // Databases that were attached when it last looked: nothing in them is captured.
  [[nodiscard]] const std::vector<std::string>& attached() const { return attached_; }
  [[nodiscard]] const RecorderCounters& counters() const { return counters_; }

 private:
  struct EndSession {
    void operator()(sqlite3_session* session) const;
  };

  SessionRecorder(sqlite3* db, const RecorderHooks& hooks);
  static int on_commit(void* self);
  static void on_rollback(void* self);
  static int on_table(void* self, const char* table);

  RecorderStatus read_tables();
  RecorderStatus is_current(bool* current);
  RecorderStatus begin_current();
  RecorderStatus start_session();
  RecorderStatus take_hooks();
  [[nodiscard]] bool has_changes() const;
  RecorderStatus append();
  RecorderStatus append_or_give_up();
  [[nodiscard]] std::vector<int64_t> written_ids() const;
  RecorderStatus give_up(const std::vector<int64_t>& capture_ids);
  RecorderStatus newest(int64_t* lsn);
  RecorderStatus note_outside_rows();
  RecorderStatus undo_append(RecorderStatus why, bool appended);
  void end();

  sqlite3* const db_;
  const RecorderHooks hooks_;
  SessionSilence silence_;
  SessionLog log_;
  SessionTables tables_;
  std::vector<std::string> attached_;
  RecorderCounters counters_;
  PreparedStatement version_;
  PreparedStatement newest_;
  int64_t last_lsn_ = -1;  // when we last looked; -1: never

  std::unique_ptr<sqlite3_session, EndSession> session_;
  std::vector<size_t> touched_;  // into tables_.tables: what the session has seen written to
  bool committing_ = false;
};

}  // namespace crossfade::capture
