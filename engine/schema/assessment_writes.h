// How often an application commits while somebody looks: two looks at the counters that SQLite
// itself keeps, some time apart. Reads no rows, takes no lock and opens no file.
#pragma once

#include <cstdint>
#include <optional>

#include "engine/core/deadline.h"
#include "engine/core/result.h"
#include "engine/schema/assessment.h"

namespace crossfade::sqlite {
class Connection;
}

namespace crossfade::schema {

// The head of the WAL index, in shared memory (walformat.html, 2.1).
struct WalIndex {
  uint32_t commits = 0;  // since the index was made; wraps
  int64_t frames = 0;
  int64_t frames_written_back = 0;
};

// Nothing when the database is not in WAL mode, or the index is not mapped.
[[nodiscard]] std::optional<WalIndex> read_wal_index(sqlite::Connection& connection);

class WriteWatch {
 public:
  // The first look. Borrows the connection.
  static Result<WriteWatch> begin(sqlite::Connection& connection);

  // The second, no earlier than limits::kWriteWatchMin after the first: what lies between need not
  // be a wait.
  Result<WriteRate> end();

 private:
  struct Look {
    std::optional<uint32_t> wal_commits;
    std::optional<uint32_t> file_changes;  // the header's change counter; of rollback journals
    int64_t data_version = 0;
    Deadline::Clock::time_point at;
  };
  WriteWatch(sqlite::Connection& connection, Look first)
      : connection_(&connection), first_(first) {}
  static Result<Look> look(sqlite::Connection& connection);

  sqlite::Connection* connection_;
  Look first_;
};

}  // namespace crossfade::schema
