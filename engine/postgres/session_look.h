// What the server says, over another connection, of a session that owes an answer.
//
// A statement that takes an hour cannot be told from a connection whose other half is gone: a proxy
// or a load balancer answers keepalives for a server that it has lost. pg_stat_activity can tell.
#pragma once

#include <string>

#include "engine/core/result.h"

namespace crossfade::postgres {

class Connection;

// Enough to find a session again, and to know that it is that one: a server's process ids come
// again. What the server said, as it said it.
struct SessionId {
  std::string pid;
  std::string opened;          // the server's clock once the session was there
  std::string server_started;  // other than that: the server was restarted
  std::string system;          // the cluster's system identifier, which its standbys share
};

enum class SessionSeen : uint8_t {
  kAtWork,
  kOwesNothing,  // there is none any more, or it waits for its client: no answer will come
  kUnknown,      // it was another server that answered
};

// Of this connection's own session. Refused where a role may not call pg_control_system().
Result<SessionId> session_id(Connection& connection);

// Asks about `id` over `other`, which must be in no transaction.
Result<SessionSeen> look_at_session(Connection& other, const SessionId& id);

// Of a session that nobody can reach any more: it may hold locks. One that is at work is left.
Status end_idle_session(Connection& other, const SessionId& id);

}  // namespace crossfade::postgres
