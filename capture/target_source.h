// Where PostgreSQL's changes to the moved tables come from, transaction by transaction, as what
// becomes of the source's rows: a slot (target_stream.h) or an outbox (outbox_stream.h).
//
// Threads: one at a time. Any error ends it: open another, from the position that SQLite holds.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "engine/core/deadline.h"
#include "engine/core/result.h"
#include "engine/core/strong.h"
#include "engine/core/target_change.h"
#include "engine/postgres/pg_lsn.h"

namespace crossfade::capture {

// A transaction begins that has events; nothing of it was given out yet.
struct TargetBegin {
  uint32_t xid = 0;
};
// It is complete.
struct TargetCommit {
  postgres::PgLsn end;
  int64_t committed_us = 0;  // since 1970
  std::string snapshot;      // of an outbox: what it takes to go on after it; else empty
};
// crossfade.route was changed, within the transaction whose TargetCommit comes next.
struct RouteChanged {
  bool postgres_is_primary = false;
  Epoch epoch;
};
// crossfade.probe was changed, likewise.
struct ProbeSeen {
  std::string nonce;
};
// A table is no longer what was planned. Until `fatal` ones are mended nothing of it can go back.
struct TargetSchemaMoved {
  std::shared_ptr<const Table> table;
  std::string what;   // "column x was dropped", "column y is integer now, and was text"
  bool fatal = true;  // false: a column was added, which the source has no place for
};

using TargetEvent = std::variant<TargetChange, TargetBegin, TargetCommit, RouteChanged, ProbeSeen,
                                 TargetSchemaMoved>;

class TargetSource {
 public:
  TargetSource() = default;
  virtual ~TargetSource() = default;
  TargetSource(TargetSource&&) = default;
  TargetSource(const TargetSource&) = delete;
  TargetSource& operator=(const TargetSource&) = delete;
  TargetSource& operator=(TargetSource&&) = delete;

  // The next event, or nothing when none came by the deadline.
  virtual Result<std::optional<TargetEvent>> next(Deadline deadline) = 0;
  // Everything up to `applied`, and so all that was given out, is durable in SQLite: the server may
  // forget it.
  virtual Status confirm(postgres::PgLsn applied) = 0;
  // Everything below this has been given out by next(), at the end of a transaction.
  [[nodiscard]] virtual postgres::PgLsn received() const = 0;
  // No transaction that is given out from here on has a part that this snapshot (its text, and not
  // older than this call) sees and one that it does not.
  virtual void part_at(const std::string& snapshot) { (void)snapshot; }
};

}  // namespace crossfade::capture
