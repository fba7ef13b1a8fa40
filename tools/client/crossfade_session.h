/* Session capture for applications that link this library: records an application's own SQLite
 * transactions into crossfade's change log, in place of the triggers. docs/sessions.md says when
 * that is worth it (the triggers are faster) and what it does not see.
 *
 *   crossfade_session_open(db, NULL, &session);
 *   crossfade_session_begin(session);            instead of BEGIN
 *   ... the application's statements on db, savepoints too ...
 *   crossfade_session_commit(session);           instead of COMMIT
 *   crossfade_session_close(session);            before sqlite3_close(db)
 *
 * Without a move in progress this is BEGIN IMMEDIATE and COMMIT. Statements outside of begin and
 * commit, and other connections, are captured by the triggers as ever.
 *
 * Threads: a session is the connection's: whoever may use the one may use the other.
 * Ownership: the connection stays the application's. Needs sqlite3 with SQLITE_ENABLE_SESSION and
 * SQLITE_ENABLE_PREUPDATE_HOOK, and nothing else of crossfade.
 */
#ifndef CROSSFADE_SESSION_H
#define CROSSFADE_SESSION_H

/* NOLINTBEGIN(readability-identifier-naming, modernize-*): this header is C. */

#include <sqlite3.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define CROSSFADE_SESSION_EXPORT __attribute__((visibility("default")))
#else
#define CROSSFADE_SESSION_EXPORT
#endif

/* What the functions return. */
enum {
  CROSSFADE_SESSION_OK = 0,
  CROSSFADE_SESSION_BUSY = 1,          /* another connection is in the way: call again later */
  CROSSFADE_SESSION_EMISUSE = -1,      /* called out of order; nothing was done */
  CROSSFADE_SESSION_EUNSUPPORTED = -2, /* this connection cannot be recorded */
  CROSSFADE_SESSION_EROLLEDBACK = -3,  /* the transaction is gone, nothing of it is stored */
  CROSSFADE_SESSION_ESQLITE = -4, /* SQLite refused; an open transaction is still open: roll back */
  CROSSFADE_SESSION_ENOMEMORY = -5
};

typedef struct crossfade_session crossfade_session;

/* A connection has one of each of these hooks, and a session takes them for its transactions. Those
 * of the application are given here, and set no more by itself. All may be null. */
typedef struct crossfade_session_hooks {
  int (*commit)(void*);
  void* commit_data;
  void (*rollback)(void*);
  void* rollback_data;
} crossfade_session_hooks;

/* Who captures a table in a session's transactions. */
enum {
  CROSSFADE_CAPTURED_BY_SESSION = 0,
  CROSSFADE_CAPTURED_BY_TRIGGERS = 1,
  CROSSFADE_CAPTURED_BY_NOTHING = 2 /* no move is on that captures it */
};

typedef struct crossfade_session_table {
  const char* name;
  int captured_by;
  const char* reason; /* why not by the session; empty otherwise */
} crossfade_session_table;

typedef struct crossfade_session_counters {
  uint64_t transactions;    /* committed, with something in them */
  uint64_t changes;         /* rows' changes recorded */
  uint64_t outside_rows;    /* rows of the log that others wrote meanwhile */
  uint64_t tables_given_up; /* altered while they were written to: copied anew by the engine */
} crossfade_session_counters;

/* `hooks` may be null. On an error *out is a session that only crossfade_session_error(),
 * _sqlite_code() and _close() may be called with; null when memory is out or a pointer was null. */
CROSSFADE_SESSION_EXPORT int crossfade_session_open_with(sqlite3* db,
                                                         const crossfade_session_hooks* hooks,
                                                         const char* sqlite_sourceid,
                                                         crossfade_session** out);

/* The application's own sqlite3_sourceid() shows whether it and this library use one SQLite: with
 * two in one process, a connection of the one is nothing to the other. */
#define crossfade_session_open(db, hooks, out) \
  crossfade_session_open_with((db), (hooks), sqlite3_sourceid(), (out))

/* Rolls back a transaction that is still open. Call it outside of any other. */
CROSSFADE_SESSION_EXPORT void crossfade_session_close(crossfade_session* session);

/* BEGIN IMMEDIATE, with the connection's busy handler. */
CROSSFADE_SESSION_EXPORT int crossfade_session_begin(crossfade_session* session);
/* After CROSSFADE_SESSION_BUSY and _ESQLITE the transaction is as it was before the call. */
CROSSFADE_SESSION_EXPORT int crossfade_session_commit(crossfade_session* session);
/* No transaction is no error. */
CROSSFADE_SESSION_EXPORT int crossfade_session_rollback(crossfade_session* session);

/* The last error in words, until the next call; and SQLite's extended code, or SQLITE_OK. */
CROSSFADE_SESSION_EXPORT const char* crossfade_session_error(const crossfade_session* session);
CROSSFADE_SESSION_EXPORT int crossfade_session_sqlite_code(const crossfade_session* session);

/* Looks at the schema again, outside of transactions; begin does so when it has changed. */
CROSSFADE_SESSION_EXPORT int crossfade_session_refresh(crossfade_session* session);
/* The number of tables as of the last look, and one of them, from 0. Strings live until the next
 * look. Returns _EMISUSE when there is no such table. */
CROSSFADE_SESSION_EXPORT int crossfade_session_table_count(const crossfade_session* session);
CROSSFADE_SESSION_EXPORT int crossfade_session_table_at(const crossfade_session* session, int index,
                                                        crossfade_session_table* out);
CROSSFADE_SESSION_EXPORT void crossfade_session_count(const crossfade_session* session,
                                                      crossfade_session_counters* out);

#ifdef __cplusplus
}
#endif

/* NOLINTEND(readability-identifier-naming, modernize-*) */

#endif /* CROSSFADE_SESSION_H */
