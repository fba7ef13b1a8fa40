// The foreground of `cutover --watch`: the engine watches, here or elsewhere; this waits.
#pragma once

#include "engine/core/result.h"
#include "engine/run/engine.h"
#include "tools/cli/verbs.h"

namespace crossfade::cli {

// Until the watch of this cutover has ended, adds how to its answer: `watch` in the document, the
// primary and the epoch as they are then, the exit code (0 it passed, 8 SQLite is the primary
// again, 3 or, for a difference, 4 a rollback was wanted and not done). kInterrupted when no engine
// watches any more. `here`: it was done in this process, which watches no more when it comes here.
Result<run::TaskResult> await_watch(const Common& common, run::TaskResult cutover, bool here);

}  // namespace crossfade::cli
