// `crossfade verify` and its report (docs/verification.md).
#pragma once

#include <string>

#include "tools/cli/common_flags.h"

namespace crossfade::cli {

struct VerifyArguments {
  std::string digest = "xxh3";
  std::string report;    // a file, or empty
  std::string sign_key;  // a PEM file, or empty
};

CLI::App* add_verify(CLI::App* app, CommonFlags* common, VerifyArguments* arguments);
int verify(const Common& common, const VerifyArguments& arguments);

}  // namespace crossfade::cli
