// The system calls that move bytes, for programs with fault points: SQLite's, libpq's and our own
// calls come here, since the linker prefers a program's own symbols to those of a library. libc's
// own calls (stdio's) do not.
#include "engine/observe/fault_io.h"

#ifdef CROSSFADE_FAULTS
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace crossfade {
namespace {

// Which of the move's files it is; nothing: another file, or none.
std::optional<std::string_view> file_of(int fd) {
  struct stat about {};
  if (::fstat(fd, &about) != 0 || !S_ISREG(about.st_mode)) return std::nullopt;
  char link[64];
  *fmt::format_to_n(link, sizeof(link) - 1, "/proc/self/fd/{}", fd).out = '\0';
  char path[4096];
  const ssize_t size = ::readlink(link, path, sizeof(path));
  if (size <= 0) return std::nullopt;
  const std::string_view name(path, static_cast<size_t>(size));
  for (const char* other : {"/proc/", "/sys/", "/usr/", "/etc/", "/lib/"}) {
    if (name.starts_with(other)) return std::nullopt;
  }
  if (name.find(".crossfade/") != std::string_view::npos) return "state";
  if (name.ends_with("-wal")) return "wal";
  if (name.ends_with("-journal")) return "journal";
  return "source";
}

size_t half(size_t size) {
  return std::max<size_t>(size / 2, 1);
}

// `move` of so many bytes, and of fewer where the point says so.
template <typename Move>
ssize_t move_file_bytes(const char* verb, int fd, size_t size, const Move& move) {
  if (faults_idle()) return move(size);
  const auto file = file_of(fd);
  if (!file) return move(size);
  const int before = errno;
  const IoFault now = io_fault(fmt::format("{}.{}", *file, verb).c_str());
  errno = before;
  if (now == IoFault::kNone) return move(size);
  const ssize_t moved = move(half(size));
  if (now == IoFault::kDie) fault_dies();
  if (now == IoFault::kShort) return moved;
  errno = EIO;
  return -1;
}

using AskName = int (*)(int, sockaddr*, socklen_t*);

bool is_control(int fd, AskName ask) {
  sockaddr_un name{};
  socklen_t size = sizeof(name);
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): the socket API's own way
  return ask(fd, reinterpret_cast<sockaddr*>(&name), &size) == 0 && name.sun_family == AF_UNIX &&
         size > offsetof(sockaddr_un, sun_path) &&
         std::string_view(name.sun_path, size - offsetof(sockaddr_un, sun_path))
                 .find("control.sock") != std::string_view::npos;
}

// Of whom it is; nothing: of nobody that bytes come from.
std::optional<std::string_view> peer_of(int fd) {
  int kind = 0;
  socklen_t size = sizeof(kind);
  if (::getsockopt(fd, SOL_SOCKET, SO_TYPE, &kind, &size) != 0 || kind != SOCK_STREAM) {
    return std::nullopt;
  }
  return is_control(fd, ::getpeername) || is_control(fd, ::getsockname) ? "control" : "target";
}

ssize_t sent(int fd, const void* bytes, size_t size, int flags) {
  return ::syscall(SYS_sendto, fd, bytes, size, flags, nullptr, 0);
}

ssize_t received(int fd, void* bytes, size_t size, int flags) {
  return ::syscall(SYS_recvfrom, fd, bytes, size, flags, nullptr, nullptr);
}

ssize_t send_with_points(int fd, const void* bytes, size_t size, int flags) {
  if (faults_idle()) return sent(fd, bytes, size, flags);
  const auto peer = peer_of(fd);
  if (!peer) return sent(fd, bytes, size, flags);
  const IoFault now = io_fault(fmt::format("{}.send", *peer).c_str());
  if (now == IoFault::kNone) return sent(fd, bytes, size, flags);
  const ssize_t moved = sent(fd, bytes, half(size), flags);
  if (now == IoFault::kDie) fault_dies();
  if (now == IoFault::kShort) return moved;
  ::shutdown(fd, SHUT_RDWR);
  errno = ECONNRESET;
  return -1;
}

ssize_t receive_with_points(int fd, void* bytes, size_t size, int flags) {
  if (faults_idle() || (flags & MSG_PEEK) != 0) return received(fd, bytes, size, flags);
  const auto peer = peer_of(fd);
  if (!peer) return received(fd, bytes, size, flags);
  const IoFault now = io_fault(fmt::format("{}.receive", *peer).c_str());
  if (now == IoFault::kNone) return received(fd, bytes, size, flags);
  // libpq asks for what it has room for: half of an answer is far less.
  constexpr size_t kPieceMax = 61;
  const ssize_t moved = received(fd, bytes, std::min(half(size), kPieceMax), flags);
  if (now == IoFault::kDie) fault_dies();
  if (now == IoFault::kError) ::shutdown(fd, SHUT_RDWR);
  return moved;
}

int sync_with_points(int fd, long number) {
  if (!faults_idle()) {
    if (const auto file = file_of(fd)) {
      const IoFault now = io_fault(fmt::format("{}.sync", *file).c_str());
      if (now == IoFault::kDie) fault_dies();
      if (now == IoFault::kError) {
        errno = EIO;
        return -1;
      }
    }
  }
  return static_cast<int>(::syscall(number, fd));
}

}  // namespace
}  // namespace crossfade

extern "C" {

ssize_t read(int fd, void* bytes, size_t size) {
  return crossfade::move_file_bytes(
      "read", fd, size, [&](size_t some) { return ::syscall(SYS_read, fd, bytes, some); });
}

ssize_t write(int fd, const void* bytes, size_t size) {
  return crossfade::move_file_bytes(
      "write", fd, size, [&](size_t some) { return ::syscall(SYS_write, fd, bytes, some); });
}

ssize_t pread(int fd, void* bytes, size_t size, off_t at) {
  return crossfade::move_file_bytes(
      "read", fd, size, [&](size_t some) { return ::syscall(SYS_pread64, fd, bytes, some, at); });
}

ssize_t pread64(int fd, void* bytes, size_t size, off64_t at) {
  return pread(fd, bytes, size, at);
}

ssize_t pwrite(int fd, const void* bytes, size_t size, off_t at) {
  return crossfade::move_file_bytes(
      "write", fd, size, [&](size_t some) { return ::syscall(SYS_pwrite64, fd, bytes, some, at); });
}

ssize_t pwrite64(int fd, const void* bytes, size_t size, off64_t at) {
  return pwrite(fd, bytes, size, at);
}

int fsync(int fd) {
  return crossfade::sync_with_points(fd, SYS_fsync);
}

int fdatasync(int fd) {
  return crossfade::sync_with_points(fd, SYS_fdatasync);
}

ssize_t send(int fd, const void* bytes, size_t size, int flags) {
  return crossfade::send_with_points(fd, bytes, size, flags);
}

ssize_t recv(int fd, void* bytes, size_t size, int flags) {
  return crossfade::receive_with_points(fd, bytes, size, flags);
}

}  // extern "C"
#endif
