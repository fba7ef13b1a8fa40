#include "engine/observe/fault.h"

#ifdef CROSSFADE_FAULTS
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <string>
#include <string_view>

namespace crossfade {
namespace {

struct Plan {
  std::string name;
  int at = 1;
};

const Plan& plan() {
  static const Plan kPlan = [] {
    Plan p;
    if (const char* text = std::getenv("CROSSFADE_FAULT")) {
      const std::string_view spec(text);
      const size_t colon = spec.find(':');
      p.name = spec.substr(0, colon);
      if (colon != std::string_view::npos) p.at = std::atoi(text + colon + 1);
    }
    return p;
  }();
  return kPlan;
}

std::atomic<int> passes{0};

}  // namespace

void fault_point(const char* name) {
  if (plan().name != name) return;
  if (passes.fetch_add(1) + 1 == plan().at) ::_exit(70);
}

}  // namespace crossfade
#endif
