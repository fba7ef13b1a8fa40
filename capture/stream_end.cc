#include "capture/stream_end.h"

#include <fmt/format.h>

#include <utility>

#include "engine/postgres/quote.h"

namespace crossfade::capture {
namespace {

constexpr const char* kObjectInUse = "55006";

constexpr const char* kSlotSql = R"(
SELECT current_setting('wal_level'), s.slot_name IS NOT NULL, s.database = current_database(),
       s.database, coalesce(s.wal_status, '') = 'lost', s.active_pid, a.application_name,
       EXISTS(SELECT 1 FROM pg_publication WHERE pubname = {})
FROM (SELECT 1) AS one LEFT JOIN pg_replication_slots s ON s.slot_name = {}
LEFT JOIN pg_stat_activity a ON a.pid = s.active_pid)";

std::string what_is_left(const TargetStreamOptions& options) {
  return fmt::format(
      "SQLite has everything that was committed up to {}, and nothing after it: what PostgreSQL "
      "committed since cannot come by this way",
      to_string(options.applied));
}

// What of the server's side is no longer as make_slot() made it; empty: all is.
std::string what_changed(const postgres::QueryResult& row, const TargetStreamOptions& options) {
  if (const std::string level = row.text(0, 0); level != "logical") {
    return fmt::format("wal_level is {} now: the server's log does not tell rows any more", level);
  }
  if (!row.boolean(0, 1)) {
    return "the slot is gone: it was dropped, or the server is a copy that never had it";
  }
  if (!row.boolean(0, 2)) {
    return fmt::format("the slot is one of the database {}", row.text(0, 3));
  }
  if (row.boolean(0, 4)) {
    return "the slot is lost: the server has removed the log that it needed "
           "(max_slot_wal_keep_size)";
  }
  if (!row.boolean(0, 7)) return fmt::format("the publication {} was dropped", options.publication);
  return {};
}

}  // namespace

postgres::ConnectOptions side_connection(const TargetStreamOptions& options) {
  postgres::ConnectOptions out;
  out.params = options.params;
  out.connect_timeout = options.connect_timeout;
  out.stop = options.stop;
  return out;
}

Error explain_stream_end(Error seen, const TargetStreamOptions& options) {
  if (seen.code == ErrorCode::kInterrupted) return seen;
  auto connection = postgres::Connection::open(side_connection(options));
  if (!connection) return seen;
  const auto row =
      connection.value().exec(fmt::format(kSlotSql, postgres::quote_literal(options.publication),
                                          postgres::quote_literal(options.slot)));
  if (!row) return seen;
  seen.op = "target.stream";
  seen.object = options.slot;
  if (const std::string what = what_changed(row.value(), options); !what.empty()) {
    seen.code = ErrorCode::kTarget;
    seen.remedy = Remedy::kDecide;
    seen.native = what + " (" + seen.native + ")";
    seen.hint = what_is_left(options);
  } else if (seen.sqlstate == kObjectInUse) {
    seen.remedy = Remedy::kRetry;
    seen.native = fmt::format("the slot is being read by pid {} ({})", row.value().text(0, 5),
                              row.value().text(0, 6));
    seen.hint = fmt::format(
        "a reader that is gone is noticed by the server after wal_sender_timeout; to end it at "
        "once: SELECT pg_terminate_backend({})",
        row.value().text(0, 5));
  }
  return seen;
}

}  // namespace crossfade::capture
