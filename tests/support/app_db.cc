#include "tests/support/app_db.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <algorithm>
#include <atomic>
#include <deque>

namespace crossfade::testing {

void AppDb::Close::operator()(sqlite3* db) const {
  sqlite3_close_v2(db);
}

AppDb::AppDb(const std::string& path, std::chrono::milliseconds busy_timeout) {
  sqlite3* raw = nullptr;
  EXPECT_EQ(sqlite3_open(path.c_str(), &raw), SQLITE_OK) << path;
  db_.reset(raw);
  sqlite3_busy_timeout(raw, static_cast<int>(busy_timeout.count()));
}

std::string AppDb::run(const std::string& sql) {
  char* message = nullptr;
  if (sqlite3_exec(db_.get(), sql.c_str(), nullptr, nullptr, &message) == SQLITE_OK) return "";
  std::string out = message == nullptr ? "unknown error" : message;
  sqlite3_free(message);
  return out;
}

std::string AppDb::value(const std::string& sql) {
  sqlite3_stmt* statement = nullptr;
  std::string out;
  if (sqlite3_prepare_v2(db_.get(), sql.c_str(), -1, &statement, nullptr) != SQLITE_OK) {
    ADD_FAILURE() << sql << ": " << sqlite3_errmsg(db_.get());
  } else if (sqlite3_step(statement) == SQLITE_ROW) {
    const void* bytes = sqlite3_column_blob(statement, 0);
    const auto size = static_cast<size_t>(sqlite3_column_bytes(statement, 0));
    if (bytes != nullptr) out.assign(static_cast<const char*>(bytes), size);
  }
  sqlite3_finalize(statement);
  return out;
}

struct AppWriters::Shared {
  struct State {
    std::atomic<int64_t> acknowledged{0};
    std::atomic<int64_t> longest_ms{0};
    std::atomic<bool> refused{false};
    std::string refusal;  // written before `refused`
  };
  std::atomic<bool> stop{false};
  std::deque<State> writers;  // they must not move
};

AppWriters::AppWriters(const std::string& path, int writers, std::chrono::milliseconds pace)
    : shared_(std::make_unique<Shared>()) {
  EXPECT_EQ(AppDb(path).run("CREATE TABLE IF NOT EXISTS app_entry(id INTEGER PRIMARY KEY, writer "
                            "INTEGER NOT NULL, n INTEGER NOT NULL)"),
            "");
  for (int i = 0; i < writers; ++i) {
    Shared::State& state = shared_->writers.emplace_back();
    threads_.emplace_back([this, path, i, pace, &state] {
      AppDb db(path);
      while (!shared_->stop.load()) {
        const int64_t n = state.acknowledged.load() + 1;
        const auto began = std::chrono::steady_clock::now();
        state.refusal = db.run(fmt::format("INSERT INTO app_entry(writer,n) VALUES({},{})", i, n));
        if (!state.refusal.empty()) {
          state.refused.store(true);
          return;
        }
        const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(
            std::chrono::steady_clock::now() - began);
        state.longest_ms.store(std::max<int64_t>(state.longest_ms.load(), took.count()));
        state.acknowledged.store(n);
        std::this_thread::sleep_for(pace);
      }
    });
  }
}

AppWriters::~AppWriters() {
  stop();
}

void AppWriters::stop() {
  shared_->stop.store(true);
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

std::vector<AppWriters::Writer> AppWriters::result() {
  stop();
  std::vector<Writer> out;
  for (const Shared::State& state : shared_->writers) {
    out.push_back({state.acknowledged.load(), state.refusal});
  }
  return out;
}

int64_t AppWriters::acknowledged() const {
  int64_t total = 0;
  for (const Shared::State& state : shared_->writers) total += state.acknowledged.load();
  return total;
}

std::chrono::milliseconds AppWriters::longest_wait() const {
  int64_t longest = 0;
  for (const Shared::State& state : shared_->writers) {
    longest = std::max(longest, state.longest_ms.load());
  }
  return std::chrono::milliseconds(longest);
}

int AppWriters::refused() const {
  int count = 0;
  for (const Shared::State& state : shared_->writers) count += state.refused.load() ? 1 : 0;
  return count;
}

}  // namespace crossfade::testing
