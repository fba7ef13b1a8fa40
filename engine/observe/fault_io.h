// The fault points of bytes: between fault.cc, which decides, and fault_io.cc, which does.
//
// Only where CROSSFADE_FAULTS is on. Threads: any.
#pragma once

#include <cstdint>

namespace crossfade {

enum class IoFault : uint8_t { kNone, kShort, kError, kDie };

[[noreturn]] void fault_dies();
// Passes the point; waits there if it is to. What else is to happen is the caller's to do.
[[nodiscard]] IoFault io_fault(const char* name);
// No point of bytes is planned, and nothing is traced.
[[nodiscard]] bool faults_idle();

}  // namespace crossfade
