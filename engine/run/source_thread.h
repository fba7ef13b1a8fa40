// The thread that reads the source while the move follows it: changes, and rows to verify, each at
// an exact position, handed over in order through one queue.
//
// One snapshot after another: first the changes up to its watermark, then, in the same snapshot,
// whatever was asked to be read at that position. A snapshot pins the WAL, and without a WAL it is
// in the way of each commit of the application's: so none stays open while the queue is full, which
// may last as long as an index is built; a later one goes on where it ended. But for one that rows
// are to be put back from (ChangeBatch::settled). What is too much for one part is prepared for the
// target here, while the target is at work. It also prunes the log behind what is applied. It
// ends by itself when the schema changes, with a SchemaChanged item: under another schema the log
// must not be interpreted.
// Threads: start/stop/request/pop from the engine's thread. Owns its thread and its connection.
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <variant>
#include <vector>

#include "apply/prepared_batch.h"
#include "capture/log_reader.h"
#include "capture/wakeup.h"
#include "engine/core/change.h"
#include "engine/flow/byte_queue.h"
#include "engine/run/source_file.h"
#include "engine/run/status.h"
#include "verify/chunk.h"

namespace crossfade::run {

struct ChangesItem {
  ChangeBatch batch;
  std::optional<apply::PreparedBatch> prepared;  // never of a batch that others can be added to
};
struct ChunkItem {
  verify::SourceChunk chunk;
  Lsn at;
  int64_t round = 0;     // RoundRequest::number
  int64_t left_out = 0;  // rows that were taken out since (verify::leave_out)
};
struct KeysItem {
  verify::SourceKeys keys;
  Lsn at;
};
struct SchemaChanged {
  std::string rebuild;  // a table that needs another identity, or empty
};
struct SourceFailed {
  Error error;
};
using SourceItem = std::variant<ChangesItem, ChunkItem, KeysItem, SchemaChanged, SourceFailed>;

// Verify these tables from their first row to their last, and none of an earlier request's.
struct RoundRequest {
  std::vector<std::shared_ptr<const Table>> tables;
  int64_t number = 0;
  verify::DigestKind digest = verify::DigestKind::kXxh3;
};
struct KeysRequest {
  std::shared_ptr<const Table> table;
  std::vector<Row> keys;
};

struct SourceThreadOptions {
  capture::Shapes shapes;
  int64_t schema_version = 0;
  Lsn from;  // changes above it are read
  capture::OldRows old_rows = capture::OldRows::kWhole;
  bool utf8 = true;
  int64_t keep_log = 0;  // positions below what is applied that are not pruned
  // Of the server for which large batches are prepared; nothing: they are not.
  std::optional<int> server_version;
};

class SourceThread {
 public:
  static Result<std::unique_ptr<SourceThread>> start(const SourceFile& source, StatusBoard& board,
                                                     SourceThreadOptions options);
  ~SourceThread();  // stops
  SourceThread(const SourceThread&) = delete;
  SourceThread& operator=(const SourceThread&) = delete;

  // What batches are prepared with from some later one on.
  void set_exact(apply::ExactTables exact);
  void request(RoundRequest request);
  void request(KeysRequest request);
  // Nothing until the deadline: the source is quiet. What the thread ended with comes again and
  // again: whoever takes it first may be a cutover, which only steps back for it.
  std::optional<SourceItem> pop(Deadline deadline);
  // What is durable on the target: the log may be pruned below it.
  void set_applied(Lsn applied) { applied_.store(applied.value); }
  // Looks at the source at once, without waiting for the poll.
  void nudge() { wakeup_.nudge(); }
  void stop();

 private:
  struct RoundState {
    RoundRequest request;
    size_t index = 0;
    Row after;
  };

  SourceThread(const SourceFile& source, StatusBoard& board, sqlite::Connection connection,
               SourceThreadOptions options);
  void run();
  // False: the loop is to end.
  Result<bool> one_snapshot();
  Result<bool> push_changes(capture::Watermark watermark);
  [[nodiscard]] std::optional<apply::PreparedBatch> prepare(const ChangeBatch& batch);
  Result<bool> push_requested();
  Result<bool> push_round_chunks();
  Status housekeeping();
  bool push(SourceItem item, size_t bytes);
  // Waits for room without the snapshot.
  bool hand_over(SourceItem item, size_t bytes);
  void end_snapshot();

  // Constant after construction.
  const SourceFile& source_;
  StatusBoard& board_;
  const SourceThreadOptions options_;
  // Of whoever takes the items.
  std::optional<SourceItem> last_;
  // The thread's own.
  sqlite::Connection connection_;
  capture::LogReader reader_;
  Lsn position_;
  std::optional<RoundState> round_;
  Deadline::Clock::time_point next_prune_{};
  Deadline::Clock::time_point next_check_{};
  bool quiet_ = false;  // the last snapshot brought nothing
  bool snapshot_open_ = false;
  // Shared.
  capture::Wakeup wakeup_;
  flow::ByteQueue<SourceItem> queue_;
  std::atomic<bool> stopping_{false};
  std::atomic<int64_t> applied_{0};
  std::mutex mutex_;
  std::deque<std::variant<RoundRequest, KeysRequest>> requests_;  // guarded by mutex_
  apply::ExactTables exact_;                                      // guarded by mutex_
  std::thread thread_;
};

}  // namespace crossfade::run
