#include "engine/run/copy_phase.h"

#include <fmt/format.h>

#include <atomic>
#include <optional>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "apply/snapshot_reader.h"
#include "apply/snapshot_writer.h"
#include "capture/change_log.h"
#include "engine/core/limits.h"
#include "engine/flow/byte_queue.h"
#include "engine/observe/fault.h"
#include "engine/observe/log.h"
#include "engine/sqlite/transaction.h"

namespace crossfade::run {
namespace {

struct Chunk {
  size_t table = 0;  // into Move::tables
  apply::CopyChunk chunk;
  Lsn watermark;
};
struct Moved {          // the schema changed
  std::string rebuild;  // or this table alone needs another identity
};
using CopyItem = std::variant<Chunk, Moved, Error>;

// Reads the tables that are to be copied, one after another. Its own thread and connection.
class CopyReader {
 public:
  CopyReader(const Move& move, sqlite::Connection connection)
      : tables_(move.tables),
        schema_version_(move.schema_version),
        connection_(std::move(connection)),
        queue_(limits::kQueueBytesMax),
        thread_([this] { run(); }) {}
  ~CopyReader() {
    queue_.close();
    thread_.join();
  }
  CopyReader(const CopyReader&) = delete;
  CopyReader& operator=(const CopyReader&) = delete;

  std::optional<CopyItem> pop(Deadline deadline) { return queue_.pop(deadline); }

 private:
  void run() {
    for (size_t i = 0; i < tables_.size(); ++i) {
      if (tables_[i].state != TableState::kCopying) continue;
      apply::CopyPosition position = tables_[i].position;
      bool last = false;
      while (!last) {
        auto chunk = read(i, position);
        if (!chunk) {
          if (chunk.error().remedy == Remedy::kRetry && !queue_.closed()) {
            std::this_thread::yield();
            continue;
          }
          queue_.push(std::move(chunk).error(), 0);
          return;
        }
        if (!chunk.value()) {
          queue_.push(Moved{}, 0);
          return;
        }
        if (chunk.value()->chunk.null_key) {
          queue_.push(Moved{tables_[i].table->name}, 0);
          return;
        }
        position = chunk.value()->chunk.position;
        last = chunk.value()->chunk.last;
        const size_t bytes = chunk.value()->chunk.rows.bytes.size();
        if (!queue_.push(std::move(*chunk.value()), bytes)) return;
      }
    }
  }

  // One short read transaction: the watermark, the schema's version and the rows belong together.
  Result<std::optional<Chunk>> read(size_t table, const apply::CopyPosition& position) {
    CROSSFADE_TRY(auto snapshot, sqlite::Transaction::begin(connection_, sqlite::Begin::kDeferred));
    Chunk out;
    out.table = table;
    CROSSFADE_TRY(out.watermark, capture::newest_lsn(connection_));
    CROSSFADE_TRY(const int64_t version, connection_.query_int("PRAGMA schema_version"));
    if (version != schema_version_) return std::optional<Chunk>();
    CROSSFADE_TRY(out.chunk, apply::read_copy_chunk(connection_, *tables_[table].table, position,
                                                    limits::kChunkRowsMax,
                                                    Deadline::after(limits::kChunkReadMax)));
    return std::optional<Chunk>(std::move(out));
  }

  const std::vector<TargetTable> tables_;
  const int64_t schema_version_;
  sqlite::Connection connection_;
  flow::ByteQueue<CopyItem> queue_;
  std::thread thread_;
};

// Rows per second and the time left, from when this copy began.
class CopyClock {
 public:
  void add(int64_t rows) { rows_ += rows; }
  void show(StatusReport& report) const {
    const auto elapsed = std::chrono::duration<double>(Deadline::Clock::now() - began_).count();
    if (elapsed <= 0 || rows_ == 0) return;
    const double rate = static_cast<double>(rows_) / elapsed;
    report.rows_per_s = static_cast<int64_t>(rate);
    report.eta_s = static_cast<int64_t>(
        static_cast<double>(std::max<int64_t>(0, report.rows_total - report.rows_copied)) / rate);
  }

 private:
  Deadline::Clock::time_point began_ = Deadline::Clock::now();
  int64_t rows_ = 0;
};

void show_tables(Move& move) {
  move.board.update([&](StatusReport& r) {
    r.tables.clear();
    r.rows_copied = 0;
    r.rows_total = 0;
    for (const TargetTable& t : move.tables) {
      r.tables.push_back({t.table->name, t.rows_copied, std::max(t.rows_total, t.rows_copied)});
      r.rows_copied += t.rows_copied;
      r.rows_total += std::max(t.rows_total, t.rows_copied);
    }
  });
}

Status write_chunk(Move& move, const Chunk& chunk, CopyClock* clock) {
  TargetTable& entry = move.tables[chunk.table];
  CROSSFADE_TRY(apply::write_copy_chunk(move.target.connection(), move.options.target_schema,
                                        move.token, *entry.table, chunk.chunk, chunk.watermark));
  const auto rows = static_cast<int64_t>(chunk.chunk.rows.count() + chunk.chunk.misfits.size());
  entry.rows_copied += rows;
  entry.position = chunk.chunk.position;
  entry.consistent_lsn = std::max(entry.consistent_lsn, chunk.watermark);
  if (chunk.chunk.last) entry.state = TableState::kCopied;
  clock->add(rows);
  show_tables(move);
  move.board.update([&](StatusReport& r) { clock->show(r); });
  return ok();
}

Status add_keys(Move& move) {
  postgres::Connection& target = move.target.connection();
  for (TargetTable& entry : move.tables) {
    if (entry.state != TableState::kCopied) continue;
    CROSSFADE_TRY(target.exec("BEGIN"));
    CROSSFADE_TRY(apply::add_primary_key(target, move.options.target_schema, *entry.table));
    CROSSFADE_TRY(move.target.set_state(entry.table->name, TableState::kCatchingUp));
    fault_point("copy.key.before_commit");
    CROSSFADE_TRY(target.commit());
    entry.state = TableState::kCatchingUp;
  }
  return ok();
}

}  // namespace

Result<CopyEnd> copy_tables(Move& move) {
  show_tables(move);
  bool any = false;
  for (const TargetTable& t : move.tables) any = any || t.state == TableState::kCopying;
  if (any) {
    move.set_phase("copying");
    CROSSFADE_TRY(move.target.set_phase("copying"));
    CROSSFADE_TRY(auto connection, move.source.connect(limits::kSourceBusyTimeout));
    CopyReader reader(move, std::move(connection));
    CopyClock clock;
    size_t left = 0;
    for (const TargetTable& t : move.tables) left += t.state == TableState::kCopying ? 1 : 0;
    while (left > 0) {
      if (move.stop.requested()) return CopyEnd::kStopped;
      auto item = reader.pop(Deadline::after(limits::kPollInterval));
      if (!item) continue;
      if (const auto* moved = std::get_if<Moved>(&*item)) {
        if (!moved->rebuild.empty()) move.to_rebuild.insert(moved->rebuild);
        return CopyEnd::kSchemaChanged;
      }
      if (auto* error = std::get_if<Error>(&*item)) return fail(std::move(*error));
      const auto& chunk = std::get<Chunk>(*item);
      CROSSFADE_TRY(write_chunk(move, chunk, &clock));
      if (chunk.chunk.last) --left;
    }
    move.board.update([](StatusReport& r) { r.eta_s = -1; });
  }
  // Index builds may take long; only their own end or a stop request ends them.
  CROSSFADE_TRY(add_keys(move));
  return CopyEnd::kDone;
}

}  // namespace crossfade::run
