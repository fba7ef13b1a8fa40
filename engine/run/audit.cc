#include "engine/run/audit.h"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <pwd.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

#include "engine/core/deadline.h"
#include "engine/core/file_bytes.h"
#include "engine/core/limits.h"
#include "engine/core/sha256.h"
#include "engine/observe/log.h"
#include "engine/run/audit_line.h"

namespace crossfade::run {
namespace {

using nlohmann::json;

constexpr std::chrono::seconds kAuditLockWait{5};
constexpr std::chrono::milliseconds kAuditLockPause{5};
constexpr mode_t kOthers = 0077;

// How the file ends: its last whole line, and what stands behind it, which a crash left.
struct Tail {
  std::string last;  // without its end
  std::string torn;
  int64_t size = 0;
  bool whole = true;  // else there is more without a line's end than a crash could leave
  bool read = true;   // else errno says why not, and nothing else holds
};

Tail read_tail(int fd) {
  Tail out;
  out.size = ::lseek(fd, 0, SEEK_END);
  out.read = out.size >= 0;
  int64_t at = out.size;
  std::string text;
  std::array<char, 4096> buffer{};
  for (int64_t ends = 0; at > 0 && ends < 2;) {
    if (out.size - at >= limits::kAuditTailBytesMax) {
      out.whole = false;
      return out;
    }
    const int64_t size = std::min<int64_t>(at, buffer.size());
    at -= size;
    if (read_whole(fd, buffer.data(), static_cast<size_t>(size), at) != size) {
      out.read = false;
      return out;
    }
    text.insert(0, buffer.data(), static_cast<size_t>(size));
    ends += std::count(buffer.data(), buffer.data() + size, '\n');
  }
  const size_t end = text.rfind('\n');
  if (end == std::string::npos) {
    out.torn = std::move(text);
    return out;
  }
  out.torn = text.substr(end + 1);
  text.resize(end);
  const size_t begin = text.rfind('\n');
  out.last = begin == std::string::npos ? text : text.substr(begin + 1);
  return out;
}

int64_t seq_of(const std::string& line) {
  const auto entry = json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!entry.is_object()) return 0;
  const auto seq = entry.find("seq");
  return seq != entry.end() && seq->is_number_integer() ? seq->get<int64_t>() : 0;
}

std::string user_name(uid_t uid) {
  std::array<char, 4096> buffer{};
  passwd entry{};
  passwd* found = nullptr;
  if (::getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr) {
    return {};
  }
  return entry.pw_name;
}

std::string host_name() {
  std::array<char, 256> buffer{};
  return ::gethostname(buffer.data(), buffer.size() - 1) == 0 ? buffer.data() : "";
}

// Whoever this process works for. `sudo_user` is what the environment claims.
json whoever() {
  static const std::string kUser = user_name(::getuid());  // asked for once: it may be a network
  json who = {{"uid", ::getuid()}, {"user", kUser}, {"pid", ::getpid()}};
  if (::geteuid() != ::getuid()) who["euid"] = ::geteuid();
  const char* const sudo = std::getenv("SUDO_USER");
  if (sudo != nullptr && *sudo != '\0') who["sudo_user"] = std::string(sudo).substr(0, 64);
  return who;
}

std::string now_text() {
  using namespace std::chrono;
  const auto now = floor<milliseconds>(system_clock::now());
  return fmt::format("{:%FT%T}.{:03}Z", fmt::gmtime(system_clock::to_time_t(now)),
                     now.time_since_epoch().count() % 1000);
}

json bounded_details(json details) {
  const std::string text = details.dump(-1, ' ', false, json::error_handler_t::replace);
  if (text.size() <= limits::kAuditDetailsBytesMax) return details;
  return {{"left_out_bytes", text.size()}, {"left_out_sha256", sha256_hex(text)}};
}

// The lines to be added, each on the one before it.
class Lines {
 public:
  Lines(std::string before, int64_t seq) : before_(std::move(before)), seq_(seq) {}
  void add(const std::string& what, json details) {
    static const std::string kHost = host_name();
    const json entry = {{"seq", ++seq_}, {"at", now_text()}, {"what", what},
                        {"host", kHost}, {"who", whoever()}, {"details", std::move(details)}};
    const std::string line = seal_audit_line(before_, entry);
    before_ = audit_hash_after(line);
    text_ += line + "\n";
  }
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  std::string before_;
  int64_t seq_;
  std::string text_;
};

bool lock_file(int fd) {
  const Deadline deadline = Deadline::after(kAuditLockWait);
  while (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (deadline.expired()) return false;
    std::this_thread::sleep_for(kAuditLockPause);
  }
  return true;
}

bool append(int fd, const std::string& what, json details) {
  if (!lock_file(fd)) return false;
  Tail tail = read_tail(fd);
  if (!tail.read || !tail.whole) return false;
  std::string out;
  if (!tail.torn.empty()) {
    out = "\n";
    const auto whole = parse_audit_line(tail.torn);
    if (whole && follows(audit_hash_after(tail.last), *whole)) {  // all but its end
      tail.last = std::exchange(tail.torn, "");
    }
  }
  Lines lines(audit_hash_after(tail.last), seq_of(tail.last));
  if (!tail.torn.empty()) {
    lines.add("torn_line", {{"bytes", tail.torn.size()}, {"sha256", sha256_hex(tail.torn)}});
  }
  lines.add(what, bounded_details(std::move(details)));
  out += lines.text();
  if (write_whole(fd, out)) return ::fdatasync(fd) == 0;
  // The disk is full: of these lines nothing stays, or the next attempt would be a second torn one.
  if (::ftruncate(fd, tail.size) != 0) log::warn("an audit line stays unfinished");
  return false;
}

Error not_read(const std::string& path, int number) {
  Error error;
  error.code = ErrorCode::kStateFolder;
  error.op = "audit.read";
  error.object = path;
  error.native = std::strerror(number);
  error.hint = "look at the system's log: the disk did not answer as it should";
  return error;
}

int open_for_appending(const std::string& path) {
  const bool there = ::access(path.c_str(), F_OK) == 0;
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return fd;
  struct stat st {};
  if (::fstat(fd, &st) == 0 && (st.st_mode & kOthers) != 0) ::fchmod(fd, 0600);
  if (!there) {  // its name must be there after a loss of power, too
    const std::string folder = std::filesystem::path(path).parent_path().string();
    const int folder_fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder_fd >= 0) {
      ::fsync(folder_fd);
      ::close(folder_fd);
    }
  }
  return fd;
}

}  // namespace

