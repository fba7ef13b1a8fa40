#include "engine/run/source_file.h"

#include <fmt/core.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <string_view>
#include <utility>

#include "capture/change_log.h"
#include "engine/core/limits.h"
#include "engine/observe/log.h"

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

// What quick_check says of rows that break their own table's CHECK, NOT NULL or STRICT types; they
// are carried (docs/findings.md). It looks at the file's structure first, and has no code for
// either: the texts are SQLite's pragma.c.
bool is_about_rows(std::string_view message) {
  constexpr std::string_view kCheck = "CHECK constraint failed in ";
  constexpr std::string_view kValue = " value in ";  // NULL value in, non-INT value in, ...
  const size_t word_end = std::min(message.find(' '), message.size());
  return message.substr(0, kCheck.size()) == kCheck ||
         message.substr(word_end, kValue.size()) == kValue;
}

// A page that the disk did not give says nothing of what is in it. The text is btree.c's, its code
// an extended one.
bool is_unread(std::string_view message) {
  constexpr std::string_view kUnread = "unable to get the page. error code=";
  const size_t at = message.find(kUnread);
  if (at == std::string_view::npos) return false;
  int code = 0;
  const char* const digits = message.data() + at + kUnread.size();
  std::from_chars(digits, message.data() + message.size(), code);
  return (code & 0xff) == SQLITE_IOERR;
}

// Whether the application could not write until the whole file is read: without a WAL a reader's
// lock is in the way of each commit, and this one cannot be taken in parts.
Result<bool> would_hold_off_writers(sqlite::Connection& connection) {
  CROSSFADE_TRY(const auto mode, connection.query_text("PRAGMA journal_mode"));
  if (mode == "wal") return false;
  CROSSFADE_TRY(const int64_t pages, connection.query_int("PRAGMA page_count"));
  CROSSFADE_TRY(const int64_t page_size, connection.query_int("PRAGMA page_size"));
  return pages * page_size > limits::kLockedLookBytesMax;
}

Status refuse_damaged(sqlite::Connection& connection, const std::string& path) {
  CROSSFADE_TRY(const bool in_the_way, would_hold_off_writers(connection));
  if (in_the_way) {
    log::info(path +
              ": not looked through for damage, since its application could not write meanwhile; "
              "the backup is, if one is made");
    return ok();
  }
  CROSSFADE_TRY(const auto damage, find_damage(connection));
  if (damage.empty()) return ok();
  return fail(damaged_source(path, "damaged: " + damage));
}

}  // namespace

Error damaged_source(const std::string& path, std::string native) {
  return source_error(path, std::move(native),
                      "restore a backup or use `sqlite3 FILE .recover`, then run again");
}

Result<std::string> find_damage(sqlite::Connection& connection) {
  CROSSFADE_TRY(auto check, connection.query_text("PRAGMA quick_check(1)"));
  if (is_unread(check)) {
    return fail(source_error(connection.path(), fmt::format("not read: {}", check),
                             "the disk did not answer as it should: look at the system's log, then "
                             "run the command again"));
  }
  if (check == "ok" || is_about_rows(check)) check.clear();
  return check;
}

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
    CROSSFADE_TRY(refuse_damaged(connection, path));
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
