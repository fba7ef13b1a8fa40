#include "tests/support/reaper.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>

namespace crossfade::testing {
namespace {

// The pipe's writing end; nobody inherits it, so it closes when this process ends, however it ends.
int start_reaper() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return -1;
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::setsid();
    const int null_fd = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (::dup2(ends[0], 0) < 0 || ::dup2(null_fd, 1) < 0 || ::dup2(null_fd, 2) < 0) ::_exit(1);
    ::execl("/usr/bin/python3", "python3", CROSSFADE_REAPER, nullptr);
    ::_exit(1);
  }
  ::close(ends[0]);
  return ends[1];
}

}  // namespace

void reap_at_exit(const std::string& folder) {
  static const int pipe = start_reaper();
  const std::string line = folder + "\n";
  if (::write(pipe, line.data(), line.size()) != static_cast<ssize_t>(line.size())) {
    ADD_FAILURE() << "the reaper is not there; " << folder << " may be left behind";
  }
}

}  // namespace crossfade::testing
