#include "engine/run/audit.h"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <nlohmann/json.hpp>

#include "engine/core/digest.h"
#include "engine/observe/log.h"

namespace crossfade::run {
namespace {

std::string last_line(const std::string& path) {
  std::ifstream in(path);
  std::string line;
  std::string last;
  while (std::getline(in, line)) last = line;
  return last;
}

}  // namespace

void AuditLog::record(const std::string& what, nlohmann::json details) {
  const std::lock_guard lock(mutex_);
  if (last_.empty()) last_ = to_hex(digest_bytes(last_line(path_)));
  nlohmann::json line = {
      {"at", fmt::format("{:%FT%TZ}", fmt::gmtime(std::chrono::system_clock::to_time_t(
                                          std::chrono::system_clock::now())))},
      {"what", what},
      {"details", std::move(details)},
      {"before", last_}};
  const std::string text = line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  const int fd = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  const std::string out = text + "\n";
  const bool written = fd >= 0 &&
                       ::write(fd, out.data(), out.size()) == static_cast<ssize_t>(out.size()) &&
                       ::fdatasync(fd) == 0;
  if (fd >= 0) ::close(fd);
  if (!written) log::warn(fmt::format("the audit log {} could not be written", path_));
  last_ = to_hex(digest_bytes(text));
}

}  // namespace crossfade::run
