// pg_dump and pg_restore: where they are, and how they are told where to connect.
#pragma once

#include <string>
#include <vector>

#include "engine/core/result.h"
#include "engine/core/stop.h"
#include "engine/postgres/connection_params.h"

namespace crossfade::postgres {

// The absolute path of `name` for a server of `server_version` (150018): of its own version, or
// else of the next newer one that is installed. An older one cannot read that server, and is an
// error that says what to install; one newer than need be restores with settings that the server
// may not have. The same places as for a server's binaries, the folder that the environment names
// first.
Result<std::string> find_client_program(const std::string& name, int server_version);

// What the target says, and what libpq would have taken from this process's environment, as
// variables: nothing of it is seen in a process title, a password least of all. An error: a setting
// that has no variable (sslpassword).
Result<std::vector<std::string>> client_environment(const ConnectionParams& params);

// Runs it to its end, with its output thrown away but for what an error quotes. Killed when `stop`
// is requested, or after limits::kDumpMax.
Status run_client_program(const std::vector<std::string>& argv,
                          const std::vector<std::string>& environment, const StopSource* stop);

}  // namespace crossfade::postgres
