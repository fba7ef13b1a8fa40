// Connection poolers, as a connection sees them that goes through one.
//
// One that lends a session of the server for a transaction at a time (PgBouncer's
// pool_mode=transaction, and its like) is not for crossfade: advisory locks and settings of ours
// would be left on sessions that the application is lent next, a search_path among them. In session
// mode a pooler is as good as none. No pooler says which it is; that another one's process number
// comes with the connection says that there is one, and that a client's own process changes from
// transaction to transaction, that sessions are lent (tried with PgBouncer 1.18).
#pragma once

#include <string>

#include "engine/core/result.h"
#include "engine/postgres/connection.h"

namespace crossfade::postgres {

// The server's process at the other end of this connection, as it says itself.
Result<std::string> own_process(Connection& connection);

// Whether two connections through a pooler are lent sessions. Changes nothing in them. Each must
// be in no transaction.
Result<bool> are_lent(Connection& first, Connection& second);

[[nodiscard]] Error make_lent_error(const std::string& safe);

}  // namespace crossfade::postgres
