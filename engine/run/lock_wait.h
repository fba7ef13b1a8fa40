// Locks on tables that an application uses, for DDL. A statement that waits for one stands in the
// way of everybody who comes after it, readers too: behind one open transaction of pg_dump's the
// whole application would queue up. So a lock is asked for a moment only, and again after a pause,
// in which those who waited go on.
//
// Threads: the connection's.
#pragma once

#include <functional>
#include <string>

#include "engine/core/backoff.h"
#include "engine/core/deadline.h"
#include "engine/core/limits.h"
#include "engine/core/result.h"
#include "engine/postgres/connection.h"

namespace crossfade::run {

// A lock was not to be had in time.
[[nodiscard]] bool is_lock_timeout(const Error& error);

// The attempts at one transaction.
class LockWait {
 public:
  // Whether the pause is over.
  [[nodiscard]] bool due() const { return Deadline::Clock::now() >= next_; }
  [[nodiscard]] std::chrono::milliseconds pause() const { return backoff_.pause(); }

  // For a transaction that has begun: none of its statements waits longer for a lock.
  Status bound(postgres::Connection& target) const;
  // No lock was to be had, and the transaction was rolled back: finds out who is in the way, logs
  // them once, has an autovacuum leave, and begins the pause.
  Status put_off(postgres::Connection& target, const std::string& target_schema);
  // A lock was had.
  void reset();

  // describe_blockers() of then; empty: they were gone.
  [[nodiscard]] const std::string& in_the_way() const { return in_the_way_; }

 private:
  Backoff backoff_{limits::kLockPauseBase, limits::kLockPauseCap, INT32_MAX};
  Deadline::Clock::time_point next_;
  std::string in_the_way_;
  std::string told_;  // their pids
};

// Runs `attempt`, a whole transaction that begins with bound(), again while locks are in its way;
// when `patience` leaves no time for another one, the error names who has them.
Status until_unlocked(postgres::Connection& target, const std::string& target_schema,
                      std::chrono::milliseconds patience,
                      const std::function<Status(const LockWait&)>& attempt);

}  // namespace crossfade::run
