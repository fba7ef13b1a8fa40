// `crossfade quarantine list|show|retry|accept`.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tools/cli/verbs.h"

namespace crossfade::cli {

enum class QuarantineAction : uint8_t { kList, kShow, kRetry, kAccept };

struct QuarantineArguments {
  QuarantineAction action = QuarantineAction::kList;
  std::vector<int64_t> ids;
  std::string table;
  bool all = false;
  int64_t limit = 100;  // of a list; 0: all
};

int quarantine(const Common& common, const QuarantineArguments& arguments);

}  // namespace crossfade::cli
