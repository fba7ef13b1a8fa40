#include "capture/short_locks.h"

#include <fmt/format.h>

#include <utility>

#include "engine/core/limits.h"

namespace crossfade::capture {
namespace {

constexpr const char* kLockNotAvailable = "55P03";

// Who may keep a table from being published. Numbers below are those of the server's own tables.
constexpr const char* kOldestHolder = R"(
SELECT format('pid %s (%s) has %s in a transaction%s', l.pid, a.application_name,
              l.relation::regclass, ' since ' || a.xact_start),
       format('SELECT pg_terminate_backend(%s)', l.pid)
FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'relation' AND l.granted AND l.relation >= 16384 AND l.pid <> pg_backend_pid()
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
ORDER BY a.xact_start, l.relation LIMIT 1)";

Error table_is_held(postgres::Connection& target, Error error) {
  const auto oldest = target.exec(kOldestHolder);
  if (!oldest || oldest.value().rows() == 0) return error;
  error.op = "target.slot";
  error.native += "; " + oldest.value().text(0, 0);
  error.hint = "let it end, or: " + oldest.value().text(0, 1) + "; then run again";
  return error;
}

}  // namespace

Status limit_lock_wait(postgres::Connection& target, std::chrono::milliseconds limit) {
  CROSSFADE_TRY(target.exec(fmt::format("SET LOCAL lock_timeout = {}", limit.count())));
  return ok();
}

Status with_short_locks(postgres::Connection& target, Deadline deadline,
                        const std::function<Status()>& work) {
  while (true) {
    CROSSFADE_TRY(target.exec("BEGIN"));
    Status done = limit_lock_wait(target, limits::kPublishLockWait);
    if (done) done = work();
    if (done) return target.commit();
    target.rollback();
    Error error = std::move(done).error();
    if (error.sqlstate != kLockNotAvailable) return fail(std::move(error));
    if (deadline.expired()) return fail(table_is_held(target, std::move(error)));
  }
}

}  // namespace crossfade::capture
