// Named fault points: places where a test makes the engine die, wait or fail.
//
// Compiled out unless CROSSFADE_FAULTS is on. With it, the environment says what happens where:
//
//   CROSSFADE_FAULT        NAME[@PHASE][:N][:ACTION], several with ";" between them. At the N-th
//                          pass (default 1; 0 is each) of the point, or of the point in that phase;
//                          `*` is any point but those of bytes. ACTION: `die` (the default) ends
//                          the process with _exit(70), no destructors, no flushing, as a kill
//                          would; `delay=MS`; `error`, which counts passes of points that can fail
//                          only; `short`, of those of bytes.
//   CROSSFADE_FAULT_TRACE  a file. Gets a line "pass NAME PHASE" for each point and phase that is
//                          passed ("fails NAME PHASE" where it can fail, "moves NAME PHASE" where
//                          it is of bytes), once by each process, and "fired NAME PHASE ACTION"
//                          before each fault.
//
// Points of bytes are in the system calls by which SQLite, libpq and the engine's own files move
// them (fault_io.cc), whoever makes them: NAME is target or control with `.send` or
// `.receive`, or source, wal, journal or state with `.read`, `.write` or `.sync`. What happens
// there happens half way: `die` and `error` leave half of the bytes moved, and `short` is a call
// that moves half of them and says so.
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
