// Backups of the SQLite side.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <utility>

#include "engine/core/deadline.h"
#include "engine/core/file_bytes.h"
#include "engine/core/limits.h"
#include "engine/observe/log.h"
#include "engine/run/backup.h"
#include "engine/run/damage.h"
#include "engine/sqlite/backup.h"

namespace crossfade::run {
namespace {

std::string mib(int64_t bytes) {
  return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / static_cast<double>(limits::kMiB));
}

// In the log, for what takes longer than a moment.
class CopyProgress {
 public:
  explicit CopyProgress(int64_t page_size) : page_size_(page_size) {}

  void note(const sqlite::BackupProgress& progress) {
    const auto now = Deadline::Clock::now();
    if (now < next_ || progress.pages_done == 0) return;
    next_ = now + limits::kBackupProgressInterval;
    const auto spent = std::chrono::duration<double>(now - began_).count();
    const double rest = spent * static_cast<double>(progress.pages - progress.pages_done) /
                        static_cast<double>(progress.pages_done);
    log::info(fmt::format("backup: {} of {} copied, about {:.0f} s to go",
                          mib(progress.pages_done * page_size_), mib(progress.pages * page_size_),
                          rest));
  }
  [[nodiscard]] double seconds() const {
    return std::chrono::duration<double>(Deadline::Clock::now() - began_).count();
  }

 private:
  const int64_t page_size_;
  const Deadline::Clock::time_point began_ = Deadline::Clock::now();
  Deadline::Clock::time_point next_ = began_ + limits::kBackupProgressInterval;
};

void drop_partial(const std::string& partial) {
  for (const char* end : {"", "-wal", "-shm", "-journal"}) ::unlink((partial + end).c_str());
}

}  // namespace

Status check_source_backup(const std::string& path) {
  CROSSFADE_TRY(auto copy, sqlite::Connection::open(
                               {path, sqlite::Access::kReadWrite, limits::kSourceBusyTimeout}));
  CROSSFADE_TRY(copy.exec("PRAGMA query_only=1"));
  CROSSFADE_TRY(const auto damage, find_damage(copy));
  if (damage.empty()) return ok();
  return fail(backup_failed(ErrorCode::kDifferent, path, "damaged: " + damage,
                            "do not rely on it; take another backup"));
}

Result<BackupManifest> back_up_source(sqlite::Connection& source, const StateFolder& state,
                                      const std::string& reason, const StopSource* stop) {
  const BackupStore store(state);
  CROSSFADE_TRY(store.prepare());
  CROSSFADE_TRY(const int64_t page_size, source.query_int("PRAGMA page_size"));
  CROSSFADE_TRY(const int64_t pages, source.query_int("PRAGMA page_count"));
  CROSSFADE_TRY(store.check_room(page_size * pages));
  CROSSFADE_TRY(auto manifest, store.begin(BackupSide::kSqlite, reason));
  manifest.of = state.database();
  const std::string partial = store.partial_path(manifest);
  log::info(fmt::format("a backup of {} goes to {}; {} are free there", mib(page_size * pages),
                        store.path_of(manifest), mib(store.free_bytes())));
  CopyProgress progress(page_size);
  auto made = [&]() -> Status {
    CROSSFADE_TRY(const auto copied,
                  sqlite::back_up(source, {partial, stop, [&](const sqlite::BackupProgress& p) {
                                             progress.note(p);
                                           }}));
    manifest.page_size = copied.page_size;
    manifest.pages = copied.pages;
    CROSSFADE_TRY(check_source_backup(partial));
    return store.complete(&manifest);
  }();
  if (!made) {
    drop_partial(partial);
    return fail(std::move(made).error());
  }
  log::info(fmt::format("the backup {} is made and verified: {} in {:.1f} s", manifest.name,
                        mib(manifest.bytes), progress.seconds()));
  return manifest;
}

Result<BackupManifest> back_up_before_run(sqlite::Connection& source, const StateFolder& state,
                                          const StopSource* stop) {
  auto made = back_up_source(source, state, kBackupBeforeRun, stop);
  // A copy of its pages, just made: what is wrong with them is wrong with the file.
  if (!made && made.error().code == ErrorCode::kDifferent) {
    return fail(damaged_source(state.database(), made.error().native));
  }
  CROSSFADE_TRY(auto manifest, std::move(made));
  const BackupStore store(state);
  CROSSFADE_TRY(const auto all, store.list());
  for (const BackupManifest& each : all) {
    const bool of_no_move = each.reason == kBackupBeforeRun && each.move.empty();
    if (of_no_move && each.name != manifest.name) store.remove(each);
  }
  return manifest;
}

