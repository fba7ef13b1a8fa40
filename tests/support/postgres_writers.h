// Applications that write to PostgreSQL: threads that each insert one row per transaction into
// public.app_entry(id, writer, n), until they are told to stop or are refused.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace crossfade::testing {

class PostgresWriters {
 public:
  PostgresWriters(const std::string& url, int writers,
                  std::chrono::milliseconds pace = std::chrono::milliseconds(1));
  ~PostgresWriters();  // stops
  PostgresWriters(const PostgresWriters&) = delete;
  PostgresWriters& operator=(const PostgresWriters&) = delete;

  void stop();
  struct Writer {
    int64_t acknowledged = 0;  // n is 1 up to this
    std::string refusal;       // the SQLSTATE that ended it, if any did
  };
  // After stop().
  [[nodiscard]] std::vector<Writer> result() const;
  [[nodiscard]] int64_t acknowledged() const;
  [[nodiscard]] int refused() const;

 private:
  struct Shared;
  std::unique_ptr<Shared> shared_;
  std::vector<std::thread> threads_;
};

}  // namespace crossfade::testing
