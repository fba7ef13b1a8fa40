// Reads the tables that are to be copied, one after another, on a thread and a connection of its
// own and ahead of whoever writes them, by at most limits::kQueueBytesMax.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "apply/snapshot_reader.h"
#include "engine/core/deadline.h"
#include "engine/core/error.h"
#include "engine/core/result.h"
#include "engine/core/strong.h"
#include "engine/flow/byte_queue.h"
#include "engine/run/move.h"
#include "engine/sqlite/connection.h"

namespace crossfade::run {

struct ReadChunk {
  size_t table = 0;  // into Move::tables
  apply::CopyChunk chunk;
  Lsn watermark;  // the newest position when it was read
};
struct SourceMoved {    // the schema changed
  std::string rebuild;  // or this table alone needs another identity
};
using CopyItem = std::variant<ReadChunk, SourceMoved, Error>;

// One short read transaction: the watermark, the schema's version and the rows belong together.
// Nothing when the schema is not of `schema_version`.
Result<std::optional<ReadChunk>> read_consistently(
    sqlite::Connection& connection, size_t table, int64_t schema_version,
    const std::function<Result<apply::CopyChunk>()>& read);

class CopyReader {
 public:
  CopyReader(const Move& move, sqlite::Connection connection);
  ~CopyReader();  // waits for the chunk under way
  CopyReader(const CopyReader&) = delete;
  CopyReader& operator=(const CopyReader&) = delete;

  std::optional<CopyItem> pop(Deadline deadline) { return queue_.pop(deadline); }

 private:
  void run();

  const std::vector<TargetTable> tables_;
  const int64_t schema_version_;
  sqlite::Connection connection_;
  flow::ByteQueue<CopyItem> queue_;
  std::thread thread_;
};

}  // namespace crossfade::run
