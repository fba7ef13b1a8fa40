#include "engine/postgres/cluster_locks.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <thread>
#include <utility>

#include "engine/core/limits.h"

namespace crossfade::postgres {
Error cluster_error(const std::string& folder, std::string native, std::string hint) {
  Error error;
  error.code = ErrorCode::kTarget;
  error.op = "target.embedded";
  error.object = folder;
  error.native = std::move(native);
  error.hint = std::move(hint);
  return error;
}

Error system_error(const std::string& path, const char* what, int number) {
  return cluster_error(path, fmt::format("{}: {}", what, std::generic_category().message(number)),
                       "check the rights and the free space of this folder");
}

Result<FolderLock> FolderLock::take(const std::string& folder, Deadline deadline) {
  const std::string path = folder + "/lock";
  while (true) {
    FolderLock lock(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (lock.fd_ < 0) return fail(system_error(path, "open", errno));
    while (::flock(lock.fd_, LOCK_EX | LOCK_NB) != 0) {
      if (deadline.expired()) {
        return fail(cluster_error(folder, "another process is starting or stopping this cluster",
                                  "wait for it to end, and run the command again"));
      }
      std::this_thread::sleep_for(limits::kClusterPollInterval);
    }
    struct stat held {};
    struct stat named {};
    // destroy() may have removed the file while we waited for it.
    if (::fstat(lock.fd_, &held) == 0 && ::stat(path.c_str(), &named) == 0 &&
        held.st_ino == named.st_ino) {
      return lock;
    }
    if (deadline.expired()) return fail(system_error(path, "lock", ESTALE));
  }
}

FolderLock::FolderLock(FolderLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

FolderLock::~FolderLock() {
  if (fd_ >= 0) ::close(fd_);
}

Result<ClusterUse> ClusterUse::take(const std::string& folder) {
  const std::string path = folder + "/users";
  ClusterUse use(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (use.fd_ < 0) return fail(system_error(path, "open", errno));
  if (::flock(use.fd_, LOCK_SH | LOCK_NB) != 0) return fail(system_error(path, "lock", errno));
  return use;
}

ClusterUse::ClusterUse(ClusterUse&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

ClusterUse::~ClusterUse() {
  if (fd_ >= 0) ::close(fd_);
}

bool ClusterUse::end_and_see_if_last() {
  const int fd = std::exchange(fd_, -1);
  if (fd < 0) return true;
  const bool last = ::flock(fd, LOCK_EX | LOCK_NB) == 0;
  ::close(fd);
  return last;
}

}  // namespace crossfade::postgres
