// Keeps our triggers silent for one connection: a TEMP trigger on the change log passes over the
// rows that a session is going to bring.
//
// Only this connection has it, and nothing in the file is altered for it (docs/decisions/0007).
// Whether a row is passed over is decided row by row, by a function that the TEMP trigger calls.
// Threads: the connection's. SQLite may keep the function longer than this object; it says no then.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "capture/session_sqlite.h"
#include "capture/session_tables.h"

namespace crossfade::capture {

class SessionSilence {
 public:
  explicit SessionSilence(sqlite3* db);
  // Outside of a transaction it takes everything away; inside one it only falls mute.
  ~SessionSilence();
  SessionSilence(const SessionSilence&) = delete;
  SessionSilence& operator=(const SessionSilence&) = delete;

  // kMisuse: the connection has one already.
  RecorderStatus install();
  // Makes the TEMP trigger, if it is not there. The log must exist, and no transaction be open:
  // its ROLLBACK would take the trigger away again.
  RecorderStatus ensure_trigger();
  RecorderStatus has_trigger(bool* there);

  // Those of `tables` that sessions record are the ones kept silent.
  void set_tables(const std::vector<SessionTable>& tables);
  void start();
  void stop();
  [[nodiscard]] bool on() const;
  // While the recorder itself writes to the log.
  void let_through(bool through);
  // The capture ids of which changes were passed over since start().
  [[nodiscard]] std::vector<int64_t> silenced() const;

 private:
  struct Shared;

  sqlite3* const db_;
  const std::shared_ptr<Shared> shared_;
  bool installed_ = false;
  PreparedStatement there_;
};

}  // namespace crossfade::capture
