// `crossfade conflicts list|show|resolve`.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tools/cli/verbs.h"

namespace crossfade::cli {

enum class ConflictsAction : uint8_t { kList, kShow, kResolve };

struct ConflictsArguments {
  ConflictsAction action = ConflictsAction::kList;
  std::vector<int64_t> ids;
  std::string table;
  bool all = false;      // of list and show, the resolved ones as well; of resolve, all that wait
  bool waiting = false;  // of show, all that wait
  int64_t limit = 100;   // of a list; 0: all
  std::string take;      // "source" or "target"
  std::string row;       // JSON
};

int conflicts(const Common& common, const ConflictsArguments& arguments);

}  // namespace crossfade::cli