void AuditLog::record(const std::string& what, json details) {
  const std::lock_guard lock(mutex_);
  const int fd = open_for_appending(path_);
  const bool written = fd >= 0 && append(fd, what, std::move(details));
  if (fd >= 0) ::close(fd);
  if (!written) log::warn(fmt::format("the audit log {} could not be written", path_));
}

Result<std::optional<AuditHead>> AuditLog::head() const {
  const int fd = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return std::optional<AuditHead>();
  const Tail tail = read_tail(fd);
  const int number = errno;
  ::close(fd);
  if (!tail.read) return fail(not_read(path_, number));
  const auto line = parse_audit_line(tail.last);
  if (!line) return std::optional<AuditHead>();
  return std::optional(AuditHead{seq_of(tail.last), line->hash,
                                 tail.size - static_cast<int64_t>(tail.torn.size()), ""});
}

Result<bool> AuditLog::holds(const AuditHead& head) const {
  const std::string end = head.hash + "\"}\n";
  const int64_t from = head.bytes - static_cast<int64_t>(end.size());
  if (from < 0) return false;
  const int fd = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return false;
  std::string found(end.size(), '\0');
  const ssize_t size = read_whole(fd, found.data(), found.size(), from);
  const int number = errno;
  ::close(fd);
  if (size < 0) return fail(not_read(path_, number));
  return size == static_cast<ssize_t>(end.size()) && found == end;
}

}  // namespace crossfade::run
