// What a logical replication slot sends, message by message, and how far it was taken: the server
// keeps its log from there on, and sends it again after a reconnect.
//
// Source: postgresql.org/docs/15, protocol-replication. Threads: one at a time. Owns its
// connection; borrows `stop`, which must outlive it. Any error ends the stream: open another, which
// begins after what was confirmed last.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "engine/core/deadline.h"
#include "engine/core/limits.h"
#include "engine/core/result.h"
#include "engine/core/stop.h"
#include "engine/postgres/connection.h"
#include "engine/postgres/pg_lsn.h"

namespace crossfade::postgres {

struct StreamOptions {
  ConnectionParams params;
  std::chrono::milliseconds connect_timeout{5'000};
  StopSource* stop = nullptr;  // may be null
  std::string slot;            // there already, of the plugin pgoutput
  std::string publication;
  // Leaves out what another stream applied there: from PostgreSQL 16 on. Before, such transactions
  // name their origin.
  bool skip_origins = false;
  // What was applied durably. The server begins after it, or after what was confirmed to it before,
  // whichever is later.
  PgLsn applied;
};

struct StreamMessage {
  PgLsn start;             // of the log record that it tells of; 0 for some
  std::string_view bytes;  // of the plugin; lives until the next call
};

struct StreamPatience {
  std::chrono::milliseconds silence{};       // then the server is not there any more
  std::chrono::milliseconds report_every{};  // or it thinks so of us
};

class ReplicationStream {
 public:
  static Result<ReplicationStream> open(const StreamOptions& options);

  // The next message; nothing when none has come by the deadline. A publication that is gone is an
  // error, also where the server only warns and leaves its changes out (18). Tells the server that
  // somebody is here, also while one long message takes minutes to come, and answers its questions,
  // in time only if this is called at least every few seconds; and asks in turn, as a server that
  // has nothing to send says nothing, and neither does one that the network lost: that is
  // kTargetUnreachable after limits::kStreamSilenceMax, or the server's wal_sender_timeout where
  // that is longer.
  Result<std::optional<StreamMessage>> next(Deadline deadline);

  // Everything up to `applied` is durable on the other side: the server may forget it. Sent at
  // once.
  Status confirm(PgLsn applied);

  // The end of the server's log, as it said last: what has been committed there lies below.
  [[nodiscard]] PgLsn server_end() const { return server_end_; }
  // All that the server had to send of what lies below this has been received: a position in its
  // log between transactions.
  [[nodiscard]] PgLsn received() const { return received_; }

 private:
  ReplicationStream(Connection connection, PgLsn applied, StreamPatience patience)
      : connection_(std::move(connection)), applied_(applied), patience_(patience) {}
  Result<std::optional<StreamMessage>> take(std::string_view message);
  Status report(bool wants_answer = false);
  Status bear_silence();

  Connection connection_;
  PgLsn applied_;
  PgLsn received_;
  PgLsn server_end_;
  StreamPatience patience_;
  Deadline::Clock::time_point report_by_{};
  std::optional<Deadline> answer_by_;  // asked, and not heard since
};

}  // namespace crossfade::postgres
