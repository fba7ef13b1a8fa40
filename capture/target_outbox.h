// The way back where PostgreSQL's log cannot be decoded: triggers that write what the moved tables
// become into crossfade.outbox (docs/decisions/0010). Threads: the connection's.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "capture/target_slot.h"
#include "engine/core/deadline.h"
#include "engine/core/result.h"
#include "engine/core/schema.h"
#include "engine/postgres/connection.h"
#include "engine/postgres/pg_lsn.h"
#include "engine/postgres/pg_snapshot.h"

namespace crossfade::capture {

// Where an outbox begins, or a server is.
struct OutboxPosition {
  postgres::PgLsn end;
  postgres::PgSnapshot snapshot;
};

// Makes it anew, and crossfade.probe, replacing what an earlier attempt left of an outbox: whatever
// is committed after the position that is returned will be in it. Tables are locked against
// writers, one after the other; when a lock is not to be had by the deadline nothing was made, and
// the error names who holds it. The connection must not be in a transaction.
Result<OutboxPosition> make_outbox(postgres::Connection& target, const std::string& target_schema,
                                   const std::vector<std::shared_ptr<const Table>>& tables,
                                   Deadline deadline);
// Takes it away; what is not read by then is gone. The triggers do nothing from its first
// statement on, which waits for nobody. Idempotent; returns what was removed. kRetry: a table is in
// use, and was so until the deadline.
Result<std::vector<std::string>> remove_outbox(postgres::Connection& target, Deadline deadline);

// A table whose writes do not come to the outbox, or not any more: it was dropped, made anew or
// renamed, or its triggers were.
Result<std::vector<Unpublished>> find_unwatched(postgres::Connection& target,
                                                const std::string& target_schema);

struct OutboxState {
  bool present = false;
  postgres::PgLsn applied;  // what SQLite has said that it has
  OutboxPosition now;       // the server's
};
Result<OutboxState> read_outbox_state(postgres::Connection& target);
// As of a slot: what it takes on the server's disk.
Result<SlotHealth> outbox_health(postgres::Connection& target);

}  // namespace crossfade::capture
