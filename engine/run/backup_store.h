// The backups of a move, in `backups/` of the state folder: each a file and, once the file is whole
// and verified, a manifest beside it, NAME.json, without which a file is no backup
// (docs/backup.md).
//
// Threads and processes: any; names are taken by making a file that was not there.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "engine/core/error.h"
#include "engine/core/result.h"
#include "engine/run/state_folder.h"

namespace crossfade::run {

enum class BackupSide : uint8_t { kSqlite, kPostgres };
[[nodiscard]] const char* to_string(BackupSide side);

// Why one was made: `run` made it before it changed anything, or a person asked for it.
inline constexpr const char* kBackupBeforeRun = "before_run";
inline constexpr const char* kBackupByHand = "by_hand";

struct BackupManifest {
  std::string name;
  BackupSide side = BackupSide::kSqlite;
  std::string reason;
  std::string of;         // the file's path, or the target without password
  std::string made_at;    // UTC, when it began: the backup is of a moment after that
  std::string move;       // the move's mark; empty: none had begun
  std::string file;       // in the folder
  int64_t bytes = 0;      // of the file
  std::string sha256;     // of the file
  int64_t page_size = 0;  // SQLite
  int64_t pages = 0;
  int server_version = 0;  // PostgreSQL
};
[[nodiscard]] nlohmann::json to_json(const BackupManifest& manifest);

class BackupStore {
 public:
  explicit BackupStore(const StateFolder& state) : folder_(state.backups()) {}

  [[nodiscard]] const std::string& folder() const { return folder_; }
  [[nodiscard]] std::string path_of(const BackupManifest& m) const {
    return folder_ + "/" + m.file;
  }

  // Makes the folder, with mode 0700; removes what backups that were killed left a day ago, but for
  // those that were whole by then: they are backups.
  Status prepare() const;
  // kBlocked when the disk has less than `bytes` and limits::kBackupRoomToSpare.
  Status check_room(int64_t bytes) const;
  [[nodiscard]] int64_t free_bytes() const;
  // A new name, which is nobody else's from now on: the file is there, empty, under its partial
  // path, where it is written until it is whole.
  Result<BackupManifest> begin(BackupSide side, const std::string& reason) const;
  [[nodiscard]] std::string partial_path(const BackupManifest& m) const;
  // Reads the partial file for its size and digest, gives it its name, and writes the manifest.
  Status complete(BackupManifest* manifest) const;
  Status write_manifest(const BackupManifest& manifest) const;

  // Oldest first. A manifest that is not one is left out, with a warning in the log.
  Result<std::vector<BackupManifest>> list() const;
  Result<BackupManifest> find(const std::string& name) const;
  // The file has the size and digest of its manifest; else an error of kDifferent.
  Status check_digest(const BackupManifest& manifest) const;
  void remove(const BackupManifest& manifest) const;

 private:
  // A manifest that was written and did not get its name: false where its file had not, either.
  [[nodiscard]] bool take_up(const std::string& staged) const;
  Status stage(const BackupManifest& manifest) const;
  Status publish(const BackupManifest& manifest) const;

  const std::string folder_;
};

// What was renamed or made in it is there after a loss of power too. Empty: the current folder.
Status sync_folder(const std::string& folder);

[[nodiscard]] Error backup_failed(ErrorCode code, const std::string& object, std::string native,
                                  std::string hint);

}  // namespace crossfade::run
