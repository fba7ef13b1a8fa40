// Asking the server to cancel what a connection runs, without waiting on a network that is gone.
#pragma once

#include <chrono>

struct pg_conn;

namespace crossfade::postgres {

// PQcancel blocks for as long as TCP tries to connect, which may be minutes: it runs on a thread of
// its own, and the caller goes on after `patience` at the latest.
void request_cancel(pg_conn* connection, std::chrono::milliseconds patience);

}  // namespace crossfade::postgres
