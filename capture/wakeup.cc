#include "capture/wakeup.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <filesystem>
#include <string_view>

namespace crossfade::capture {

Wakeup::Wakeup(const std::string& database_path) {
  const std::filesystem::path path(database_path);
  file_ = path.filename().string();
  const std::string folder = path.has_parent_path() ? path.parent_path().string() : ".";
  nudge_ = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  inotify_ = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (inotify_ < 0) return;
  // The folder and not the -wal: SQLite deletes and makes that anew.
  if (::inotify_add_watch(inotify_, folder.c_str(), IN_MODIFY | IN_CREATE | IN_MOVED_TO) < 0) {
    ::close(inotify_);
    inotify_ = -1;
  }
}

Wakeup::~Wakeup() {
  if (inotify_ >= 0) ::close(inotify_);
  if (nudge_ >= 0) ::close(nudge_);
}

bool Wakeup::drain_relevant() {
  alignas(inotify_event) std::array<char, 4096> buffer{};
  bool relevant = false;
  while (true) {
    const ssize_t size = ::read(inotify_, buffer.data(), buffer.size());
    if (size <= 0) return relevant;
    for (ssize_t at = 0; at < size;) {
      inotify_event event{};
      std::memcpy(&event, buffer.data() + at, sizeof(event));
      const char* name = buffer.data() + at + sizeof(event);
      if (event.len > 0 && std::string_view(name).starts_with(file_)) relevant = true;
      at += static_cast<ssize_t>(sizeof(event) + event.len);
    }
  }
}

void Wakeup::wait(std::chrono::milliseconds poll) {
  const Deadline deadline = Deadline::after(poll);
  while (!deadline.expired()) {
    // A negative descriptor is one poll() passes over.
    std::array<pollfd, 2> fds{{{nudge_, POLLIN, 0}, {inotify_, POLLIN, 0}}};
    const int timeout = static_cast<int>(deadline.remaining().count());
    if (::poll(fds.data(), fds.size(), timeout) <= 0) return;
    uint64_t count = 0;
    if (fds[0].revents != 0 && ::read(nudge_, &count, sizeof(count)) > 0) return;
    if (fds[1].revents != 0 && drain_relevant()) return;
  }
}

void Wakeup::nudge() {
  const uint64_t one = 1;
  // It can only fail when the counter is full, and then a wake-up is due anyway.
  [[maybe_unused]] const ssize_t written = ::write(nudge_, &one, sizeof(one));
}

}  // namespace crossfade::capture
