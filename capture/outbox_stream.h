// PostgreSQL's changes to the moved tables as the triggers of an outbox wrote them down
// (target_outbox.h): the other source of the way back.
//
// A position is a snapshot of the server's. What is visible now and was not in it makes one
// transaction: the difference between two states that the server had. So no order of commits is
// needed between those that it is made of; within it, changes come in an order in which they can be
// done. No more than one row is held in memory, however large it is; the server sorts.
//
// A position is given out only when the server has everything up to it on disk. A server that
// crashes then begins anew behind it, and no number of a transaction stands for two.
//
// The server is asked again and again, more seldom the longer nothing comes (kOutboxPollCap):
// NOTIFY would have all that commit wait for one another.
// Threads: one at a time. Owns two connections. Any error ends it.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "capture/target_source.h"
#include "engine/core/stop.h"
#include "engine/postgres/connection_params.h"

namespace crossfade::capture {

struct OutboxStreamOptions {
  postgres::ConnectionParams params;
  std::chrono::milliseconds connect_timeout{5'000};
  StopSource* stop = nullptr;  // may be null
  std::string target_schema;
  std::vector<std::shared_ptr<const Table>> tables;
  postgres::PgLsn applied;  // what SQLite has durably
  std::string snapshot;     // the same: TargetCommit::snapshot
  bool live = false;        // SQLite has the flip; else all before it comes as a transaction of its
                            // own, without what crossfade wrote to the tables up to it
};

class OutboxStream final : public TargetSource {
 public:
  static Result<OutboxStream> open(OutboxStreamOptions options);
  ~OutboxStream() override;
  OutboxStream(OutboxStream&&) noexcept;
  OutboxStream(const OutboxStream&) = delete;
  OutboxStream& operator=(const OutboxStream&) = delete;
  OutboxStream& operator=(OutboxStream&&) = delete;

  Result<std::optional<TargetEvent>> next(Deadline deadline) override;
  // Deletes entries too, a few at a time; next() goes on with that where nothing else is to be
  // done.
  Status confirm(postgres::PgLsn applied) override;
  [[nodiscard]] postgres::PgLsn received() const override;
  void part_at(const std::string& snapshot) override;

 private:
  struct Impl;
  explicit OutboxStream(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace crossfade::capture
