// Strangers that write to a database: processes of tests/support/hammer.py, which write to a SQLite
// file, and of tests/support/psql_hammer.py, which write to PostgreSQL through psql.
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
  int first = 0;        // the first one's number: of all that ever write, no two have the same
  bool calm = false;    // what others refer to stays, so that another side may refer to it, too
};

struct PsqlWritersOptions {
  std::string url;
  std::string db;  // the SQLite file: what PostgreSQL refuses because it moved is repeated there
  int writers = 3;
  int seed = 1;
  double seconds = 5;
  double pause_ms = 10;
  double rows_per_second = 500;  // of each, changed: an engine without optimization keeps pace
  int large = 12'000;            // rows of their large transactions: more than SQLite takes at once
  int first = 100;
  bool calm = false;
};

// Makes the table crossfade_ack in a SQLite file, if it is not there.
void make_ack_table(const std::string& db);

class Writers {
 public:
  // Makes the table crossfade_ack if it is not there, and starts the writers.
  explicit Writers(const WritersOptions& options);
  // Starts writers to PostgreSQL, where the table is.
  explicit Writers(const PsqlWritersOptions& options);

  // Asks them to end (SIGTERM), if `now`, and waits. What went wrong with any of them, or empty.
  [[nodiscard]] std::string finish(bool now, std::chrono::milliseconds within);

  // Transactions acknowledged so far, by all of them.
  [[nodiscard]] size_t acknowledged() const;
  // How many of them were told that the database moved.
  [[nodiscard]] size_t moved() const;
  // What each of them printed, after finish(): its counts as JSON.
  [[nodiscard]] std::vector<std::string> said() const;

  // Empty when each acknowledged transaction's row is there exactly once; else which are not.
  [[nodiscard]] std::string check_postgres(const std::string& url,
                                           const std::string& schema = "public") const;
  [[nodiscard]] std::string check_sqlite(const std::string& path) const;

 private:
  void start(std::vector<std::string> argv, int writer);

  TempDir dir_;
  std::vector<std::unique_ptr<Process>> processes_;
  std::vector<std::string> ack_files_;
};

}  // namespace crossfade::testing
