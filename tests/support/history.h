// What clients of both sides did and saw, as one history: the facts that history_checker.h judges.
//
// Each write is one transaction with a number of its client's own; a reader says which it found.
// Times are microseconds of one steady clock. A history goes to a file as JSON lines and comes back
// the same, so that what failed once can be judged again.
// Threads: record() from any; the rest when nobody records.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace crossfade::testing {

enum class Side : uint8_t { kSqlite, kPostgres };
enum class Outcome : uint8_t {
  kOk,       // acknowledged
  kRefused,  // certainly not done
  kUnknown,  // the answer was lost
};

// A write by its client and that client's number: 1, 2, 3 ...
using WriteId = std::pair<int, int64_t>;

// What the route file said before and after an operation.
struct Believed {
  int64_t epoch_before = 0;
  int64_t epoch_after = 0;
  [[nodiscard]] bool steady() const { return epoch_before == epoch_after; }
};

struct WriteOp {
  WriteId id;
  Side side = Side::kSqlite;
  Believed route;
  int64_t invoked_us = 0;
  int64_t completed_us = 0;
  Outcome outcome = Outcome::kUnknown;
  std::string native;  // what refused it, for people
};

// The state of one side in one snapshot.
struct ReadOp {
  Side side = Side::kSqlite;
  bool of_primary = false;  // else of the copy that is kept in step
  Believed route;
  int64_t invoked_us = 0;
  int64_t completed_us = 0;
  std::vector<WriteId> found;          // one for each row of a write; twice is twice
  std::map<int, int64_t> last_number;  // what each write sets to its number, per client
  int64_t balance = 0;                 // the sum, which no write changes
  int64_t torn = 0;                    // writes that have not all of their rows
  int64_t orphans = 0;                 // rows whose parent is missing
  int64_t unbalanced = 0;              // accounts that are not the sum of what was booked
};

struct History {
  uint64_t seed = 0;
  int64_t balance = 0;      // what it must be in every snapshot
  int64_t first_epoch = 0;  // SQLite is the primary in it; each flip adds one
  int64_t last_epoch = 0;
  std::vector<WriteOp> writes;
  std::vector<ReadOp> reads;
  ReadOp final_state;  // of the primary, when all was over
};

class HistoryRecorder {
 public:
  void record(WriteOp op);
  void record(ReadOp op);
  // What has been recorded. `seed` and so on are the caller's to fill in.
  [[nodiscard]] History take();
  // Acknowledged so far, of one side.
  [[nodiscard]] int64_t acknowledged(Side side) const;

 private:
  mutable std::mutex mutex_;
  History history_;                   // guarded by mutex_
  int64_t acknowledged_[2] = {0, 0};  // guarded by mutex_
};

void write_history(const std::string& path, const History& history);
// The test fails when it cannot be read.
[[nodiscard]] History read_history(const std::string& path);

}  // namespace crossfade::testing
