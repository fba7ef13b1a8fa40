// What the way back needs on PostgreSQL: the publication, the logical slot, and that updates and
// deletes of every table tell the key. Threads: the connection's.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/core/deadline.h"
#include "engine/core/result.h"
#include "engine/core/schema.h"
#include "engine/postgres/connection.h"

namespace crossfade::capture {

// Names for one move: slots are of the whole server, so the source's id is in them.
[[nodiscard]] std::string slot_name(const std::string& source_id);
inline constexpr const char* kPublication = "crossfade";

// Why there can be no way back through this server and role (wal_level, REPLICATION, no free slot,
// ownership), each with what to do; empty: there can.
struct Obstacle {
  std::string what;
  std::string remedy;
};
Result<std::vector<Obstacle>> find_obstacles(
    postgres::Connection& target, const std::string& target_schema,
    const std::vector<std::shared_ptr<const Table>>& tables);
// Why this address takes no connection that could read a slot, by trying: a pooler may stand
// between. Nothing: it does.
Result<std::optional<Obstacle>> find_stream_obstacle(postgres::ConnectOptions options);
// The same of an outbox (target_outbox.h), which needs less.
Result<std::vector<Obstacle>> find_outbox_obstacles(
    postgres::Connection& target, const std::string& target_schema,
    const std::vector<std::shared_ptr<const Table>>& tables);

// Makes them anew, and crossfade.probe, replacing what an earlier attempt left. The slot waits for
// transactions that are open on the server, until the deadline: then nothing was made, and the
// error (kRetry) names the oldest of them. So it does when a lock on a table is not to be had, or
// when somebody reads the slot that is there. The connection must not be in a transaction.
Status make_slot(postgres::Connection& target, const std::string& source_id,
                 const std::string& target_schema,
                 const std::vector<std::shared_ptr<const Table>>& tables, Deadline deadline);
// Takes them away, and gives tables back the replica identity they had, unless somebody has changed
// it since. Idempotent; returns what was removed. kRetry: the slot is still being read.
Result<std::vector<std::string>> remove_slot(postgres::Connection& target,
                                             const std::string& source_id);

// A table of which the stream says nothing any more, which it cannot know: it was dropped, made
// anew or renamed, or taken out of the publication.
struct Unpublished {
  std::string target_name;
  std::string what;
};
Result<std::vector<Unpublished>> find_unpublished(postgres::Connection& target,
                                                  const std::string& target_schema);

struct SlotHealth {
  bool present = false;
  bool lost = false;     // what it would need is gone
  bool at_risk = false;  // beyond the limit: lost with the next checkpoint; an outbox: near it
  int64_t retained_bytes = 0;          // log kept on the server's disk for it
  std::optional<int64_t> limit_bytes;  // max_slot_wal_keep_size, or the outbox's; nothing: none
};
Result<SlotHealth> slot_health(postgres::Connection& target, const std::string& source_id);

// Inside the caller's transaction: crossfade.probe is there afterwards.
Status make_probe(postgres::Connection& target);
// Writes a nonce into crossfade.probe, which the stream brings back.
Status send_probe(postgres::Connection& target, const std::string& nonce);

}  // namespace crossfade::capture
