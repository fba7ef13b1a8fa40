// Named fault points: places where a test makes the engine die.
//
// Compiled out unless CROSSFADE_FAULTS is on. With it, CROSSFADE_FAULT="name[:n]" in the
// environment ends the process with _exit(70) at the n-th pass (default 1) of that point: no
// destructors, no flushing, as a kill would.
#pragma once

namespace crossfade {
#ifdef CROSSFADE_FAULTS
void fault_point(const char* name);
#else
inline void fault_point(const char* /*name*/) {}
#endif
}  // namespace crossfade
