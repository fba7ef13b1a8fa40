#include "tests/support/clock.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <stdexcept>

namespace crossfade::testing {
namespace {

constexpr size_t kBytes = sizeof(int64_t);

}  // namespace

SteppedClock::SteppedClock() {
  const int fd = ::open(dir_.file("step").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  void* at = MAP_FAILED;
  if (fd >= 0 && ::ftruncate(fd, kBytes) == 0) {
    at = ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  }
  ::close(fd);
  if (at == MAP_FAILED) throw std::runtime_error("no file for a clock");
  step_ = static_cast<volatile int64_t*>(at);
}

SteppedClock::~SteppedClock() {
  ::munmap(const_cast<int64_t*>(step_), kBytes);
}

std::map<std::string, std::string> SteppedClock::env() const {
  return {{"LD_PRELOAD", CROSSFADE_CLOCK_STEP}, {"CROSSFADE_CLOCK_STEP", dir_.file("step")}};
}

void SteppedClock::set(std::chrono::seconds step) {
  *step_ = step.count();
}

}  // namespace crossfade::testing
