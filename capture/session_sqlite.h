// SQLite as session capture uses it: what its functions return, and how they run statements.
//
// Not engine/core/result.h: applications link this part of capture (libcrossfade_session), and it
// brings nothing along but sqlite3 and the standard library.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace crossfade::capture {

// What the caller can do about it.
enum class RecorderCode : uint8_t {
  kOk,
  kBusy,         // another connection is in the way: the same call may be made again
  kMisuse,       // called out of order; nothing was done
  kUnsupported,  // this connection cannot be recorded
  kRolledBack,   // there is no transaction any more, and nothing of it is stored
  kSqlite,       // SQLite refused; an open transaction still is, and should be rolled back
};

struct [[nodiscard]] RecorderStatus {
  RecorderCode code = RecorderCode::kOk;
  int sqlite_code = SQLITE_OK;  // extended; SQLITE_OK when it is not SQLite that refused
  std::string message;          // for a person; empty when ok

  [[nodiscard]] bool ok() const { return code == RecorderCode::kOk; }
};

// `what` was being done when SQLite answered `rc`.
[[nodiscard]] inline RecorderStatus sqlite_refused(sqlite3* db, int rc, const std::string& what) {
  // The extended code of the last call, when it is that call's.
  const int extended = sqlite3_extended_errcode(db);
  RecorderStatus out;
  out.sqlite_code = (extended & 0xff) == (rc & 0xff) ? extended : rc;
  const int primary = rc & 0xff;
  out.code = primary == SQLITE_BUSY || primary == SQLITE_LOCKED ? RecorderCode::kBusy
                                                                : RecorderCode::kSqlite;
  const bool ours = out.sqlite_code == extended;
  out.message = what + ": " + (ours ? sqlite3_errmsg(db) : sqlite3_errstr(rc));
  return out;
}

[[nodiscard]] inline RecorderStatus refused(RecorderCode code, std::string message) {
  return {code, SQLITE_OK, std::move(message)};
}

struct FinalizeStatement {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using PreparedStatement = std::unique_ptr<sqlite3_stmt, FinalizeStatement>;

// Prepares `sql` into `out` unless it is there already.
inline RecorderStatus prepare_once(sqlite3* db, const std::string& sql, PreparedStatement* out) {
  if (*out) return {};
  sqlite3_stmt* raw = nullptr;
  const int rc = sqlite3_prepare_v3(db, sql.c_str(), static_cast<int>(sql.size()),
                                    SQLITE_PREPARE_PERSISTENT, &raw, nullptr);
  out->reset(raw);
  return rc == SQLITE_OK ? RecorderStatus{} : sqlite_refused(db, rc, sql);
}

// Runs one statement that yields no rows, or whose rows do not matter.
inline RecorderStatus run_sql(sqlite3* db, const char* sql) {
  const int rc = sqlite3_exec(db, sql, nullptr, nullptr, nullptr);
  return rc == SQLITE_OK ? RecorderStatus{} : sqlite_refused(db, rc, sql);
}

// The first column of the first row; `out` stays when there is none. Keeps the statement.
inline RecorderStatus query_integer(sqlite3* db, const std::string& sql,
                                    PreparedStatement* statement, int64_t* out) {
  if (auto prepared = prepare_once(db, sql, statement); !prepared.ok()) return prepared;
  const int rc = sqlite3_step(statement->get());
  if (rc == SQLITE_ROW) *out = sqlite3_column_int64(statement->get(), 0);
  RecorderStatus status =
      rc == SQLITE_ROW || rc == SQLITE_DONE ? RecorderStatus{} : sqlite_refused(db, rc, sql);
  sqlite3_reset(statement->get());
  return status;
}

[[nodiscard]] inline std::string quote_identifier(std::string_view name) {
  std::string out = "\"";
  for (const char c : name) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + '"';
}

}  // namespace crossfade::capture

// An early return needs a macro. NOLINTNEXTLINE(cppcoreguidelines-macro-usage)
#define CROSSFADE_RECORDER_TRY(...) \
  if (auto status_ = (__VA_ARGS__); !status_.ok()) return status_
