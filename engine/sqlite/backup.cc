#include "engine/sqlite/backup.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <thread>
#include <utility>

#include "engine/core/deadline.h"
#include "engine/core/limits.h"
#include "engine/sqlite/sqlite_error_map.h"

namespace crossfade::sqlite {
namespace {

using std::chrono::milliseconds;

struct FinishBackup {
  void operator()(sqlite3_backup* backup) const { sqlite3_backup_finish(backup); }
};
using BackupPtr = std::unique_ptr<sqlite3_backup, FinishBackup>;

Error backup_error(ErrorCode code, const std::string& path, std::string native, std::string hint) {
  Error error;
  error.code = code;
  error.remedy = code == ErrorCode::kBlocked ? Remedy::kDecide : Remedy::kStop;
  error.op = "backup";
  error.object = path;
  error.native = std::move(native);
  error.hint = std::move(hint);
  return error;
}

// What the application wrote meanwhile kept it from being made.
Error outrun_error(const std::string& path, std::string native, std::string hint) {
  Error error = backup_error(ErrorCode::kBlocked, path, std::move(native), std::move(hint));
  error.remedy = Remedy::kRetry;
  return error;
}

int64_t size_of(const std::string& path) {
  struct stat st {};
  return ::stat(path.c_str(), &st) == 0 ? static_cast<int64_t>(st.st_size) : 0;
}

// Synced, with its name.
Status sync_file(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  const std::string folder = path.substr(0, path.rfind('/') + 1);
  const int folder_fd = ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_CLOEXEC);
  const bool synced = fd >= 0 && ::fsync(fd) == 0 && folder_fd >= 0 && ::fsync(folder_fd) == 0;
  const int number = errno;
  if (fd >= 0) ::close(fd);
  if (folder_fd >= 0) ::close(folder_fd);
  if (synced) return ok();
  return fail(backup_error(ErrorCode::kStateFolder, path, std::strerror(number),
                           "look at the system's log, and at the free space"));
}

enum class Pass : uint8_t { kDone, kTooManyRestarts };

class Copier {
 public:
  Copier(Connection& source, const BackupOptions& options) : source_(source), options_(options) {}

  Result<BackupCopy> run() {
    CROSSFADE_TRY(const auto mode, source_.query_text("PRAGMA journal_mode"));
    wal_ = mode == "wal";
    CROSSFADE_TRY(copy_.page_size, source_.query_int("PRAGMA page_size"));
    CROSSFADE_TRY(const Pass pass, copy_once(wal_));
    if (pass == Pass::kTooManyRestarts) {
      const milliseconds whole = time_of_a_whole();
      if (whole > limits::kChunkReadMax) return fail(too_fast(whole));
      CROSSFADE_TRY(copy_once(true));
    }
    return copy_;
  }

 private:
  // `held`: one read transaction for all of it.
  Result<Pass> copy_once(bool held) {
    CROSSFADE_TRY(auto target, open_target());
    if (held) {
      CROSSFADE_TRY(source_.exec("BEGIN"));
      CROSSFADE_TRY(source_.query_int("SELECT count(*) FROM sqlite_master"));
      wal_before_ = size_of(source_.path() + "-wal");
    }
    BackupPtr backup(sqlite3_backup_init(target.handle(), "main", source_.handle(), "main"));
    if (!backup) {
      return fail(
          make_error(sqlite3_errcode(target.handle()), target.handle(), "backup", options_.to));
    }
    return step_to_the_end(backup, target, held);
  }

  Result<Connection> open_target() const {
    // Not another one: its name is taken by its being there. Anew, it is emptied.
    const int fd =
        ::open(options_.to.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
      return fail(backup_error(ErrorCode::kStateFolder, options_.to, std::strerror(errno),
                               "check that this folder may be written to"));
    }
    ::close(fd);
    CROSSFADE_TRY(auto target,
                  Connection::open({options_.to, Access::kCreate, limits::kSourceBusyTimeout}));
    // Nobody reads it before it is whole and synced.
    CROSSFADE_TRY(target.exec("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF"));
    return target;
  }

