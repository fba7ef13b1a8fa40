// A SQLite database under capture and a twin in memory without it: every statement runs on both,
// and has to come out the same.
//
// Compared are the result code and message, the rows it returned, changes() and
// last_insert_rowid(). total_changes() is not: it counts the log's rows too (docs/guarantees.md).
// Threads: one. Uses raw sqlite3, as an application would.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

struct sqlite3;

namespace crossfade::testing {

struct Outcome {
  int code = 0;  // extended; SQLITE_OK when it ran to its end
  std::string message;
  int64_t changes = 0;
  int64_t last_rowid = 0;
  int64_t total_changes = 0;  // of this statement, with what its triggers did
  std::vector<std::string> rows;

  [[nodiscard]] bool ok() const { return code == 0; }
};

// One connection, closed at the end.
class PlainSqlite {
 public:
  explicit PlainSqlite(const std::string& path);
  // Runs all statements of `sql` until one fails.
  Outcome run(const std::string& sql);
  [[nodiscard]] bool in_transaction() const;
  void set_last_rowid(int64_t rowid);
  // Sees each statement before it is run; true: it has done it, with this outcome.
  using Instead = std::function<bool(const std::string& sql, int* code)>;
  void run_instead(Instead instead) { instead_ = std::move(instead); }
  [[nodiscard]] sqlite3* handle() const { return db_.get(); }

 private:
  struct Close {
    void operator()(sqlite3* db) const;
  };
  std::unique_ptr<sqlite3, Close> db_;
  Instead instead_;
};

class Twin {
 public:
  explicit Twin(const std::string& source_path);

  // The outcome of this statement is not compared.
  void exempt(const std::string& sql) { not_compared_ = sql; }

  // The shadow's outcome. `with_rows` false: what it selects may name capture's own things.
  Outcome run(const std::string& sql, bool with_rows = true);
  [[nodiscard]] bool in_transaction() const { return shadow_.in_transaction(); }

  // Empty while everything came out the same; else the first difference.
  [[nodiscard]] const std::string& difference() const { return difference_; }
  // Compares schema and rows of both, without capture's own. Empty when they are equal.
  [[nodiscard]] std::string compare();
  // The last statements with their result codes, for a failure's message.
  [[nodiscard]] std::string history() const;

  PlainSqlite& source() { return source_; }

 private:
  void level_changes();

  PlainSqlite source_;
  PlainSqlite shadow_;
  std::string not_compared_;
  std::string difference_;
  std::deque<std::string> history_;
};

}  // namespace crossfade::testing
