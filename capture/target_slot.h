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

// Makes them anew, replacing what an earlier attempt left. The slot waits for transactions that are
// open on the server, until the deadline. The connection must not be in a transaction.
Status make_slot(postgres::Connection& target, const std::string& source_id,
                 const std::string& target_schema,
                 const std::vector<std::shared_ptr<const Table>>& tables, Deadline deadline);
// Takes them away, and gives tables back the replica identity they had. Idempotent; returns what
// was removed.
Result<std::vector<std::string>> remove_slot(postgres::Connection& target,
                                             const std::string& source_id);

struct SlotHealth {
  bool present = false;
  bool lost = false;                   // the server has removed the log it would need
  int64_t retained_bytes = 0;          // log kept on the server's disk for it
  std::optional<int64_t> limit_bytes;  // max_slot_wal_keep_size; nothing: none
};
Result<SlotHealth> slot_health(postgres::Connection& target, const std::string& source_id);

// Writes a nonce into crossfade.probe, which the stream brings back.
Status send_probe(postgres::Connection& target, const std::string& nonce);

}  // namespace crossfade::capture
