#include "engine/postgres/replication_stream.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>

#include "engine/observe/fault.h"
#include "engine/postgres/binary.h"
#include "engine/postgres/quote.h"

namespace crossfade::postgres {
namespace {

constexpr int kMessagesSince = 140000;  // the option `messages` of pgoutput
constexpr int kOriginSince = 160000;    // and `origin`
constexpr int kNoEmptyOriginSince = 140000;

// Heads of what is sent inside the COPY, both ways.
constexpr char kData = 'w';
constexpr char kKeepalive = 'k';
constexpr char kStatus = 'r';
constexpr size_t kDataHead = 1 + 3 * sizeof(int64_t);       // start, end, time
constexpr size_t kKeepaliveSize = 2 + 2 * sizeof(int64_t);  // end, time, whether to answer

std::string start_sql(const StreamOptions& options, int server_version) {
  std::string sql = fmt::format(
      "START_REPLICATION SLOT {} LOGICAL {} (proto_version '1', publication_names {}",
      quote(options.slot), to_string(options.applied), quote_literal(quote(options.publication)));
  if (server_version >= kMessagesSince) sql += ", messages 'true'";
  if (options.skip_origins && server_version >= kOriginSince) sql += ", origin 'none'";
  return sql + ")";
}

int64_t now_in_postgres_micros() {
  constexpr std::chrono::seconds kFrom1970To2000{946'684'800};
  const auto now = std::chrono::system_clock::now().time_since_epoch() - kFrom1970To2000;
  return std::chrono::duration_cast<std::chrono::microseconds>(now).count();
}

Error not_understood(const Connection& connection, std::string what) {
  Error error;
  error.code = ErrorCode::kTarget;
  error.op = "target.stream";
  error.object = connection.safe_name();
  error.native = std::move(what);
  error.hint = "nothing was applied from it. Report it with the server's version";
  return error;
}

// A server that skips over a long transaction may say nothing for as long as its administrator lets
// it, who may have had reason to.
Result<StreamPatience> patience(Connection& connection) {
  CROSSFADE_TRY(
      const auto said,
      connection.exec("SELECT setting::bigint FROM pg_settings WHERE name='wal_sender_timeout'"));
  const std::chrono::milliseconds timeout(said.rows() == 1 ? said.integer(0, 0) : 0);
  if (timeout.count() == 0) {
    return StreamPatience{limits::kStreamSilenceUnlimited, limits::kStreamSilenceMax};
  }
  // The server gives up who has said nothing for its timeout, and asks for a word behind a message
  // that may take longer.
  return StreamPatience{std::max(timeout, limits::kStreamSilenceMax), timeout / 4};
}

Error silent(const Connection& connection, std::chrono::milliseconds silence) {
  Error error;
  error.code = ErrorCode::kTargetUnreachable;
  error.remedy = Remedy::kReconnect;
  error.op = "target.stream";
  error.object = connection.safe_name();
  error.native =
      fmt::format("the stream of the server's log has been silent for {} s, also when asked",
                  std::chrono::duration_cast<std::chrono::seconds>(silence).count());
  error.hint = "check the network between; nothing is lost, the stream goes on where it was";
  return error;
}

}  // namespace

Result<ReplicationStream> ReplicationStream::open(const StreamOptions& options) {
  ConnectOptions connect;
  connect.params = options.params;
  connect.connect_timeout = options.connect_timeout;
  connect.stop = options.stop;
  connect.replication = true;
  CROSSFADE_TRY(auto connection, Connection::open(std::move(connect)));
  CROSSFADE_TRY(const auto waits, patience(connection));
  CROSSFADE_TRY(connection.copy_out_begin(start_sql(options, connection.server_version())));
  return ReplicationStream(std::move(connection), options.applied, waits);
}

Result<std::optional<StreamMessage>> ReplicationStream::next(Deadline deadline) {
  while (true) {
    std::string_view message;
    CROSSFADE_TRY(const CopyNext next, connection_.copy_out_next(&message, deadline));
    if (next == CopyNext::kNoneYet) {
      CROSSFADE_TRY(bear_silence());
      if (Deadline::Clock::now() >= report_by_) {
        CROSSFADE_TRY(report());
      }
      return std::nullopt;
    }
    answer_by_.reset();
    if (next == CopyNext::kEnd) {
      Error error = not_understood(connection_, "the server ended the stream");
      error.remedy = Remedy::kReconnect;
      error.hint = "it is shutting down, or its administrator ended it";
      return fail(std::move(error));
    }
    CROSSFADE_TRY(const auto taken, take(message));
    if (taken) {
      fault_point("target.stream.read");
      return taken;
    }
  }
}

// Nothing: it was between the server and us.
Result<std::optional<StreamMessage>> ReplicationStream::take(std::string_view message) {
  const char head = message.empty() ? '\0' : message.front();
  // PostgreSQL 13 begins a message for an origin, and leaves it empty where that is not there.
  const bool empty = head == kData && message.size() == kDataHead;
  if (empty && connection_.server_version() < kNoEmptyOriginSince) return std::nullopt;
  if (head == kData && message.size() >= kDataHead) {
    const PgLsn start{read_be<uint64_t>(message, 1)};
    server_end_ = std::max(server_end_, PgLsn{read_be<uint64_t>(message, 1 + sizeof(int64_t))});
    return StreamMessage{start, message.substr(kDataHead)};
  }
  if (head == kKeepalive && message.size() == kKeepaliveSize) {
    received_ = PgLsn{read_be<uint64_t>(message, 1)};
    server_end_ = std::max(server_end_, received_);
    if (message.back() != 0) {
      CROSSFADE_TRY(report());
    }
    return std::nullopt;
  }
  return fail(
      not_understood(connection_, fmt::format("{} bytes that begin with 0x{:02x} are no "
                                              "message of a replication stream",
                                              message.size(), static_cast<unsigned char>(head))));
}

Status ReplicationStream::confirm(PgLsn applied) {
  applied_ = std::max(applied_, applied);
  return report();
}

// A long message that comes slowly is no silence. Whoever was not here to listen for long has not
// asked, and gives the answer its time.
Status ReplicationStream::bear_silence() {
  if (Deadline::Clock::now() - connection_.last_heard() < patience_.silence / 2) {
    answer_by_.reset();
    return ok();
  }
  if (!answer_by_) {
    CROSSFADE_TRY(report(/*wants_answer=*/true));
    answer_by_ = Deadline::after(patience_.silence / 2);
  }
  if (answer_by_->expired()) return fail(silent(connection_, patience_.silence));
  return ok();
}

Status ReplicationStream::report(bool wants_answer) {
  std::string status(1, kStatus);
  // Written, flushed, applied: there is one way of having it.
  for (int of = 0; of < 3; ++of) append_be<uint64_t>(applied_.value, &status);
  append_be<int64_t>(now_in_postgres_micros(), &status);
  status.push_back(wants_answer ? 1 : 0);
  report_by_ = Deadline::Clock::now() + patience_.report_every;
  fault_point("target.stream.confirm");
  return connection_.copy_in_put(status);
}

}  // namespace crossfade::postgres
