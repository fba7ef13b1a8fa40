#include "engine/core/conflict.h"

namespace crossfade {

const char* to_string(ConflictKind kind) {
  switch (kind) {
    case ConflictKind::kInsertExists:
      return "insert_exists";
    case ConflictKind::kUpdateExists:
      return "update_exists";
    case ConflictKind::kUpdateOriginDiffers:
      return "update_origin_differs";
    case ConflictKind::kUpdateMissing:
      return "update_missing";
    case ConflictKind::kDeleteOriginDiffers:
      return "delete_origin_differs";
    case ConflictKind::kDeleteMissing:
      return "delete_missing";
    case ConflictKind::kMultipleUniqueConflicts:
      return "multiple_unique_conflicts";
    case ConflictKind::kSourceRefuses:
      return "source_refuses";
  }
  return "update_origin_differs";
}

const char* to_string(ConflictPolicy policy) {
  switch (policy) {
    case ConflictPolicy::kManual:
      return "manual";
    case ConflictPolicy::kSourceWins:
      return "source_wins";
    case ConflictPolicy::kTargetWins:
      return "target_wins";
    case ConflictPolicy::kNewestWins:
      return "newest_wins";
    case ConflictPolicy::kDelta:
      return "delta";
  }
  return "manual";
}

}  // namespace crossfade
