// What OutboxStream asks the server. Threads: one at a time. Owns two connections: one reads
// entries in one snapshot, the other answers questions and changes what is there meanwhile.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "capture/pgoutput.h"
#include "capture/target_outbox.h"
#include "engine/core/result.h"
#include "engine/postgres/connection.h"
#include "engine/postgres/pg_snapshot.h"

namespace crossfade::capture {

struct OutboxEntry {
  postgres::Xid8 xid = 0;
  pgoutput::Oid relation = 0;
  int64_t shape = 0;
  char op = ' ';      // I, U, D, T
  int64_t at_us = 0;  // since 1970
  // Rows as text; of next() they live until its next call.
  std::string_view before;
  std::string_view after;
  std::string snapshot;
};

// An entry that owns what it says.
struct RouteEntry {
  postgres::Xid8 xid = 0;
  pgoutput::Oid relation = 0;
  int64_t shape = 0;
  int64_t at_us = 0;
  std::string after;
  std::string snapshot;
};

class OutboxReader {
 public:
  static Result<OutboxReader> open(const postgres::ConnectOptions& options);

  Result<std::map<pgoutput::Oid, std::string>> published();
  Result<std::optional<std::string>> shape(pgoutput::Oid relation, int64_t id);

  // The snapshot of now; costs next to nothing.
  Result<postgres::PgSnapshot> look();
  // Begins to read in one snapshot, until end().
  Result<OutboxPosition> begin();
  Result<std::vector<RouteEntry>> read_routes(const std::vector<postgres::XidRange>& ranges);
  // Then next() until it says kEnd.
  Status read(const std::vector<postgres::XidRange>& ranges);
  Result<postgres::CopyNext> next(OutboxEntry* entry, Deadline deadline);
  Status end();

  // The server has what it logged up to `end` on disk, also of those who commit without waiting.
  Status make_durable(postgres::PgLsn end);
  Status confirm(postgres::PgLsn applied);
  // Deletes entries that `durable` sees, for about so long. False: none is left.
  Result<bool> prune(const postgres::PgSnapshot& durable, std::chrono::milliseconds within);

 private:
  OutboxReader(postgres::Connection reading, postgres::Connection asking)
      : reading_(std::move(reading)), asking_(std::move(asking)) {}

  postgres::Connection reading_;
  postgres::Connection asking_;
};

}  // namespace crossfade::capture
