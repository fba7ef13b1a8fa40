// The newest line of the audit trail as the target knows it, in crossfade.audit_head: a trail that
// is shorter than that, or that has another line there, was tampered with.
#pragma once

#include <optional>

#include "engine/core/deadline.h"
#include "engine/core/result.h"
#include "engine/postgres/connection.h"
#include "engine/run/audit.h"

namespace crossfade::run {

// Nothing: none was recorded.
Result<std::optional<AuditHead>> read_audit_head(postgres::Connection& target);

// Moves it on. A trail that does not hold what was recorded last is not recorded any more, so that
// `crossfade audit verify` goes on to find it; the log says so once.
// Threads: one at a time.
class AuditHeadKeeper {
 public:
  // Records the newest line of `log`, unless it is recorded. Not inside a transaction.
  Status keep(postgres::Connection& target, const AuditLog& log);
  // The same, at most once in limits::kAuditHeadInterval.
  Status keep_now_and_then(postgres::Connection& target, const AuditLog& log);

 private:
  std::optional<AuditHead> kept_;
  bool refused_ = false;
  Deadline::Clock::time_point next_{};
};

}  // namespace crossfade::run
