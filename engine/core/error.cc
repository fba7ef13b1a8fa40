#include "engine/core/error.h"

#include <fmt/core.h>

namespace crossfade {

std::string_view to_string(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInternal:
      return "internal";
    case ErrorCode::kUsage:
      return "usage";
    case ErrorCode::kBlocked:
      return "blocked";
    case ErrorCode::kDifferent:
      return "different";
    case ErrorCode::kSource:
      return "source";
    case ErrorCode::kSourceReplaced:
      return "source_replaced";
    case ErrorCode::kTarget:
      return "target";
    case ErrorCode::kTargetUnreachable:
      return "target_unreachable";
    case ErrorCode::kFenced:
      return "fenced";
    case ErrorCode::kSteppedBack:
      return "stepped_back";
    case ErrorCode::kInterrupted:
      return "interrupted";
    case ErrorCode::kStateFolder:
      return "state_folder";
    case ErrorCode::kMisfit:
      return "misfit";
  }
  return "internal";
}

int exit_code(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInternal:
      return 1;
    case ErrorCode::kStateFolder:
      return 1;
    case ErrorCode::kUsage:
      return 2;
    case ErrorCode::kBlocked:
    case ErrorCode::kMisfit:
      return 3;
    case ErrorCode::kDifferent:
      return 4;
    case ErrorCode::kSource:
    case ErrorCode::kSourceReplaced:
      return 5;
    case ErrorCode::kTarget:
    case ErrorCode::kTargetUnreachable:
      return 6;
    case ErrorCode::kFenced:
      return 7;
    case ErrorCode::kSteppedBack:
      return 8;
    case ErrorCode::kInterrupted:
      return 9;
  }
  return 1;
}

std::string describe(const Error& error) {
  std::string text =
      error.object.empty() ? error.op : fmt::format("{}: {}", error.op, error.object);
  if (!error.native.empty()) text += fmt::format("\n  cause: {}", error.native);
  if (error.lsn) text += fmt::format("\n  at change log position {}", error.lsn->value);
  if (!error.hint.empty()) text += fmt::format("\n  what to do: {}", error.hint);
  return text;
}

}  // namespace crossfade
