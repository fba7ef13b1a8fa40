// Conflicts of dual writes: rows that both sides changed before either knew of the other's change.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/core/value.h"

namespace crossfade {

// PostgreSQL 18's names, told as if the source's change came to the target.
enum class ConflictKind : uint8_t {
  kInsertExists,             // both inserted the key; or another row has a unique value of it
  kUpdateExists,             // a changed row's unique value is another row's on the target
  kUpdateOriginDiffers,      // both changed the row
  kUpdateMissing,            // the source changed it, the target deleted it
  kDeleteOriginDiffers,      // the source deleted it, the target changed it
  kDeleteMissing,            // both deleted it
  kMultipleUniqueConflicts,  // its unique values are those of several rows
  // No conflict of two changes: a constraint that only the source has refuses the target's row.
  kSourceRefuses,
};
[[nodiscard]] const char* to_string(ConflictKind kind);

enum class ConflictPolicy : uint8_t {
  kManual,      // both sides keep what they have until a person decides
  kSourceWins,  // SQLite's row
  kTargetWins,  // PostgreSQL's row
  kNewestWins,  // the row whose named column holds more
  kDelta,       // columns only: both sides' increments are added up
};
[[nodiscard]] const char* to_string(ConflictPolicy policy);

struct ColumnConflicts {
  size_t column = 0;  // into Table::columns
  ConflictPolicy policy = ConflictPolicy::kManual;
  size_t newest = 0;  // likewise, for kNewestWins
};

// Rows whose column holds one of these are PostgreSQL's, all others SQLite's: the owner wins.
struct RowOwners {
  size_t column = 0;
  std::vector<Value> of_target;
};

struct TableConflicts {
  ConflictPolicy policy = ConflictPolicy::kManual;  // never kDelta
  size_t newest = 0;
  std::optional<RowOwners> owners;       // comes before `policy`
  std::vector<ColumnConflicts> columns;  // decided apart from the row, where both sides have one
};

}  // namespace crossfade
