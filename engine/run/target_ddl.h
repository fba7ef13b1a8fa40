// DDL that may be refused, and changes of the target's schema under the lease.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "engine/core/deadline.h"
#include "engine/core/result.h"
#include "engine/run/move.h"

namespace crossfade::run {

// The target has something against the statement itself; not the connection, a lock or the lease.
[[nodiscard]] bool is_refusal(const Error& error);

// What becomes of a statement that the target takes.
enum class Outcome : uint8_t { kKept, kUndone };

struct Attempt {
  std::optional<Error> refusal;  // nothing: it was done
};

// Runs `sql` in a savepoint of the open transaction. That the connection, a lock or the lease is
// lost is an error.
Result<Attempt> attempt_ddl(postgres::Connection& target, const std::string& sql, Outcome outcome);

// For attempt_ddl() in a transaction that must end by the deadline: nobody's lock is waited for any
// longer.
[[nodiscard]] std::string bounded(const std::string& sql, Deadline deadline);

// While it lives, statements on large tables take as long as they take; a stop request still ends
// them. Not one inside another.
class PatientStatements {
 public:
  explicit PatientStatements(postgres::Connection& target);
  ~PatientStatements();
  PatientStatements(const PatientStatements&) = delete;
  PatientStatements& operator=(const PatientStatements&) = delete;

 private:
  postgres::Connection& target_;
};

// One transaction in which the lease holds: all of `change`, or on an error nothing.
Status change_target(Move& move, const std::function<Status()>& change);

// The same for changes of tables that an application uses: in nobody's way
// (engine/run/lock_wait.h).
Status change_unlocked(Move& move, const std::function<Status()>& change);

// After a change that failed and without which nothing may be followed: the connection goes, and
// the next session begins with it.
void end_session(postgres::Connection& target);

}  // namespace crossfade::run