Status claim_backup(const StateFolder& state, const std::string& move) {
  const BackupStore store(state);
  CROSSFADE_TRY(auto all, store.list());
  for (BackupManifest& each : all) {
    if (each.reason != kBackupBeforeRun || !each.move.empty()) continue;
    each.move = move;
    CROSSFADE_TRY(store.write_manifest(each));
  }
  return ok();
}

namespace {

Error file_is_there(const std::string& path) {
  return backup_failed(ErrorCode::kBlocked, path, "there is a file of this name",
                       "give the name of a new file, or --force to replace it");
}

// With what SQLite keeps beside a database that somebody has open, or that a crash left, the
// restored pages would be mixed.
Status check_replaceable(const StateFolder& state, const std::string& path) {
  for (const std::string end : {"-wal", "-journal", "-shm"}) {
    struct stat st {};
    if (::stat((path + end).c_str(), &st) != 0) continue;
    if (st.st_size == 0 && end != "-shm") continue;  // whoever has it open in WAL mode has that
    return fail(backup_failed(ErrorCode::kBlocked, path,
                              fmt::format("{}{} is there: somebody has the database open, or did "
                                          "not close it",
                                          path, end),
                              "stop what uses it, open and close it once with `sqlite3`, and try "
                              "again; nothing was changed"));
  }
  std::error_code none;
  const bool own = std::filesystem::equivalent(path, state.database(), none);
  if (!own || !state.locked_by_another()) return ok();
  return fail(backup_failed(ErrorCode::kBlocked, path, "an engine works on this database",
                            "stop it, and `crossfade finish`, before the file is replaced"));
}

Status copy_file(const std::string& from, const std::string& to, const StopSource* stop) {
  ::unlink(to.c_str());
  const int in = ::open(from.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  const int out = ::open(to.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  bool good = in >= 0 && out >= 0;
  bool stopped = false;
  std::vector<char> buffer(limits::kMiB);
  while (good && !stopped) {
    stopped = stop != nullptr && stop->requested();
    const ssize_t size = ::read(in, buffer.data(), buffer.size());
    if (size == 0) break;
    good = size > 0 && write_whole(out, {buffer.data(), static_cast<size_t>(size)});
  }
  good = good && ::fsync(out) == 0;
  const int number = errno;
  if (in >= 0) ::close(in);
  if (out >= 0) ::close(out);
  if (good && !stopped) return ok();
  ::unlink(to.c_str());
  if (stopped) {
    return fail(backup_failed(ErrorCode::kInterrupted, to, "stopped on request",
                              "run the same command again"));
  }
  return fail(backup_failed(ErrorCode::kStateFolder, to, std::strerror(number),
                            "check the path, the free space, and the right to write there"));
}

// Without `force` never over a file that came meanwhile.
Status put_in_place(const std::string& fresh, const std::string& path, bool force) {
  const unsigned int flags = force ? 0U : RENAME_NOREPLACE;
  bool placed = ::renameat2(AT_FDCWD, fresh.c_str(), AT_FDCWD, path.c_str(), flags) == 0;
  if (!placed && errno == EINVAL && !force) {  // a file system that has no such rename
    placed = ::link(fresh.c_str(), path.c_str()) == 0 && ::unlink(fresh.c_str()) == 0;
  }
  if (placed) return sync_folder(std::filesystem::path(path).parent_path().string());
  if (errno == EEXIST) return fail(file_is_there(path));
  return fail(backup_failed(ErrorCode::kStateFolder, path, std::strerror(errno),
                            "check the path, and the right to write there"));
}

}  // namespace

Status restore_source(const StateFolder& state, const BackupManifest& manifest,
                      const std::string& path, bool force, const StopSource* stop) {
  const BackupStore store(state);
  const bool there = ::access(path.c_str(), F_OK) == 0;
  if (there && !force) return fail(file_is_there(path));
  if (there || force) {
    CROSSFADE_TRY(check_replaceable(state, path));
  }
  CROSSFADE_TRY(store.check_digest(manifest));
  const std::string fresh = path + ".restoring";
  CROSSFADE_TRY(copy_file(store.path_of(manifest), fresh, stop));
  auto placed = [&]() -> Status {
    CROSSFADE_TRY(check_source_backup(fresh));
    return put_in_place(fresh, path, force);
  }();
  if (!placed) drop_partial(fresh);
  return placed;
}

}  // namespace crossfade::run
