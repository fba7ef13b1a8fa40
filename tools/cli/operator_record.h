// What an operator asked for, in the audit trail: `command_begun` before anything is done, and
// `command_ended` with its exit code. A command that was killed has the first only.
//
// Only commands that change something, or compare, leave it; a folder is made for none.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "engine/run/state_folder.h"

namespace CLI {  // NOLINT(readability-identifier-naming): a library has named it
class App;
}

namespace crossfade::cli {

struct Common;

class OperatorRecord {
 public:
  // `verb` was parsed; its own subcommand is named too ("quarantine accept"). Flags are recorded as
  // they were given: targets without password, and no text that may be a secret or a row.
  explicit OperatorRecord(const CLI::App& verb);

  // Once; later calls do nothing. The first form is for verbs whose state folder may be there.
  void begin(const std::string& database);
  void begin(const run::StateFolder& state);
  // Has the newest entry recorded on the target, if that answers. Nothing when it never began.
  void end(int exit_code, const Common& common);

 private:
  void keep_head(const run::StateFolder& state, const Common& common) const;

  std::string verb_;
  nlohmann::json flags_ = nlohmann::json::object();
  std::optional<std::string> database_;  // begun
};

}  // namespace crossfade::cli
