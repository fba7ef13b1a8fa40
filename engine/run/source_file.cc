#include "engine/run/source_file.h"

#include <fmt/core.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

#include "capture/change_log.h"
#include "engine/core/limits.h"
#include "engine/observe/log.h"
#include "engine/run/damage.h"

namespace crossfade::run {
namespace {

Error source_error(const std::string& path, std::string native, std::string hint) {
  Error error;
  error.code = ErrorCode::kSource;
  error.op = "source.open";
  error.object = path;
  error.native = std::move(native);
  error.hint = std::move(hint);
  return error;
}

// File systems whose locks or shared memory SQLite's WAL cannot rely on (statfs(2) magic numbers).
bool is_network_file_system(const std::string& path) {
  struct statfs fs {};
  if (::statfs(path.c_str(), &fs) != 0) return false;
  constexpr int64_t kNfs = 0x6969;
  constexpr int64_t kCifs = 0xFF534D42;
  constexpr int64_t kSmb2 = 0xFE534D42;
  const auto type = static_cast<int64_t>(fs.f_type);
  return type == kNfs || type == kCifs || type == kSmb2;
}

}  // namespace

Result<SourceFile> SourceFile::open(const std::string& path) {
  struct stat st {};
  if (::stat(path.c_str(), &st) == 0 && S_ISREG(st.st_mode) && ::access(path.c_str(), W_OK) != 0) {
    return fail(source_error(path,
                             fmt::format("the file may not be written: {}", std::strerror(errno)),
                             "crossfade records changes by triggers inside the source; give it "
                             "write access to the file and its folder"));
  }
  if (is_network_file_system(path)) {
    return fail(source_error(path, "the file lies on a network file system",
                             "SQLite's locks do not hold there; run crossfade on the machine that "
                             "has the disk"));
  }
  CROSSFADE_TRY(auto connection, sqlite::Connection::open({path, sqlite::Access::kReadWrite,
                                                           limits::kSourceBusyTimeout}));
  CROSSFADE_TRY(const auto identity, capture::read_identity(connection));
  if (!identity) {
    CROSSFADE_TRY(refuse_damaged(connection));
  }
  return SourceFile(std::move(connection), path, st.st_dev, st.st_ino);
}

Result<sqlite::Connection> SourceFile::connect(std::chrono::milliseconds busy_timeout) const {
  return sqlite::Connection::open({path_, sqlite::Access::kReadWrite, busy_timeout});
}

Status SourceFile::prefer_wal() {
  CROSSFADE_TRY(const auto mode, connection_.query_text("PRAGMA journal_mode"));
  if (mode == "wal") return ok();
  const auto changed = connection_.query_text("PRAGMA journal_mode=WAL");
  if (changed && changed.value() == "wal") {
    log::info(
        fmt::format("journal mode changed from {} to wal, so that reading never blocks the "
                    "application; `crossfade finish` changes it back",
                    mode));
    return ok();
  }
  log::warn(
      fmt::format("the journal mode stays {}: the database could not be switched to wal. "
                  "Reading may hold up the application's commits for moments, with read "
                  "transactions of at most {} ms",
                  mode, limits::kChunkReadMax.count()));
  return ok();
}

Status SourceFile::check_same_file() const {
  struct stat st {};
  if (::stat(path_.c_str(), &st) == 0 && st.st_dev == device_ && st.st_ino == inode_) return ok();
  Error error;
  error.code = ErrorCode::kSourceReplaced;
  error.op = "source.watch";
  error.object = path_;
  error.native = "the file was replaced or removed while crossfade was working on it";
  error.hint =
      "the target is as it was. Put the original file back and run again, or `crossfade "
      "finish` and start the move anew with the new file";
  return fail(std::move(error));
}

}  // namespace crossfade::run
