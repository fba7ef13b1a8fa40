// Transactions that lock the moved tables on PostgreSQL, for moments: an application that waits
// behind them waits no longer than limits::kPublishLockWait. Threads: the connection's.
#pragma once

#include <chrono>
#include <functional>

#include "engine/core/deadline.h"
#include "engine/core/result.h"
#include "engine/postgres/connection.h"

namespace crossfade::capture {

// Does `work` in one transaction, again until the deadline when a lock is not to be had; then the
// error names who holds it. Nobody waits behind its locks for long, unless `work` sets another
// limit.
Status with_short_locks(postgres::Connection& target, Deadline deadline,
                        const std::function<Status()>& work);
// Inside `work`: from here on.
Status limit_lock_wait(postgres::Connection& target, std::chrono::milliseconds limit);

}  // namespace crossfade::capture
