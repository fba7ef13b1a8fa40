/* Which side is primary: the reader's half of crossfade's route file, for applications.
 *
 * A handle maps the route file of one database and reads it without locks and, while the file stays
 * where it is, without system calls. No dependency but libc: no SQLite, no libpq.
 * How an application uses it is in docs/clients.md.
 *
 * Threads: a handle serves one thread at a time; threads open a handle each. A handle survives
 * fork(). Ownership: crossfade_route_close() frees what crossfade_route_open() made.
 */
#ifndef CROSSFADE_CLIENT_H
#define CROSSFADE_CLIENT_H

/* NOLINTBEGIN(readability-identifier-naming, modernize-*): this header is C. */

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define CROSSFADE_EXPORT __attribute__((visibility("default")))
#else
#define CROSSFADE_EXPORT
#endif

/* What the functions return. Negative: an error, and nothing was written to `out`. */
enum {
  CROSSFADE_OK = 0,
  CROSSFADE_TIMEOUT = 1,    /* crossfade_route_wait() only; `out` holds the unchanged route */
  CROSSFADE_EARGUMENT = -1, /* a null pointer, or an empty path */
  CROSSFADE_EDAMAGED = -2, /* the route file is torn or foreign; any crossfade command repairs it */
  CROSSFADE_ESYSTEM = -3,  /* the operating system refused; errno says why */
  CROSSFADE_ENOMEMORY = -4
};

/* crossfade_route_info.primary. */
enum { CROSSFADE_PRIMARY_NONE = 0, CROSSFADE_PRIMARY_SQLITE = 1, CROSSFADE_PRIMARY_POSTGRES = 2 };

typedef struct crossfade_route crossfade_route;

typedef struct crossfade_route_info {
  uint32_t primary;
  uint64_t epoch; /* grows by one at each change of sides */
  char url[961];  /* of the PostgreSQL side, without password, NUL-terminated; may be empty */
} crossfade_route_info;

/* `path` is the SQLite database, or the route file itself ("<database>.crossfade/route").
 * A route file that does not exist yet is no error: see crossfade_route_read(). */
CROSSFADE_EXPORT int crossfade_route_open(const char* path, crossfade_route** out);

CROSSFADE_EXPORT void crossfade_route_close(crossfade_route* route);

/* The route now. As long as there never was a route file: primary sqlite, epoch 0; it is looked for
 * again at most every 100 ms. A file that goes away later leaves the last route it held. */
CROSSFADE_EXPORT int crossfade_route_read(crossfade_route* route, crossfade_route_info* out);

/* Returns CROSSFADE_OK as soon as the epoch is greater than `seen_epoch` (within 2 ms), or
 * CROSSFADE_TIMEOUT after `timeout_ms`; a negative timeout waits for ever. */
CROSSFADE_EXPORT int crossfade_route_wait(crossfade_route* route, uint64_t seen_epoch,
                                          int timeout_ms, crossfade_route_info* out);

/* 1 when sqlite3_errmsg() says that a write was refused because the data moved, else 0. */
CROSSFADE_EXPORT int crossfade_is_moved_error(const char* sqlite_error_message);

/* One sentence for a return code. */
CROSSFADE_EXPORT const char* crossfade_client_error(int code);

#ifdef __cplusplus
}
#endif

/* NOLINTEND(readability-identifier-naming, modernize-*) */

#endif /* CROSSFADE_CLIENT_H */
