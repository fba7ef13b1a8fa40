#include "tools/client/crossfade_session.h"

#include <memory>
#include <new>
#include <string>
#include <utility>

#include "capture/session_recorder.h"

namespace capture = crossfade::capture;

struct crossfade_session {
  std::unique_ptr<capture::SessionRecorder> recorder;  // null: it could not be attached
  capture::RecorderStatus last;

  int note(capture::RecorderStatus status) {
    last = std::move(status);
    switch (last.code) {
      case capture::RecorderCode::kOk:
        return CROSSFADE_SESSION_OK;
      case capture::RecorderCode::kBusy:
        return CROSSFADE_SESSION_BUSY;
      case capture::RecorderCode::kMisuse:
        return CROSSFADE_SESSION_EMISUSE;
      case capture::RecorderCode::kUnsupported:
        return CROSSFADE_SESSION_EUNSUPPORTED;
      case capture::RecorderCode::kRolledBack:
        return CROSSFADE_SESSION_EROLLEDBACK;
      case capture::RecorderCode::kSqlite:
        return CROSSFADE_SESSION_ESQLITE;
    }
    return CROSSFADE_SESSION_ESQLITE;
  }

  // No C++ exception may cross a C ABI; the standard library throws only when memory is out.
  template <typename Call>
  int guarded(Call call) {
    try {
      if (!recorder) {
        return note(capture::refused(capture::RecorderCode::kMisuse, "the session did not open"));
      }
      return note(call(*recorder));
    } catch (const std::bad_alloc&) {
      return CROSSFADE_SESSION_ENOMEMORY;
    }
  }
};

int crossfade_session_open_with(sqlite3* db, const crossfade_session_hooks* hooks,
                                const char* sqlite_sourceid, crossfade_session** out) {
  if (out == nullptr) return CROSSFADE_SESSION_EMISUSE;
  *out = nullptr;
  if (db == nullptr || sqlite_sourceid == nullptr) return CROSSFADE_SESSION_EMISUSE;
  try {
    auto made = std::make_unique<crossfade_session>();
    int code = CROSSFADE_SESSION_OK;
    // The same text at another place is another copy of the library.
    if (sqlite_sourceid != sqlite3_sourceid()) {
      code = made->note(capture::refused(
          capture::RecorderCode::kUnsupported,
          std::string("the application has a SQLite of its own (") + sqlite_sourceid +
              "), and this library uses another: link the static form of it"));
    } else {
      capture::RecorderHooks theirs;
      if (hooks != nullptr) {
        theirs = {hooks->commit, hooks->commit_data, hooks->rollback, hooks->rollback_data};
      }
      code = made->note(capture::SessionRecorder::attach(db, theirs, &made->recorder));
    }
    *out = made.release();
    return code;
  } catch (const std::bad_alloc&) {
    return CROSSFADE_SESSION_ENOMEMORY;
  }
}

void crossfade_session_close(crossfade_session* session) {
  delete session;
}

int crossfade_session_begin(crossfade_session* session) {
  if (session == nullptr) return CROSSFADE_SESSION_EMISUSE;
  return session->guarded([](capture::SessionRecorder& recorder) { return recorder.begin(); });
}

int crossfade_session_commit(crossfade_session* session) {
  if (session == nullptr) return CROSSFADE_SESSION_EMISUSE;
  return session->guarded([](capture::SessionRecorder& recorder) { return recorder.commit(); });
}

int crossfade_session_rollback(crossfade_session* session) {
  if (session == nullptr) return CROSSFADE_SESSION_EMISUSE;
  return session->guarded([](capture::SessionRecorder& recorder) { return recorder.rollback(); });
}

const char* crossfade_session_error(const crossfade_session* session) {
  return session == nullptr ? "there is no session" : session->last.message.c_str();
}

int crossfade_session_sqlite_code(const crossfade_session* session) {
  return session == nullptr ? SQLITE_OK : session->last.sqlite_code;
}

int crossfade_session_refresh(crossfade_session* session) {
  if (session == nullptr) return CROSSFADE_SESSION_EMISUSE;
  return session->guarded([](capture::SessionRecorder& recorder) { return recorder.refresh(); });
}

int crossfade_session_table_count(const crossfade_session* session) {
  if (session == nullptr || !session->recorder) return 0;
  return static_cast<int>(session->recorder->tables().size());
}

int crossfade_session_table_at(const crossfade_session* session, int index,
                               crossfade_session_table* out) {
  if (out == nullptr || index < 0 || index >= crossfade_session_table_count(session)) {
    return CROSSFADE_SESSION_EMISUSE;
  }
  const capture::SessionTable& table = session->recorder->tables()[static_cast<size_t>(index)];
  *out = {table.name.c_str(), CROSSFADE_CAPTURED_BY_NOTHING, table.reason.c_str()};
  if (table.by == capture::CapturedBy::kSession) out->captured_by = CROSSFADE_CAPTURED_BY_SESSION;
  if (table.by == capture::CapturedBy::kTriggers) out->captured_by = CROSSFADE_CAPTURED_BY_TRIGGERS;
  return CROSSFADE_SESSION_OK;
}

void crossfade_session_count(const crossfade_session* session, crossfade_session_counters* out) {
  if (out == nullptr) return;
  *out = {};
  if (session == nullptr || !session->recorder) return;
  const capture::RecorderCounters& counters = session->recorder->counters();
  *out = {counters.transactions, counters.changes, counters.outside_rows, counters.tables_given_up};
}
