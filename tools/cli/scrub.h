// Takes a password out of the process's own command line, where `ps` would show it.
#pragma once

namespace crossfade::cli {

// Overwrites, in place, the password of every argument that looks like a connection URL or a
// connection string. Call after the arguments were copied.
void scrub_passwords(int argc, char** argv);

}  // namespace crossfade::cli
