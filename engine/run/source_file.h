// The source database as the engine holds it: opened for writing, in WAL mode if it may be, and
// watched for being swapped underneath.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>

#include "engine/core/result.h"
#include "engine/sqlite/connection.h"

namespace crossfade::run {

class SourceFile {
 public:
  // Checks that the file can be written, and what it is: exclusive locking and network file systems
  // are named here. Changes nothing.
  // So are damaged pages of a small one, while no move of it has begun (damage.h).
  static Result<SourceFile> open(const std::string& path);

  // A further connection for another thread.
  [[nodiscard]] Result<sqlite::Connection> connect(std::chrono::milliseconds busy_timeout) const;

  // Switches a rollback-journal database to WAL, if nothing prevents it; when something does, says
  // so in the log, and the engine works with short read transactions.
  Status prefer_wal();

  // kSourceReplaced when the path no longer names the file that was opened.
  [[nodiscard]] Status check_same_file() const;

  sqlite::Connection& connection() { return connection_; }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  SourceFile(sqlite::Connection connection, std::string path, dev_t device, ino_t inode)
      : connection_(std::move(connection)),
        path_(std::move(path)),
        device_(device),
        inode_(inode) {}

  sqlite::Connection connection_;
  std::string path_;
  dev_t device_;
  ino_t inode_;
};

}  // namespace crossfade::run
