// PostgreSQL's rows while applications write there too: read under locks, and changed so that
// nobody's write is lost.
//
// An application's UPDATE that waits for a row which we delete and insert again would find nothing
// to change; so rows that stay are updated, never made anew.
// Everything here runs inside the caller's transaction, which begins with begin(): no statement
// waits for a lock longer than limits::kTargetLockWait, less than deadlock_timeout, so that an
// application's transaction is not the victim of a deadlock with us. An error with kRetry: roll
// back, and try again later. Threads: the connection's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/core/result.h"
#include "engine/core/schema.h"
#include "engine/core/value.h"
#include "engine/postgres/connection.h"
#include "engine/run/dual_ledger.h"
#include "engine/run/target_row.h"

namespace crossfade::run {

struct LockedRow : TargetRow {
  int64_t committed_us = 0;  // 0: the server keeps no commit timestamps
};

struct Attempted {
  std::optional<Error> refused;  // nothing: it was done
};

class DualTarget {
 public:
  DualTarget(postgres::Connection& target, std::string target_schema)
      : target_(target), target_schema_(std::move(target_schema)) {}

  // BEGIN, and the mark as the transaction's first write, so that the stream tells it from the
  // application's.
  Status begin(const std::string& mark);

  // Locks the rows of these keys that are there.
  Result<std::unordered_map<KeyId, LockedRow>> lock(const Table& table,
                                                    const std::vector<const Row*>& keys);
  Result<std::optional<LockedRow>> lock_one(const Table& table, const Row& key);

  struct Write {
    const Row* key = nullptr;
    const Row* row = nullptr;  // null: delete it
    bool there = false;        // the target has a row of the key
  };
  // As sets: deletions, then updates, then insertions. All, or an error (kQuarantine when a row is
  // refused) and none.
  Status write(const Table& table, const std::vector<Write>& writes);
  // Row by row, whatever the order they need. Returns those that were refused, and why; nothing of
  // them is written.
  struct Refused {
    size_t index = 0;  // into writes
    Error error;
  };
  Result<std::vector<Refused>> write_each(const Table& table, const std::vector<Write>& writes);

  // Locks the rows of other keys that have a unique value of this row's.
  Result<std::vector<LockedRow>> rivals(const Table& table, const Row& key, const Row& row);

  [[nodiscard]] postgres::Connection& connection() { return target_; }

 private:
  Status write_sets(const Table& table, const std::vector<Write>& writes);
  Status remove(const Table& table, const std::vector<Write>& writes);
  Status update(const Table& table, const std::vector<Write>& writes);
  Status insert(const Table& table, const std::vector<Write>& writes);
  // In a savepoint.
  Result<Attempted> attempt(const Table& table, const std::vector<Write>& writes);

  postgres::Connection& target_;
  const std::string target_schema_;
};

// A row was refused because another has a unique value of it.
[[nodiscard]] bool is_unique_violation(const Error& error);

}  // namespace crossfade::run
