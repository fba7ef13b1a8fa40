// PostgreSQL's changes to the moved tables, transaction by transaction, as what becomes of the
// source's rows: pgoutput read through a slot (docs/decisions/0006).
//
// Transactions come whole, in the order of their commits, once they are committed: streaming of
// those in progress is not asked for. What is rolled back would have to be held here or taken back
// in SQLite; the server's decoder holds it anyway, and puts it on its own disk beyond
// logical_decoding_work_mem. No transaction is held in memory here, however large it is.
//
// Tables are known by the numbers that make_slot() found them by, so that one which was renamed is
// noticed; one that was dropped sends nothing more (find_unpublished() in target_slot.h). What an
// application's own subscription applies to the tables comes like any other change.
//
// Threads: one at a time. Owns its replication connection. Any error ends the stream: open another,
// from the position that SQLite holds. Remedies: kReconnect and kRetry (another reader is active)
// pass; kDecide says that the slot, the publication or wal_level is not what it was, or that a
// table was moved and still written to.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "capture/target_source.h"
#include "engine/core/deadline.h"
#include "engine/core/result.h"
#include "engine/core/stop.h"
#include "engine/postgres/connection_params.h"
#include "engine/postgres/pg_lsn.h"

namespace crossfade::capture {

struct TargetStreamOptions {
  postgres::ConnectionParams params;
  std::chrono::milliseconds connect_timeout{5'000};
  StopSource* stop = nullptr;  // may be null
  std::string slot;
  std::string publication;
  std::string target_schema;
  std::vector<std::shared_ptr<const Table>> tables;
  postgres::PgLsn applied;  // what SQLite has durably
};

class TargetStream final : public TargetSource {
 public:
  // Refuses a server whose log ends before `applied`: one that was put back to an earlier state.
  static Result<TargetStream> open(TargetStreamOptions options);
  ~TargetStream() override;
  TargetStream(TargetStream&&) noexcept;
  TargetStream(const TargetStream&) = delete;
  TargetStream& operator=(const TargetStream&) = delete;
  TargetStream& operator=(TargetStream&&) = delete;

  Result<std::optional<TargetEvent>> next(Deadline deadline) override;
  Status confirm(postgres::PgLsn applied) override;
  // What had been confirmed when this was opened: nothing that was committed below it comes again.
  // When SQLite holds less, it is not the file that confirmed it, but an earlier copy.
  [[nodiscard]] postgres::PgLsn begins_at() const;
  // The end of the server's log, as it said last.
  [[nodiscard]] postgres::PgLsn server_end() const;
  [[nodiscard]] postgres::PgLsn received() const override;

 private:
  struct Impl;
  explicit TargetStream(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace crossfade::capture
