#include "engine/sqlite/sqlite_error_map.h"

#include <fmt/core.h>
#include <sqlite3.h>

#include <cerrno>
#include <utility>

namespace crossfade::sqlite {
namespace {

const char* hint_for(int rc) {
  if (rc == SQLITE_ERROR_MISSING_COLLSEQ) {
    return "the application gives SQLite a collation of its own, which only it knows; recreate the "
           "index or key that uses it under BINARY or NOCASE, and run the command again";
  }
  switch (rc & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return "another program holds the database's lock; end its transaction (or its exclusive "
             "locking mode) and run the command again";
    case SQLITE_CANTOPEN:
      return "check the path, and that the file and its folder may be read and written";
    case SQLITE_READONLY:
      return "crossfade writes its triggers and change log into the source; give it write access "
             "to the file and its folder";
    case SQLITE_NOTADB:
      return "this is not an SQLite database, or it is encrypted (SQLCipher, SEE): decrypt a copy "
             "with the program that wrote it, and move that";
    case SQLITE_CORRUPT:
      // SQLite calls a page that the disk did not give (EIO) malformed, too:
      // SQLITE_IOERR_CORRUPTFS.
      return "the file is damaged, or the disk could not read it (the system's log tells): run "
             "`sqlite3 FILE 'PRAGMA integrity_check'`, restore a backup or use `sqlite3 FILE "
             ".recover`, then run the command again";
    case SQLITE_FULL:
      return "the disk is full: free some space and run the command again";
    case SQLITE_IOERR:
      return "the disk did not answer as it should; look at the system's log";
    default:
      return "";
  }
}

// Whether it is about the file rather than about the statement that met it.
bool concerns_file(int primary) {
  switch (primary) {
    case SQLITE_CANTOPEN:
    case SQLITE_CORRUPT:
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_NOTADB:
    case SQLITE_READONLY:
      return true;
    default:
      return false;
  }
}

// A disk without room for the file's shared memory is "disk I/O error" to SQLite.
int what_failed(int rc, sqlite3* db) {
  if (db == nullptr || (rc & 0xff) != SQLITE_IOERR) return rc;
  const int said = sqlite3_system_errno(db);
  return said == ENOSPC || said == EDQUOT ? SQLITE_FULL : rc;
}

}  // namespace

Error make_error(int reported, sqlite3* db, std::string op, std::string object) {
  Error error;
  const int rc = what_failed(reported, db);
  const int primary = rc & 0xff;
  error.code = ErrorCode::kSource;
  error.remedy =
      primary == SQLITE_BUSY || primary == SQLITE_LOCKED ? Remedy::kRetry : Remedy::kStop;
  error.op = std::move(op);
  error.object = std::move(object);
  const char* path = db != nullptr ? sqlite3_db_filename(db, "main") : nullptr;
  if (path != nullptr && concerns_file(primary) && error.object != path) {
    error.object = fmt::format("{}: {}", path, error.object);
  }
  const char* message = db != nullptr ? sqlite3_errmsg(db) : sqlite3_errstr(rc);
  error.native = fmt::format("SQLite error {} ({}): {}", rc, sqlite3_errstr(rc), message);
  error.hint = hint_for(rc);
  return error;
}

bool is_full(const Error& error) {
  return error.code == ErrorCode::kSource &&
         error.native.starts_with(fmt::format("SQLite error {} ", SQLITE_FULL));
}

bool is_busy(const Error& error) {
  return error.code == ErrorCode::kSource && error.remedy == Remedy::kRetry;
}

}  // namespace crossfade::sqlite
