#include "engine/run/audit.h"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "engine/core/digest.h"
#include "engine/observe/log.h"

namespace crossfade::run {
namespace {

// The file's last line without its end, read from the end backwards.
std::string last_line(int fd) {
  off_t at = ::lseek(fd, 0, SEEK_END);
  std::string tail;
  char buffer[4096];
  while (at > 0) {
    const auto size = static_cast<size_t>(std::min<off_t>(at, sizeof buffer));
    at -= static_cast<off_t>(size);
    if (::pread(fd, buffer, size, at) != static_cast<ssize_t>(size)) break;
    tail.insert(0, buffer, size);
    if (!tail.empty() && tail.back() == '\n') tail.pop_back();
    if (const size_t end = tail.rfind('\n'); end != std::string::npos) return tail.substr(end + 1);
  }
  return tail;
}

bool append(int fd, const std::string& what, nlohmann::json details) {
  if (::flock(fd, LOCK_EX) != 0) return false;
  const nlohmann::json line = {
      {"at", fmt::format("{:%FT%TZ}", fmt::gmtime(std::chrono::system_clock::to_time_t(
                                          std::chrono::system_clock::now())))},
      {"what", what},
      {"details", std::move(details)},
      {"before", to_hex(digest_bytes(last_line(fd)))}};
  const std::string out =
      line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  return ::write(fd, out.data(), out.size()) == static_cast<ssize_t>(out.size()) &&
         ::fdatasync(fd) == 0;
}

}  // namespace

void AuditLog::record(const std::string& what, nlohmann::json details) {
  const std::lock_guard lock(mutex_);
  const int fd = ::open(path_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  const bool written = fd >= 0 && append(fd, what, std::move(details));
  if (fd >= 0) ::close(fd);
  if (!written) log::warn(fmt::format("the audit log {} could not be written", path_));
}

}  // namespace crossfade::run
