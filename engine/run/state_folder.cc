#include "engine/run/state_folder.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <thread>
#include <utility>

#include "engine/core/deadline.h"
#include "engine/core/file_bytes.h"

namespace crossfade::run {
namespace {

Error folder_error(std::string op, const std::string& path, int number) {
  Error error;
  error.code = ErrorCode::kStateFolder;
  error.op = std::move(op);
  error.object = path;
  error.native = std::strerror(number);
  error.hint = number == ENOSPC ? "the disk is full: free some space and run the command again"
               : number == EIO  ? "the disk did not answer as it should: look at the system's log, "
                                  "then run the command again"
                                : "crossfade keeps its state beside the database; it needs the "
                                  "right to write there";
  return error;
}

// Empty: it is not there.
Result<std::string> read_or_empty(const std::string& path) {
  auto text = read_file(path);
  if (!text && errno != ENOENT) return fail(folder_error("state.read", path, errno));
  return text.value_or("");
}

Status write_text(const std::string& path, const std::string& text) {
  const std::string temporary = path + ".new";
  const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return fail(folder_error("state.write", temporary, errno));
  const bool synced = write_whole(fd, text) && ::fsync(fd) == 0;
  int number = errno;
  ::close(fd);
  if (synced && ::rename(temporary.c_str(), path.c_str()) == 0) return ok();
  if (synced) number = errno;
  ::unlink(temporary.c_str());
  return fail(folder_error("state.write", path, number));
}

}  // namespace

StateFolder::StateFolder(std::string database, std::string folder)
    : database_(std::move(database)), folder_(std::move(folder)) {}

StateFolder::StateFolder(StateFolder&& other) noexcept
    : database_(std::move(other.database_)),
      folder_(std::move(other.folder_)),
      lock_fd_(std::exchange(other.lock_fd_, -1)) {}

StateFolder::~StateFolder() {
  if (lock_fd_ >= 0) ::close(lock_fd_);
}

Result<StateFolder> StateFolder::of(const std::string& database) {
  std::error_code code;
  const auto real = std::filesystem::canonical(database, code);
  if (code) {
    Error error;
    error.code = ErrorCode::kSource;
    error.op = "source.open";
    error.object = database;
    error.native = code.message();
    error.hint = "check the path; crossfade never creates a source database";
    return fail(std::move(error));
  }
  return StateFolder(real.string(), real.string() + ".crossfade");
}

Status StateFolder::ensure() const {
  if (::mkdir(folder_.c_str(), 0711) != 0 && errno != EEXIST) {
    return fail(folder_error("state.create", folder_, errno));
  }
  return ok();
}

Status StateFolder::lock() {
  const std::string path = folder_ + "/engine.lock";
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return fail(folder_error("state.lock", path, errno));
  // Somebody who only asks holds it for a moment (locked_by_another()).
  const Deadline deadline = Deadline::after(std::chrono::milliseconds(50));
  while (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (!deadline.expired()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      continue;
    }
    ::close(fd);
    Error error;
    error.code = ErrorCode::kFenced;
    error.remedy = Remedy::kFenced;
    error.op = "state.lock";
    error.object = database_;
    error.native = "another crossfade engine works on this database";
    error.hint = "`crossfade status` shows it; end that process first, or let it do the work";
    return fail(std::move(error));
  }
  lock_fd_ = fd;
  return ok();
}

bool StateFolder::locked_by_another() const {
  if (lock_fd_ >= 0) return false;
  const int fd = ::open((folder_ + "/engine.lock").c_str(), O_RDWR | O_CLOEXEC);
  if (fd < 0) return false;
  // Shared: two that only ask do not take each other for an engine.
  const bool locked = ::flock(fd, LOCK_SH | LOCK_NB) != 0;
  ::close(fd);
  return locked;
}

Result<std::string> StateFolder::remembered_rules() const {
  return read_or_empty(rules());
}

Status StateFolder::remember_rules(const std::string& text) const {
  CROSSFADE_TRY(const std::string before, remembered_rules());
  if (before == text) return ok();
  return write_text(rules(), text);
}

Status StateFolder::keep_put_aside(const std::string& statements) const {
  CROSSFADE_TRY(const std::string before, read_or_empty(put_aside()));
  if (before.find(statements) != std::string::npos) return ok();
  return write_text(put_aside(), before + statements);
}

Result<std::string> StateFolder::remembered_watch() const {
  return read_or_empty(watch());
}

// Before a flip: it must be there after a loss of power, as the flip is.
Status StateFolder::remember_watch(const std::string& text) const {
  CROSSFADE_TRY(write_text(watch(), text));
  const int fd = ::open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = fd >= 0 && ::fsync(fd) == 0;
  const int number = errno;
  if (fd >= 0) ::close(fd);
  if (!synced) return fail(folder_error("state.write", watch(), number));
  return ok();
}

Status StateFolder::forget_watch() const {
  if (::unlink(watch().c_str()) != 0 && errno != ENOENT) {
    return fail(folder_error("state.write", watch(), errno));
  }
  return ok();
}

Result<std::string> StateFolder::remembered_target() const {
  return read_or_empty(folder_ + "/target");
}

Status StateFolder::remember_target(const std::string& target) const {
  CROSSFADE_TRY(const std::string before, remembered_target());
  if (before == target) return ok();
  return write_text(folder_ + "/target", target);
}

Status StateFolder::forget_target() const {
  ::unlink((folder_ + "/target").c_str());
  return ok();
}

}  // namespace crossfade::run
