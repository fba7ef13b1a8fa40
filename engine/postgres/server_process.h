// PostgreSQL's own programs: where they are, whom they run as, and running one to its end.
//
// Children get a fresh session, a small environment, no file descriptors but 0 to 2, and no shell.
// Threads: any; between fork and exec only async-signal-safe calls are made.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "engine/core/deadline.h"
#include "engine/core/result.h"
#include "engine/core/stop.h"

namespace crossfade::postgres {

struct ServerUser {
  std::string name;
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;
};

// Nothing unless this process is root: then `postgres`, or else `nobody`.
Result<std::optional<ServerUser>> server_user();

// Names the folder that PostgreSQL's programs are taken from, before any other place.
inline constexpr const char* kProgramFolderVariable = "CROSSFADE_PG_BIN";

// What that variable says; empty when it is not set.
std::string named_program_folder();

// The folder that holds initdb, pg_ctl and postgres: of version `major` ("15"), which a cluster
// that exists needs; when `major` is empty the one the environment names, or else the newest. An
// error where the environment names a folder that holds no server: another is not taken in silence.
Result<std::string> find_server_binaries(const std::string& major);

struct Command {
  std::vector<std::string> argv;         // argv[0] is an absolute path
  std::vector<std::string> environment;  // "NAME=value", added to PATH and LC_ALL
  const std::optional<ServerUser>& user;
  int output_fd = -1;                                  // its stdout and stderr
  std::string path = "/usr/sbin:/usr/bin:/sbin:/bin";  // its PATH
  const StopSource* stop = nullptr;                    // may be null
};

// The exit status. Killed, with its children, when the deadline passes or a stop is requested: then
// an error.
Result<int> run_command(const Command& command, Deadline deadline);

// Whether that user can get into the folder, with all that lies above it.
[[nodiscard]] bool can_enter(const std::string& folder, const ServerUser& user);

}  // namespace crossfade::postgres
