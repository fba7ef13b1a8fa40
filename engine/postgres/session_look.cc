#include "engine/postgres/session_look.h"

#include "engine/postgres/connection.h"

namespace crossfade::postgres {
namespace {

constexpr const char* kWhoAmI =
    "SELECT pg_backend_pid(), clock_timestamp(), pg_postmaster_start_time(), system_identifier "
    "FROM pg_control_system()";

// A role sees the state of its own sessions; track_activities=off shows "disabled", which is taken
// for at work.
constexpr const char* kLook =
    "SELECT system_identifier::text = $1 AND NOT pg_is_in_recovery(), "
    "pg_postmaster_start_time() = $2::timestamptz AND EXISTS (SELECT FROM pg_stat_activity "
    "WHERE pid = $3::int AND backend_start <= $4::timestamptz AND coalesce(state, '') NOT LIKE "
    "'idle%') "
    "FROM pg_control_system()";

constexpr const char* kEnd =
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = $1::int "
    "AND backend_start <= $2::timestamptz AND pg_postmaster_start_time() = $3::timestamptz "
    "AND state LIKE 'idle%'";

}  // namespace

Result<SessionId> session_id(Connection& connection) {
  CROSSFADE_TRY(const auto row, connection.exec(kWhoAmI));
  return SessionId{row.text(0, 0), row.text(0, 1), row.text(0, 2), row.text(0, 3)};
}

Result<SessionSeen> look_at_session(Connection& other, const SessionId& id) {
  CROSSFADE_TRY(const auto seen,
                other.query(kLook, {text_param(id.system), text_param(id.server_started),
                                    text_param(id.pid), text_param(id.opened)}));
  if (!seen.boolean(0, 0)) return SessionSeen::kUnknown;
  if (seen.boolean(0, 1)) return SessionSeen::kAtWork;
  return SessionSeen::kOwesNothing;
}

Status end_idle_session(Connection& other, const SessionId& id) {
  CROSSFADE_TRY(other.query(
      kEnd, {text_param(id.pid), text_param(id.opened), text_param(id.server_started)}));
  return ok();
}

}  // namespace crossfade::postgres