  Result<Pass> step_to_the_end(const BackupPtr& backup, Connection& target, bool held) {
    const auto began = Deadline::Clock::now();
    Deadline patience = Deadline::after(limits::kSourceBusyTimeout);
    int64_t done = 0;
    while (true) {
      const int rc = sqlite3_backup_step(backup.get(), limits::kBackupStepPages);
      const int64_t pages = sqlite3_backup_pagecount(backup.get());
      const int64_t now_done = pages - sqlite3_backup_remaining(backup.get());
      // A step that copied and did not come further began anew.
      const bool again = rc == SQLITE_OK && now_done <= done;
      copy_.restarts += again ? 1 : 0;
      if (now_done != done) patience = Deadline::after(limits::kSourceBusyTimeout);
      copied_ += again ? now_done : now_done - done;
      done = now_done;
      spent_ += std::chrono::duration_cast<milliseconds>(Deadline::Clock::now() - began) - spent_;
      copy_.pages = pages;
      if (rc == SQLITE_DONE) return Pass::kDone;
      const bool busy = (rc & 0xff) == SQLITE_BUSY || (rc & 0xff) == SQLITE_LOCKED;
      if (rc != SQLITE_OK && (!busy || patience.expired())) {
        return fail(make_error(rc, target.handle(), "backup", source_.path()));
      }
      if (copy_.restarts > limits::kBackupRestartsMax && !held) return Pass::kTooManyRestarts;
      CROSSFADE_TRY(check(held));
      options_.on_step({done, pages});
      if (!held || busy) std::this_thread::sleep_for(limits::kBackupStepRest);
    }
  }

  Status check(bool held) const {
    if (options_.stop != nullptr && options_.stop->requested()) {
      return fail(backup_error(ErrorCode::kInterrupted, source_.path(), "stopped on request",
                               "run the same command again"));
    }
    if (!held || !wal_) return ok();
    const int64_t grown = size_of(source_.path() + "-wal") - wal_before_;
    const int64_t bound = std::max(limits::kBackupWalGrowthMin, size_of(source_.path()));
    if (grown <= bound) return ok();
    return fail(outrun_error(
        source_.path(),
        fmt::format("the application wrote {} MiB meanwhile, which SQLite keeps in its -wal file "
                    "for as long as a backup reads",
                    grown >> 20U),
        "try again when less is written, or make one by another way"));
  }

  // As fast as it went until now, rests and all.
  [[nodiscard]] milliseconds time_of_a_whole() const {
    return copied_ <= 0 ? milliseconds::max() : spent_ * copy_.pages / copied_;
  }

  [[nodiscard]] Error too_fast(milliseconds whole) const {
    return outrun_error(
        source_.path(),
        fmt::format("the application writes so often that a backup of this file had to begin anew "
                    "{} times; holding it up for all of one would take {} ms",
                    copy_.restarts, whole.count()),
        "`PRAGMA journal_mode=WAL` on the file lets a backup and writers go side by side; or try "
        "again when less is written; or make one by another way");
  }

  Connection& source_;
  const BackupOptions& options_;
  BackupCopy copy_;
  bool wal_ = false;
  int64_t wal_before_ = 0;
  int64_t copied_ = 0;  // pages, those of passes that began anew too
  milliseconds spent_{0};
};

}  // namespace

Result<BackupCopy> back_up(Connection& source, const BackupOptions& options) {
  auto copied = Copier(source, options).run();
  if (source.in_transaction()) (void)source.exec("ROLLBACK");
  if (copied) {
    if (auto synced = sync_file(options.to); !synced) copied = fail(std::move(synced).error());
  }
  if (!copied) ::unlink(options.to.c_str());
  return copied;
}

}  // namespace crossfade::sqlite
