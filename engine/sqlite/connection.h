// An open SQLite database. An object that exists works.
//
// Threads: one at a time; each thread opens its own (SQLITE_OPEN_NOMUTEX).
// Ownership: closes on destruction; Statements must not outlive their Connection.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "engine/core/result.h"

struct sqlite3;

namespace crossfade::sqlite {

enum class Access : uint8_t {
  kReadOnly,   // never creates, never writes the database file
  kReadWrite,  // never creates
  kCreate,     // creates when absent; for our own files and for tests
};

struct OpenOptions {
  std::string path;
  Access access = Access::kReadOnly;
  std::chrono::milliseconds busy_timeout{5'000};
};

class Connection {
 public:
  // Opens and reads the schema once, so that a file that is no database, is encrypted or is
  // damaged at its head fails here and not later.
  static Result<Connection> open(const OpenOptions& options);
  // One more to the same file, opened as this one was: for another thread. A database that has no
  // file has no other connection.
  [[nodiscard]] Result<Connection> beside() const;

  // Runs one or more statements and throws their rows away.
  Status exec(const std::string& sql);

  // The first column of the first row, or `fallback` when there is no row or it is NULL.
  Result<int64_t> query_int(const std::string& sql, int64_t fallback = 0);
  Result<std::string> query_text(const std::string& sql);

  // Of the transaction that it is in, if it is in one. Never throws.
  void rollback();
  // Whoever writes the schema by its rows and reads it within the same transaction says so before:
  // SQLite would go on with what it read when that is rolled back, and take it for the file's own
  // once somebody else's change has given the file the same schema version (measured, 3.40.1).
  void forget_schema_on_rollback() { schema_may_be_unwritten_ = true; }

  void set_busy_timeout(std::chrono::milliseconds timeout);

  // As it was opened.
  [[nodiscard]] const std::string& path() const { return options_.path; }
  // Rows changed by the last statement.
  [[nodiscard]] int64_t changes() const;
  [[nodiscard]] bool in_transaction() const;
  // For calls this class does not wrap; never store it.
  [[nodiscard]] sqlite3* handle() const { return db_.get(); }

 private:
  struct Close {
    void operator()(sqlite3* db) const;
  };
  Connection(std::unique_ptr<sqlite3, Close> db, OpenOptions options, bool tidy);
  static Result<Connection> open_as(const OpenOptions& options, bool tidy);

  std::unique_ptr<sqlite3, Close> db_;
  OpenOptions options_;
  bool schema_may_be_unwritten_ = false;
  bool tidy_;  // reads only, and may write so that SQLite takes its own files away at the end
};

// An identifier in double quotes, inner quotes doubled.
[[nodiscard]] std::string quote(std::string_view identifier);
// A text literal in single quotes, inner quotes doubled.
[[nodiscard]] std::string quote_literal(std::string_view text);

}  // namespace crossfade::sqlite
