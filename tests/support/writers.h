// Strangers that write to a SQLite file: processes of tests/support/hammer.py.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

namespace crossfade::testing {

struct WritersOptions {
  std::string db;
  int writers = 3;
  int seed = 1;
  double seconds = 5;
  bool change_keys = true;
  double pause_ms = 2;  // of each writer, between transactions
};

class Writers {
 public:
  // Makes the table crossfade_ack if it is not there, and starts the writers.
  explicit Writers(const WritersOptions& options);

  // Asks them to end (SIGTERM), if `now`, and waits. What went wrong with any of them, or empty.
  [[nodiscard]] std::string finish(bool now, std::chrono::milliseconds within);

  // Transactions acknowledged so far, by all of them.
  [[nodiscard]] size_t acknowledged() const;
  // How many of them were told that the database moved.
  [[nodiscard]] size_t moved() const;

  // Empty when each acknowledged transaction's row is there exactly once; else which are not.
  [[nodiscard]] std::string check_postgres(const std::string& url,
                                           const std::string& schema = "public") const;
  [[nodiscard]] std::string check_sqlite(const std::string& path) const;

 private:
  TempDir dir_;
  std::vector<std::unique_ptr<Process>> processes_;
  std::vector<std::string> ack_files_;
};

}  // namespace crossfade::testing
