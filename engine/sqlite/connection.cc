#include "engine/sqlite/connection.h"

#include <fmt/core.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <utility>

#include "engine/core/limits.h"
#include "engine/observe/fault.h"
#include "engine/sqlite/sqlite_error_map.h"
#include "engine/sqlite/statement.h"

namespace crossfade::sqlite {
namespace {

// What SQLite would only say in riddles, said plainly and before it may create a file.
Status check_path(const OpenOptions& options) {
  struct stat st {};
  const auto refuse = [&](std::string native, std::string hint) -> Status {
    Error error;
    error.code = ErrorCode::kSource;
    error.op = "source.open";
    error.object = options.path;
    error.native = std::move(native);
    error.hint = std::move(hint);
    return fail(std::move(error));
  };
  if (::stat(options.path.c_str(), &st) != 0) {
    if (options.access == Access::kCreate) return ok();
    return refuse("no such file", "check the path; crossfade never creates a source database");
  }
  if (S_ISDIR(st.st_mode)) {
    return refuse("this is a folder", "give the path of the database file inside it");
  }
  if (!S_ISREG(st.st_mode)) return refuse("not a regular file", "give a database file's path");
  if (st.st_size == 0 && options.access != Access::kCreate) {
    return refuse("the file is empty",
                  "an empty file holds no tables; check that this is the database the application "
                  "uses");
  }
  return ok();
}

int open_flags(Access access) {
  switch (access) {
    case Access::kReadOnly:
      return SQLITE_OPEN_READONLY;
    case Access::kReadWrite:
      return SQLITE_OPEN_READWRITE;
    case Access::kCreate:
      return SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
  }
  return SQLITE_OPEN_READONLY;
}

// A read-only connection to a WAL database that nobody has open makes its -wal and -shm, and leaves
// them. One that may write removes them at its end, having written nothing.
bool would_leave_files(const std::string& path) {
  // Looked at first: closing a file that this process has open drops SQLite's locks on it.
  if (::access((path + "-wal").c_str(), F_OK) == 0 || ::access(path.c_str(), W_OK) != 0) {
    return false;
  }
  constexpr std::streamoff kReadVersion = 19;  // fileformat2.html: 2 means WAL
  std::ifstream header(path, std::ios::binary);
  header.seekg(kReadVersion);
  return header.get() == 2;
}

bool names_unsafe_function(const Error& error) {
  return error.native.find("unsafe use of") != std::string::npos;
}

}  // namespace

void Connection::Close::operator()(sqlite3* db) const {
  sqlite3_close_v2(db);
}

Connection::Connection(std::unique_ptr<sqlite3, Close> db, OpenOptions options, bool tidy)
    : db_(std::move(db)), options_(std::move(options)), tidy_(tidy) {}

Result<Connection> Connection::open(const OpenOptions& options) {
  CROSSFADE_TRY(check_path(options));
  return open_as(options, options.access == Access::kReadOnly && would_leave_files(options.path));
}

Result<Connection> Connection::open_as(const OpenOptions& options, bool tidy) {
  sqlite3* raw = nullptr;
  const Access access = tidy ? Access::kReadWrite : options.access;
  const int rc = sqlite3_open_v2(options.path.c_str(), &raw,
                                 open_flags(access) | SQLITE_OPEN_NOMUTEX, nullptr);
  std::unique_ptr<sqlite3, Close> db(raw);
  if (rc != SQLITE_OK) return fail(make_error(rc, raw, "source.open", options.path));
  sqlite3_extended_result_codes(raw, 1);
  sqlite3_busy_timeout(raw, static_cast<int>(options.busy_timeout.count()));
  // The schema of somebody else's file is not to be trusted to run functions with side effects.
  sqlite3_db_config(raw, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  Connection connection(std::move(db), options, tidy);
  // The first statement reads the header: what is wrong with the file, it says.
  const char* const probe = "SELECT count(*) FROM sqlite_master";
  auto probed = connection.query_int(probe);
  if (!probed && names_unsafe_function(probed.error())) {
    // SQLite 3.40 takes its own JSON functions for unsafe, and a schema with CHECK(json_valid(x))
    // cannot be read at all. Nothing that is unsafe indeed is registered on our connections.
    sqlite3_db_config(raw, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 1, nullptr);
    probed = connection.query_int(probe);
  }
  if (!probed) {
    Error error = std::move(probed).error();
    error.op = "source.open";
    error.object = options.path;
    return fail(std::move(error));
  }
  CROSSFADE_TRY(connection.exec(fmt::format("PRAGMA cache_size=-{}", limits::kSqliteCacheKiB)));
  if (tidy) {
    CROSSFADE_TRY(connection.exec("PRAGMA query_only=1"));
  }
  return connection;
}

Result<Connection> Connection::beside() const {
  const char* file = sqlite3_db_filename(handle(), "main");
  if (file == nullptr || *file == '\0') {
    return fail(make_error(SQLITE_CANTOPEN, nullptr, "source.open", options_.path));
  }
  // Without another look at the file, whose closing would drop this connection's locks.
  return open_as(options_, tidy_);
}

Status Connection::exec(const std::string& sql) {
  if (fault_fails("source.exec")) {
    return fail(make_error(SQLITE_IOERR, handle(), "source.exec", sql.substr(0, 200)));
  }
  const int rc = sqlite3_exec(handle(), sql.c_str(), nullptr, nullptr, nullptr);
  if (rc != SQLITE_OK) return fail(make_error(rc, handle(), "source.exec", sql.substr(0, 200)));
  return ok();
}

Result<int64_t> Connection::query_int(const std::string& sql, int64_t fallback) {
  CROSSFADE_TRY(auto statement, Statement::prepare(*this, sql));
  CROSSFADE_TRY(const bool row, statement.step());
  if (!row || statement.storage(0) == StorageClass::kNull) return fallback;
  return statement.integer(0);
}

Result<std::string> Connection::query_text(const std::string& sql) {
  CROSSFADE_TRY(auto statement, Statement::prepare(*this, sql));
  CROSSFADE_TRY(const bool row, statement.step());
  if (!row) return std::string();
  return std::string(statement.bytes(0));
}

void Connection::set_busy_timeout(std::chrono::milliseconds timeout) {
  sqlite3_busy_timeout(handle(), static_cast<int>(timeout.count()));
}

int64_t Connection::changes() const {
  return sqlite3_changes64(db_.get());
}

bool Connection::in_transaction() const {
  return sqlite3_get_autocommit(db_.get()) == 0;
}

void Connection::rollback() {
  // An error may have ended the transaction already; then there is nothing to roll back.
  if (in_transaction()) sqlite3_exec(handle(), "ROLLBACK", nullptr, nullptr, nullptr);
  if (!std::exchange(schema_may_be_unwritten_, false)) return;
  sqlite3_exec(handle(), "PRAGMA writable_schema=RESET", nullptr, nullptr, nullptr);
}

namespace {
std::string quoted(std::string_view text, char mark) {
  std::string out(1, mark);
  for (const char c : text) {
    if (c == mark) out += mark;
    out += c;
  }
  return out + mark;
}
}  // namespace

std::string quote(std::string_view identifier) {
  return quoted(identifier, '"');
}
std::string quote_literal(std::string_view text) {
  return quoted(text, '\'');
}

}  // namespace crossfade::sqlite
