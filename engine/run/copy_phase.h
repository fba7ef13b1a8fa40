// The initial copy, and the copy anew of tables that changed: a thread reads the source in chunks
// while this one writes them to the target.
#pragma once

#include "engine/core/result.h"
#include "engine/run/move.h"

namespace crossfade::run {

enum class CopyEnd : uint8_t {
  kDone,           // every table is copied
  kSchemaChanged,  // reconcile, and come back
  kStopped,
};

// Copies what is in the state kCopying, from where it was; then gives copied tables their keys, so
// that they can be caught up.
Result<CopyEnd> copy_tables(Move& move);

}  // namespace crossfade::run
