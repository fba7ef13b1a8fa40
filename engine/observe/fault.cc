#include "engine/observe/fault.h"

#ifdef CROSSFADE_FAULTS
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <iterator>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "engine/observe/fault_io.h"

namespace crossfade {
namespace {

constexpr int kDied = 70;

enum class FaultAction : uint8_t { kDie, kDelay, kError, kShort };
enum class PointKind : uint8_t { kPassed, kCanFail, kMovesBytes };

struct Fault {
  std::string point;
  std::string phase;  // empty: any
  int at = 1;
  FaultAction action = FaultAction::kDie;
  std::chrono::milliseconds delay{0};
  std::string action_text = "die";
  int passes = 0;
};

Fault parse_fault(std::string_view text) {
  Fault fault;
  size_t field = 0;
  while (true) {
    const size_t colon = text.find(':');
    const std::string part(text.substr(0, colon));
    if (field == 0) {
      const size_t mark = part.find('@');
      fault.point = part.substr(0, mark);
      if (mark != std::string::npos) fault.phase = part.substr(mark + 1);
    } else if (part == "error" || part == "die" || part == "short") {
      fault.action = part == "die"     ? FaultAction::kDie
                     : part == "error" ? FaultAction::kError
                                       : FaultAction::kShort;
      fault.action_text = part;
    } else if (part.starts_with("delay=")) {
      fault.action = FaultAction::kDelay;
      fault.action_text = part;
      fault.delay = std::chrono::milliseconds(std::atoi(part.c_str() + part.find('=') + 1));
    } else {
      fault.at = std::atoi(part.c_str());
    }
    if (colon == std::string_view::npos) return fault;
    text.remove_prefix(colon + 1);
    ++field;
  }
}

bool is_of_bytes(std::string_view point) {
  constexpr std::string_view kSuffixes[] = {".read", ".write", ".sync", ".send", ".receive"};
  return std::any_of(std::begin(kSuffixes), std::end(kSuffixes),
                     [&](std::string_view end) { return point.ends_with(end); });
}

// Never destroyed: threads may pass a point while the process ends.
struct Faults {
  std::mutex mutex;
  std::vector<Fault> planned;
  bool bytes = false;  // a point of bytes is planned
  int trace = -1;
  std::string phase = "starting";
  std::set<std::string> traced;

  Faults() {
    if (const char* text = std::getenv("CROSSFADE_FAULT")) {
      std::string_view rest(text);
      while (!rest.empty()) {
        const size_t end = rest.find(';');
        if (end != 0) planned.push_back(parse_fault(rest.substr(0, end)));
        bytes = bytes || (!planned.empty() && is_of_bytes(planned.back().point));
        rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
      }
    }
    if (const char* file = std::getenv("CROSSFADE_FAULT_TRACE")) {
      trace = ::open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    }
  }
  [[nodiscard]] bool idle() const { return planned.empty() && trace < 0; }
  // Moving bytes costs a look at what they are of: only where it is asked for.
  [[nodiscard]] bool idle_for_bytes() const { return !bytes && trace < 0; }

  // One write() each, so that lines of several processes do not mix; and none that has points.
  void say(const std::string& line) const {
    if (trace < 0) return;
    const std::string text = line + "\n";
    if (::syscall(SYS_write, trace, text.data(), text.size()) < 0) ::_exit(kDied + 1);
  }
};

Faults& faults() {
  static auto* const kFaults = new Faults();
  return *kFaults;
}

bool concerns(const Fault& fault, const char* name, const std::string& phase, PointKind kind) {
  const bool any = fault.point == "*" && kind != PointKind::kMovesBytes;
  if (!any && fault.point != name) return false;
  if (!fault.phase.empty() && fault.phase != phase) return false;
  if (fault.action == FaultAction::kError) return kind != PointKind::kPassed;
  return fault.action != FaultAction::kShort || kind == PointKind::kMovesBytes;
}

// What is to happen now. Has waited where it was to wait.
IoFault passed(const char* name, PointKind kind) {
  constexpr const char* kTraced[] = {"pass ", "fails ", "moves "};
  Faults& all = faults();
  if (all.idle()) return IoFault::kNone;
  std::chrono::milliseconds delay{0};
  IoFault out = IoFault::kNone;
  {
    const std::lock_guard lock(all.mutex);
    const std::string where = fmt::format("{} {}", name, all.phase);
    if (all.traced.insert(where).second) all.say(kTraced[static_cast<size_t>(kind)] + where);
    for (Fault& fault : all.planned) {
      if (!concerns(fault, name, all.phase, kind)) continue;
      ++fault.passes;
      if (fault.at != 0 && fault.passes != fault.at) continue;
      // One that is at each pass would fill the disk.
      if (fault.at != 0 || fault.passes == 1) {
        all.say(fmt::format("fired {} {}", where, fault.action_text));
      }
      if (fault.action == FaultAction::kDie) return IoFault::kDie;
      if (fault.action == FaultAction::kDelay) delay += fault.delay;
      if (fault.action == FaultAction::kError) out = IoFault::kError;
      if (fault.action == FaultAction::kShort && out == IoFault::kNone) out = IoFault::kShort;
    }
  }
  if (delay.count() > 0) std::this_thread::sleep_for(delay);
  return out;
}

}  // namespace

void fault_dies() {
  ::_exit(kDied);
}

IoFault io_fault(const char* name) {
  return passed(name, PointKind::kMovesBytes);
}

bool faults_idle() {
  return faults().idle_for_bytes();
}

void fault_point(const char* name) {
  if (passed(name, PointKind::kPassed) == IoFault::kDie) fault_dies();
}

bool fault_fails(const char* name) {
  const IoFault now = passed(name, PointKind::kCanFail);
  if (now == IoFault::kDie) fault_dies();
  return now == IoFault::kError;
}

void fault_phase(std::string_view phase) {
  Faults& all = faults();
  const std::lock_guard lock(all.mutex);
  all.phase = phase;
}

}  // namespace crossfade
#endif
