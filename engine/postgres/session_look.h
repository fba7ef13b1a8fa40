// Another connection's look at a session that has been silent for long: a statement may take hours,
// but an answer that the network lost never comes. Threads: the caller's.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "engine/core/result.h"
#include "engine/core/stop.h"
#include "engine/postgres/connection_params.h"

namespace crossfade::postgres {

class Connection;

// One session of one server, of all that there ever were.
struct SessionId {
  int64_t pid = 0;  // 0: not known
  std::string began;
  std::string server_began;
};

enum class SessionSeen : uint8_t {
  kAtWork,       // or it cannot be told
  kWaitsForUs,   // it has answered, or has not got what was sent
  kGone,         // the server has no such session any more
  kUnreachable,  // the server does not answer
};
// Takes `within` at most. A server that refuses the connection is there, and its session at work.
[[nodiscard]] SessionSeen look_at_session(const ConnectionParams& params, const SessionId& session,
                                          std::chrono::milliseconds within, StopSource* stop);

// Ends it, if it is there: whoever has given a connection up does not leave its locks behind until
// the server's keepalives find out. `by`: another connection, of the same role. A transaction that
// was under way is decided once the session's locks are free.
Status end_session_of(Connection& by, const SessionId& session);
// The same over a connection of its own, if it can be had within `within`.
void end_session_of(const ConnectionParams& params, const SessionId& session,
                    std::chrono::milliseconds within);

}  // namespace crossfade::postgres
