// Why a connection could not be made: the server refused, or nobody answered.
#pragma once

#include <string>

#include "engine/core/error.h"

struct pg_conn;

namespace crossfade::postgres {

// Call right after PQconnectStart: a refusal then carries its SQLSTATE. libpq 15 tells it of a
// failed connect in no other way than inside the verbose message.
void ask_for_sqlstate(pg_conn* connection);

// Whether there is something to read. A server that is gone (or what stands before it) closes
// the connection at its first question, which is about TLS, and that says nothing about TLS.
[[nodiscard]] bool has_answered(const pg_conn* connection);

// kTarget when a server said no (wrong password, no such database), with its SQLSTATE when known;
// kTargetUnreachable when none answered, or one that is starting up or full.
// `in_tls`: it ended while TLS was being agreed on with a server that answered; kTarget too.
[[nodiscard]] Error make_connect_error(const pg_conn* connection, const std::string& safe,
                                       bool in_tls);

[[nodiscard]] Error make_too_old_error(int version, const std::string& safe);

}  // namespace crossfade::postgres
