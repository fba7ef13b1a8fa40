// `crossfade backup create|list|verify|restore` (docs/backup.md).
#pragma once

#include <cstdint>
#include <string>

#include "tools/cli/common_flags.h"

namespace crossfade::cli {

enum class BackupAction : uint8_t { kCreate, kList, kVerify, kRestore };

struct BackupArguments {
  BackupAction action = BackupAction::kList;
  std::string side = "sqlite";
  std::string name;
  std::string to;
  bool force = false;
};

CLI::App* add_backup(CLI::App* app, CommonFlags* common, BackupArguments* arguments);
int backup(const Common& common, const BackupArguments& arguments);

}  // namespace crossfade::cli
