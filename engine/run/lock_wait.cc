#include "engine/run/lock_wait.h"

#include <fmt/format.h>

#include "engine/observe/log.h"
#include "engine/run/target_locks.h"

namespace crossfade::run {
namespace {

// Another attempt's wait for a lock, and to ask who is in the way.
constexpr std::chrono::milliseconds kAttemptMax =
    limits::kTargetLockWait + std::chrono::milliseconds(250);

// Which lock it was is not known any more: all tables and sequences of the schema that are ours to
// alter.
Result<FencedTables> tables_of(postgres::Connection& target, const std::string& target_schema) {
  CROSSFADE_TRY(const auto names,
                target.query("SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = "
                             "c.relnamespace WHERE n.nspname = $1 AND c.relkind IN ('r', 'p', 'S') "
                             "AND pg_has_role(c.relowner, 'USAGE')",
                             {postgres::text_param(target_schema)}));
  FencedTables out{target_schema, {}};
  for (int i = 0; i < names.rows(); ++i) out.names.push_back(names.text(i, 0));
  return out;
}

}  // namespace

bool is_lock_timeout(const Error& error) {
  return error.sqlstate == "55P03";
}

// Below deadlock_timeout, so that nobody's transaction falls victim to a deadlock with us.
Status LockWait::bound(postgres::Connection& target) const {
  CROSSFADE_TRY(target.exec(
      fmt::format("SELECT set_config('lock_timeout', least({}, setting::bigint / 2)::text, true) "
                  "FROM pg_settings WHERE name = 'deadlock_timeout'",
                  limits::kTargetLockWait.count())));
  return ok();
}

Status LockWait::put_off(postgres::Connection& target, const std::string& target_schema) {
  CROSSFADE_TRY(const FencedTables tables, tables_of(target, target_schema));
  CROSSFADE_TRY(const auto blockers, who_blocks(target, tables, InTheWay::kOfReadersToo));
  in_the_way_ = describe_blockers(blockers);
  std::string pids;
  for (const Blocker& each : blockers) pids += fmt::format("{} ", each.pid);
  if (pids != told_ && !blockers.empty()) {
    log::warn(fmt::format("waiting for locks on the target, in nobody's way: {}", in_the_way_));
  }
  told_ = std::move(pids);
  CROSSFADE_TRY(displace_autovacuum(target, tables));
  (void)backoff_.next();
  next_ = Deadline::Clock::now() + backoff_.pause();
  return ok();
}

void LockWait::reset() {
  backoff_.reset();
  next_ = {};
  in_the_way_.clear();
  told_.clear();
}

Status until_unlocked(postgres::Connection& target, const std::string& target_schema,
                      std::chrono::milliseconds patience,
                      const std::function<Status(const LockWait&)>& attempt) {
  const Deadline deadline = Deadline::after(patience);
  LockWait wait;
  while (true) {
    auto done = attempt(wait);
    if (done || !is_lock_timeout(done.error())) return done;
    target.rollback();
    CROSSFADE_TRY(wait.put_off(target, target_schema));
    // Whoever waits for it as well may end this connection's calls then.
    if (deadline.remaining() < wait.pause() + kAttemptMax) {
      Error error = std::move(done).error();
      if (!wait.in_the_way().empty()) error.native += "\n    " + wait.in_the_way();
      error.hint = "end that session or wait for its end, and run the command again";
      return fail(std::move(error));
    }
    // On the server, so that a stop request ends it as it ends any statement.
    CROSSFADE_TRY(target.exec(
        fmt::format("SELECT pg_sleep({})", static_cast<double>(wait.pause().count()) / 1000.0)));
  }
}

}  // namespace crossfade::run
