#include "engine/core/file_bytes.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace crossfade {

bool write_whole(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written == 0) errno = ENOSPC;  // it says nothing of its own
    if (written <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

ssize_t read_whole(int fd, char* bytes, size_t size, off_t at) {
  size_t read = 0;
  while (read < size) {
    const ssize_t some = ::pread(fd, bytes + read, size - read, at + static_cast<off_t>(read));
    if (some < 0 && errno == EINTR) continue;
    if (some < 0) return -1;
    if (some == 0) break;
    read += static_cast<size_t>(some);
  }
  return static_cast<ssize_t>(read);
}

std::optional<std::string> read_file(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return std::nullopt;
  std::string out;
  std::array<char, 16 * 1024> buffer{};
  ssize_t some = 0;
  while ((some = ::read(fd, buffer.data(), buffer.size())) != 0) {
    if (some > 0) out.append(buffer.data(), static_cast<size_t>(some));
    if (some < 0 && errno != EINTR) break;
  }
  const int number = errno;
  ::close(fd);
  errno = number;
  if (some < 0) return std::nullopt;
  return out;
}

}  // namespace crossfade
