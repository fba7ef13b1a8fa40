// Private clusters go down with the test process, even when it crashes or is killed.
#pragma once

#include <string>

namespace crossfade::testing {

// A helper process (support/reaper.py) waits for this process's end, then stops the cluster in
// `folder` and removes the folder, if both are still there.
void reap_at_exit(const std::string& folder);

}  // namespace crossfade::testing
