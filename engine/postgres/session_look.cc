#include "engine/postgres/session_look.h"

#include <utility>

#include "engine/postgres/connection.h"

namespace crossfade::postgres {
namespace {

// A backend that waits for its client, or a walsender that waits for its client or for more log to
// send. Other roles' sessions show neither: NULL is no sign of anything.
constexpr const char* kLook =
    "SELECT pg_postmaster_start_time()::text = $3, s.pid IS NOT NULL, coalesce(s.state LIKE "
    "'idle%' OR s.wait_event_type = 'Client' OR s.wait_event = 'WalSenderMain', false) FROM "
    "(VALUES (1)) AS one LEFT JOIN pg_stat_activity s ON s.pid = $1::int AND s.backend_start::text "
    "= $2";

constexpr const char* kEnd =
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = $1::int AND "
    "backend_start::text = $2 AND pg_postmaster_start_time()::text = $3";

ConnectOptions from_aside(const ConnectionParams& params, std::chrono::milliseconds within,
                          StopSource* stop) {
  ConnectOptions options;
  options.params = params;
  options.connect_timeout = within;
  options.statement_timeout = within;
  options.stop = stop;
  options.look_aside = false;
  return options;
}

}  // namespace

SessionSeen look_at_session(const ConnectionParams& params, const SessionId& session,
                            std::chrono::milliseconds within, StopSource* stop) {
  const Deadline deadline = Deadline::after(within);
  auto connection = Connection::open(from_aside(params, within, stop));
  const auto silent = [](const Error& error) {
    return error.code == ErrorCode::kTargetUnreachable && error.sqlstate.empty();
  };
  if (!connection) {
    return silent(connection.error()) ? SessionSeen::kUnreachable : SessionSeen::kAtWork;
  }
  connection.value().set_statement_timeout(deadline.remaining());
  const std::string pid = std::to_string(session.pid);
  const auto row = connection.value().query(
      kLook, {text_param(pid), text_param(session.began), text_param(session.server_began)});
  if (!row) return silent(row.error()) ? SessionSeen::kUnreachable : SessionSeen::kAtWork;
  // Another server, where the address names several: it knows nothing of this session.
  if (!row.value().boolean(0, 0)) return SessionSeen::kAtWork;
  if (!row.value().boolean(0, 1)) return SessionSeen::kGone;
  return row.value().boolean(0, 2) ? SessionSeen::kWaitsForUs : SessionSeen::kAtWork;
}

Status end_session_of(Connection& by, const SessionId& session) {
  if (session.pid == 0) return ok();
  const std::string pid = std::to_string(session.pid);
  CROSSFADE_TRY(by.query(
      kEnd, {text_param(pid), text_param(session.began), text_param(session.server_began)}));
  return ok();
}

void end_session_of(const ConnectionParams& params, const SessionId& session,
                    std::chrono::milliseconds within) {
  auto connection = Connection::open(from_aside(params, within, nullptr));
  if (connection) (void)end_session_of(connection.value(), session);
}

}  // namespace crossfade::postgres
