// The flags that every verb has.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "tools/cli/config.h"
#include "tools/cli/verbs.h"

namespace crossfade::cli {

struct CommonFlags {
  Common common;
  Settings settings;
  std::string config_file;
  bool schema_from_target = false;
};

void add_common(CLI::App* verb, CommonFlags* a, bool with_target);

}  // namespace crossfade::cli
