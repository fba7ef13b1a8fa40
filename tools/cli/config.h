// Where settings come from, in order: flags, then CROSSFADE_* in the environment (and DATABASE_URL
// for the target), then crossfade.toml in the working directory (or the file --config names).
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "engine/core/result.h"
#include "engine/observe/log.h"

namespace crossfade::cli {

struct Settings {
  std::optional<std::string> target;
  std::optional<std::string> target_schema;
  std::optional<std::string> naming;
  std::optional<bool> schema_from_target;
  std::optional<std::string> rules;
  std::optional<std::string> log_level;
  std::optional<int64_t> max_pause_ms;
  std::optional<int64_t> keep_log;
  std::optional<int64_t> max_log_mib;
  std::optional<int64_t> keep_free_mib;
  std::optional<bool> quarantine;
  std::optional<bool> keep_journal_mode;
  std::optional<bool> no_backup;
};

// Fills what `settings` leaves open. An unknown key or a wrong type in the file is an error that
// names it.
Status complete_settings(const std::string& config_file, Settings* settings);

Result<log::Level> parse_log_level(const std::string& text);

}  // namespace crossfade::cli
