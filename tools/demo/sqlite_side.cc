#include <sqlite3.h>

#include <utility>

#include "tools/client/crossfade_client.h"
#include "tools/demo/side.h"

namespace crossfade::demo {
namespace {

// Longer than any cutover's --max-pause: the application waits out the engine's lock.
constexpr int kBusyTimeoutMs = 30'000;

struct Close {
  void operator()(sqlite3* db) const { sqlite3_close(db); }
};
struct Finalize {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Database = std::unique_ptr<sqlite3, Close>;
using Statement = std::unique_ptr<sqlite3_stmt, Finalize>;

struct Bind {
  sqlite3_stmt* statement;
  int index;

  int operator()(int64_t value) const { return sqlite3_bind_int64(statement, index, value); }
  int operator()(double value) const { return sqlite3_bind_double(statement, index, value); }
  int operator()(const std::string& value) const {
    return sqlite3_bind_text64(statement, index, value.data(), value.size(), SQLITE_TRANSIENT,
                               SQLITE_UTF8);
  }
  int operator()(const Blob& value) const {
    return sqlite3_bind_blob64(statement, index, value.bytes.data(), value.bytes.size(),
                               SQLITE_TRANSIENT);
  }
};

class SqliteSide final : public Side {
 public:
  explicit SqliteSide(Database db) : db_(std::move(db)) {}

  [[nodiscard]] const char* name() const override { return "sqlite"; }
  [[nodiscard]] bool is_sqlite() const override { return true; }
  [[nodiscard]] const std::string& message() const override { return message_; }

  Outcome begin() override { return exec("BEGIN IMMEDIATE"); }
  Outcome commit() override { return exec("COMMIT"); }
  void rollback() override {
    if (sqlite3_get_autocommit(db_.get()) == 0) {
      sqlite3_exec(db_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
    }
  }

  Outcome run(const std::string& sql, const Params& params, Rows* rows) override {
    sqlite3_stmt* prepared = nullptr;
    int rc = sqlite3_prepare_v2(db_.get(), sql.c_str(), static_cast<int>(sql.size()), &prepared,
                                nullptr);
    const Statement statement(prepared);
    if (rc != SQLITE_OK) return failed(rc);
    for (size_t i = 0; i < params.size(); ++i) {
      rc = std::visit(Bind{prepared, static_cast<int>(i) + 1}, params[i]);
      if (rc != SQLITE_OK) return failed(rc);
    }
    while ((rc = sqlite3_step(prepared)) == SQLITE_ROW) {
      if (rows == nullptr) continue;
      std::vector<std::string>& row = rows->emplace_back();
      for (int c = 0; c < sqlite3_column_count(prepared); ++c) {
        const void* bytes = sqlite3_column_blob(prepared, c);
        const auto size = static_cast<size_t>(sqlite3_column_bytes(prepared, c));
        row.emplace_back(bytes == nullptr ? "" : static_cast<const char*>(bytes), size);
      }
    }
    return rc == SQLITE_DONE ? Outcome::kDone : failed(rc);
  }

 private:
  Outcome exec(const char* sql) {
    const int rc = sqlite3_exec(db_.get(), sql, nullptr, nullptr, nullptr);
    return rc == SQLITE_OK ? Outcome::kDone : failed(rc);
  }

  Outcome failed(int rc) {
    message_ = sqlite3_errmsg(db_.get());
    if (crossfade_is_moved_error(message_.c_str()) != 0) return Outcome::kMoved;
    return (rc & 0xff) == SQLITE_BUSY ? Outcome::kRetry : Outcome::kFailed;
  }

  const Database db_;
  std::string message_;
};

}  // namespace

std::unique_ptr<Side> open_sqlite(const std::string& path, std::string* message) {
  sqlite3* handle = nullptr;
  const int rc = sqlite3_open_v2(path.c_str(), &handle, SQLITE_OPEN_READWRITE, nullptr);
  Database db(handle);
  if (rc == SQLITE_OK) {
    sqlite3_busy_timeout(handle, kBusyTimeoutMs);
    const int set = sqlite3_exec(handle, "PRAGMA foreign_keys = ON; PRAGMA synchronous = NORMAL",
                                 nullptr, nullptr, nullptr);
    if (set == SQLITE_OK) return std::make_unique<SqliteSide>(std::move(db));
  }
  *message = sqlite3_errmsg(handle);
  return nullptr;
}

}  // namespace crossfade::demo
