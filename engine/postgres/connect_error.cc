#include "engine/postgres/connect_error.h"

#include <fmt/core.h>
#include <libpq-fe.h>
#include <sys/socket.h>

#include <algorithm>
#include <string_view>

#include "engine/postgres/postgres_error_map.h"

namespace crossfade::postgres {
namespace {

constexpr size_t kSqlstateLength = 5;

// fe-protocol3.c, pqBuildErrorMessage3: "SEVERITY:  SQLSTATE: message". With several hosts, the
// last one's.
std::string sqlstate_of(std::string_view message) {
  constexpr std::string_view kBefore = ":  ";
  std::string found;
  for (size_t at = message.find(kBefore); at != std::string_view::npos;
       at = message.find(kBefore, at + 1)) {
    const std::string_view state = message.substr(at + kBefore.size(), kSqlstateLength);
    const std::string_view after =
        message.substr(std::min(message.size(), at + kBefore.size() + kSqlstateLength), 2);
    const bool fits = state.size() == kSqlstateLength && after == ": " &&
                      std::all_of(state.begin(), state.end(), [](char c) {
                        return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z');
                      });
    if (fits) found = state;
  }
  return found;
}

// The message without "LOCATION:  ..." lines, which are for the server's developers.
std::string without_location(std::string_view message) {
  std::string out;
  while (!message.empty()) {
    const size_t end = std::min(message.find('\n'), message.size() - 1) + 1;
    if (message.substr(0, 9) != "LOCATION:") out += message.substr(0, end);
    message.remove_prefix(end);
  }
  return out;
}

// Passing troubles of a server that is there: starting up, shutting down, no free connection.
bool is_passing(const std::string& sqlstate) {
  return sqlstate == "53300" || sqlstate.substr(0, 2) == "57" || sqlstate.substr(0, 2) == "08";
}

// PgBouncer's, before 1.23, of a connection for replication. It has one SQLSTATE for all that it
// says itself.
bool is_never_taken(std::string_view message) {
  return message.find("unsupported startup parameter") != std::string_view::npos;
}

}  // namespace

void ask_for_sqlstate(pg_conn* connection) {
  PQsetErrorVerbosity(connection, PQERRORS_VERBOSE);
}

bool has_answered(const pg_conn* connection) {
  char byte = 0;
  return ::recv(PQsocket(connection), &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1;
}

Error make_connect_error(const pg_conn* connection, const std::string& safe, bool in_tls) {
  const std::string message = PQerrorMessage(connection);
  Error error = make_connection_error(without_location(message), "target.connect", safe, false);
  error.sqlstate = sqlstate_of(message);
  const bool refused = error.sqlstate.empty() ? PQconnectionNeedsPassword(connection) != 0
                                              : !is_passing(error.sqlstate);
  if (in_tls && error.sqlstate.empty()) {
    // It may be on its way down; whoever tries again loses nothing.
    error.code = ErrorCode::kTarget;
    error.hint =
        "TLS was asked for and not had; no password was sent. Check that the server has ssl=on, "
        "that the target's host is a name in its certificate, that the certificate has not "
        "expired, and that sslrootcert (else ~/.postgresql/root.crt) has the CA that signed it: "
        "`openssl s_client -starttls postgres -connect HOST:PORT` shows the certificate";
  } else if (is_never_taken(message)) {
    error.code = ErrorCode::kTarget;
    error.remedy = Remedy::kStop;
    error.hint =
        "a connection pooler stands between that does not pass this on; give the server's own "
        "address";
  } else if (refused) {
    error.code = ErrorCode::kTarget;
    error.remedy = Remedy::kStop;
    error.hint = "check user, password (PGPASSWORD, ~/.pgpass or the URL) and database name";
  } else if (error.sqlstate.empty()) {
    error.native = "the target is not reachable: " + error.native;
    error.hint =
        "check host and port, that the server runs, and that it accepts connections from here";
  } else {
    error.hint = "the server is there but takes no connection now; run the command again";
  }
  return error;
}

Error make_too_old_error(int version, const std::string& safe) {
  Error error;
  error.code = ErrorCode::kTarget;
  error.op = "target.connect";
  error.object = safe;
  error.native = fmt::format("the server is PostgreSQL {}.{}", version / 10000, version % 10000);
  error.hint = "crossfade needs PostgreSQL 13 or newer";
  return error;
}

}  // namespace crossfade::postgres
