// The flags of `cutover --watch` on the command line.
#pragma once

#include <CLI/CLI.hpp>

#include "tools/cli/watch_arguments.h"

namespace crossfade::cli {

// Returns the option --watch; the others need it.
CLI::Option* add_watch_options(CLI::App* verb, WatchArguments* arguments);

}  // namespace crossfade::cli
