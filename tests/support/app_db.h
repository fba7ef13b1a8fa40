// An application's own connection to its SQLite file: raw sqlite3, nothing of crossfade's.
//
// Threads: one at a time. Closed at the end.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

struct sqlite3;

namespace crossfade::testing {

class AppDb {
 public:
  // Made if absent.
  explicit AppDb(const std::string& path,
                 std::chrono::milliseconds busy_timeout = std::chrono::seconds(20));

  // Runs all statements of `sql` until one fails. Empty, or SQLite's message.
  std::string run(const std::string& sql);
  // The first column of the first row as text; "" when there is none, or it is NULL.
  std::string value(const std::string& sql);

 private:
  struct Close {
    void operator()(sqlite3* db) const;
  };
  std::unique_ptr<sqlite3, Close> db_;
};

// Threads that each insert one row per transaction into app_entry(id, writer, n), with pauses of a
// millisecond, until they are told to stop or are refused.
class AppWriters {
 public:
  // Makes the table if it is not there. `pace` is what each rests between two transactions.
  AppWriters(const std::string& path, int writers,
             std::chrono::milliseconds pace = std::chrono::milliseconds(1));
  ~AppWriters();  // stops
  AppWriters(const AppWriters&) = delete;
  AppWriters& operator=(const AppWriters&) = delete;

  void stop();
  struct Writer {
    int64_t acknowledged = 0;  // n is 1 up to this
    std::string refusal;       // what ended it, if anything did
  };
  // After stop().
  [[nodiscard]] std::vector<Writer> result();
  // So far, of all writers.
  [[nodiscard]] int64_t acknowledged() const;
  // The longest that one of their transactions took.
  [[nodiscard]] std::chrono::milliseconds longest_wait() const;
  // How many of them have been refused.
  [[nodiscard]] int refused() const;

 private:
  struct Shared;
  std::unique_ptr<Shared> shared_;
  std::vector<std::thread> threads_;
};

}  // namespace crossfade::testing
