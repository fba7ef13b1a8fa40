// `crossfade audit verify|show|export` (docs/audit.md).
#pragma once

#include <cstdint>
#include <string>

#include "tools/cli/common_flags.h"

namespace crossfade::cli {

enum class AuditAction : uint8_t { kVerify, kShow, kExport };

struct AuditArguments {
  AuditAction action = AuditAction::kVerify;
  bool offline = false;
  std::string since;
  std::string format = "json";
};

CLI::App* add_audit(CLI::App* app, CommonFlags* common, AuditArguments* arguments);
int audit(const Common& common, const AuditArguments& arguments);

}  // namespace crossfade::cli
