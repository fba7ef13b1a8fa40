#include "engine/run/target_ddl.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "engine/core/limits.h"
#include "engine/run/lock_wait.h"

namespace crossfade::run {

bool is_refusal(const Error& error) {
  return !error.sqlstate.empty() &&
         (error.remedy == Remedy::kStop || error.remedy == Remedy::kQuarantine);
}

Result<Attempt> attempt_ddl(postgres::Connection& target, const std::string& sql, Outcome outcome) {
  const auto done =
      target.exec(fmt::format("SAVEPOINT ddl; {}; {}RELEASE SAVEPOINT ddl", sql,
                              outcome == Outcome::kUndone ? "ROLLBACK TO SAVEPOINT ddl; " : ""));
  if (done) return Attempt();
  const Error& error = done.error();
  if (!is_refusal(error)) return fail(error);
  CROSSFADE_TRY(target.exec("ROLLBACK TO SAVEPOINT ddl; RELEASE SAVEPOINT ddl"));
  return Attempt{error};
}

std::string bounded(const std::string& sql, Deadline deadline) {
  // Half of what is left, as a statement that times out costs the connection; 0 would be: forever.
  const int64_t wait = std::max<int64_t>(1, deadline.remaining().count() / 2);
  return fmt::format("SET LOCAL lock_timeout = {}; {}", wait, sql);
}

PatientStatements::PatientStatements(postgres::Connection& target) : target_(target) {
  target_.set_statement_timeout(std::chrono::hours(24));
}

PatientStatements::~PatientStatements() {
  target_.set_statement_timeout(limits::kStatementTimeout);
}

Status change_target(Move& move, const std::function<Status()>& change) {
  postgres::Connection& target = move.target.connection();
  CROSSFADE_TRY(
      target.exec(fmt::format("BEGIN; SELECT crossfade.check_lease({})", move.token.value)));
  auto done = change();
  if (done) return target.commit();
  target.rollback();
  return done;
}

void end_session(postgres::Connection& target) {
  (void)target.exec("SELECT pg_terminate_backend(pg_backend_pid())");
}

Status change_unlocked(Move& move, const std::function<Status()>& change) {
  postgres::Connection& target = move.target.connection();
  return until_unlocked(target, move.options.target_schema, limits::kLockPatience,
                        [&](const LockWait& wait) {
                          return change_target(move, [&]() -> Status {
                            CROSSFADE_TRY(wait.bound(target));
                            return change();
                          });
                        });
}

}  // namespace crossfade::run
