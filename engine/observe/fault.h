// Named fault points: places where a test makes the engine die, wait or fail.
//
// Compiled out unless CROSSFADE_FAULTS is on. With it, the environment says what happens where:
//
//   CROSSFADE_FAULT        NAME[@PHASE][:N][:ACTION], several with ";" between them. At the N-th
//                          pass (default 1) of the point, or of the point in that phase; `*` is any
//                          point. ACTION: `die` (the default) ends the process with _exit(70), no
//                          destructors, no flushing, as a kill would; `delay=MS`; `error`, which
//                          counts passes of points that can fail only.
//   CROSSFADE_FAULT_TRACE  a file. Gets a line "pass NAME PHASE" for each point and phase that is
//                          passed ("fails NAME PHASE" where it can fail), once by each process, and
//                          "fired NAME PHASE ACTION" before each fault.
//
// Threads: any.
#pragma once

#include <string_view>

namespace crossfade {
#ifdef CROSSFADE_FAULTS
void fault_point(const char* name);
// True: the caller fails as if its connection or file had.
bool fault_fails(const char* name);
// What the engine is at from now on: a word.
void fault_phase(std::string_view phase);
#else
inline void fault_point(const char* /*name*/) {}
constexpr bool fault_fails(const char* /*name*/) {
  return false;
}
inline void fault_phase(std::string_view /*phase*/) {}
#endif
}  // namespace crossfade
