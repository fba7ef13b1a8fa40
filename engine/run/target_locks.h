// Locks on the target's tables that hold up no application longer than said, and who is in their
// way. Threads: the connection's.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "engine/core/error.h"
#include "engine/core/result.h"
#include "engine/postgres/connection.h"

namespace crossfade::run {

// The tables' names on the target, and the schema they are in.
struct FencedTables {
  std::string schema;
  std::vector<std::string> names;
};

struct LockedTable {
  int64_t oid = 0;
  std::string schema;
  std::string name;
  std::string quoted;        // schema.name
  bool partitioned = false;  // all its rows are in others
};
// The tables and what inherits from them, partitions too, in the order of their oids. One that is
// not there is an error.
Result<std::vector<LockedTable>> with_heirs(postgres::Connection& target,
                                            const FencedTables& tables);

// Whoever holds a lock that is in the way, for an error that names it. What the server does not
// show to this role of other roles' sessions (state, query) is empty.
struct Blocker {
  int64_t pid = 0;       // 0: a prepared transaction, which no session holds any more
  std::string prepared;  // its name
  std::string application;
  std::string user;
  std::string state;  // "idle in transaction"
  std::string query;  // the beginning of the one that runs, or of the last
  std::string table;
  int64_t seconds = 0;  // since its transaction began
  bool autovacuum = false;
};
enum class InTheWay : uint8_t { kOfWriters, kOfReadersToo };
Result<std::vector<Blocker>> who_blocks(postgres::Connection& target, const FencedTables& tables,
                                        InTheWay whom = InTheWay::kOfWriters);
// For a person: one line for each.
[[nodiscard]] std::string describe_blockers(const std::vector<Blocker>& blockers);
// "... is in use", with who uses it and what to do; kRetry.
[[nodiscard]] Error target_busy_error(std::string op, std::string object,
                                      const std::vector<Blocker>& blockers);

// Begins a transaction that holds EXCLUSIVE on every table and its heirs: readers go on, writers
// wait. False: somebody had a lock in the way for `patience`, nothing is held, and the connection
// is in no transaction; writers were held up no longer than that. `patience` is cut to half of
// deadlock_timeout, so that nobody's transaction falls victim to a deadlock with this one. An
// autovacuum in the way is made to leave, for the next attempt.
Result<bool> lock_tables(postgres::Connection& target, const FencedTables& tables,
                         std::chrono::milliseconds patience);

// Runs `sql` in a transaction that it begins and leaves open, with the same bound. False: as above.
// The server ends the session when nothing is said in that transaction for
// limits::kLockLeftOpenMax, for which whoever holds it longer has a SET LOCAL of its own.
Result<bool> exec_unless_busy(postgres::Connection& target, const std::string& sql,
                              std::chrono::milliseconds patience);

// Asks for a lock that only an autovacuum is in the way of, for as long as the server takes to
// cancel it then (deadlock_timeout, which the wait above never reaches); no writer waits behind it.
// False: there was none. The connection must be in no transaction.
Result<bool> displace_autovacuum(postgres::Connection& target, const FencedTables& tables);

}  // namespace crossfade::run
