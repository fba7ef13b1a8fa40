/* The smallest application whose transactions a session records: it adds notes, several in one
 * transaction, and says first which tables the session captures.
 *
 *   crossfade_example_recorded_writes app.db [number of transactions]
 *
 * The table is `note(id TEXT NOT NULL PRIMARY KEY, body TEXT)`. Start `crossfade run app.db` before
 * it or while it runs.
 */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tools/client/crossfade_session.h"

static void report(const crossfade_session* session) {
  static const char* const captured_by[] = {"the session", "the triggers", "nothing"};
  const int count = crossfade_session_table_count(session);
  for (int i = 0; i < count; ++i) {
    crossfade_session_table table;
    if (crossfade_session_table_at(session, i, &table) != CROSSFADE_SESSION_OK) return;
    printf("%s: captured by %s%s%s\n", table.name, captured_by[table.captured_by],
           *table.reason != '\0' ? "; " : "", table.reason);
  }
}

/* Two notes and the change of one: the log gets two rows, the net of it. */
static int add_notes(sqlite3* db, crossfade_session* session, int number) {
  if (crossfade_session_begin(session) != CROSSFADE_SESSION_OK) return 0;
  char* sql = sqlite3_mprintf(
      "INSERT INTO note VALUES('%d-%d-a','one'),('%d-%d-b','two');"
      "UPDATE note SET body='two, mended' WHERE id='%d-%d-b'",
      (int)getpid(), number, (int)getpid(), number, (int)getpid(), number);
  const int rc = sqlite3_exec(db, sql, NULL, NULL, NULL);
  sqlite3_free(sql);
  if (rc != SQLITE_OK) {
    fprintf(stderr, "sqlite: %s\n", sqlite3_errmsg(db));
    crossfade_session_rollback(session);
    return 0;
  }
  int code = crossfade_session_commit(session);
  for (int attempt = 0; code == CROSSFADE_SESSION_BUSY && attempt < 10; ++attempt) {
    code = crossfade_session_commit(session);
  }
  if (code == CROSSFADE_SESSION_OK) return 1;
  fprintf(stderr, "commit: %s\n", crossfade_session_error(session));
  crossfade_session_rollback(session);
  return 0;
}

static int write_notes(sqlite3* db, int transactions) {
  crossfade_session* session = NULL;
  if (crossfade_session_open(db, NULL, &session) != CROSSFADE_SESSION_OK) {
    fprintf(stderr, "session: %s\n", crossfade_session_error(session));
    crossfade_session_close(session);
    return 1;
  }
  report(session);
  int done = 0;
  while (done < transactions && add_notes(db, session, done)) ++done;
  crossfade_session_counters counters;
  crossfade_session_count(session, &counters);
  printf("%d transactions, %llu changes recorded, %llu rows of the log came from elsewhere\n", done,
         (unsigned long long)counters.changes, (unsigned long long)counters.outside_rows);
  crossfade_session_close(session);
  return done == transactions ? 0 : 1;
}

int main(int argc, char** argv) {
  if (argc < 2) {
    fprintf(stderr, "usage: %s app.db [number of transactions]\n", argv[0]);
    return 2;
  }
  sqlite3* db = NULL;
  int result = 1;
  if (sqlite3_open_v2(argv[1], &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK) {
    sqlite3_busy_timeout(db, 30000); /* longer than --max-pause of the cutover */
    result = write_notes(db, argc > 2 ? atoi(argv[2]) : 10);
  } else {
    fprintf(stderr, "sqlite: %s\n", sqlite3_errmsg(db));
  }
  sqlite3_close(db);
  return result;
}
