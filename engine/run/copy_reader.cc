#include "engine/run/copy_reader.h"

#include <utility>

#include "capture/change_log.h"
#include "engine/core/limits.h"
#include "engine/sqlite/transaction.h"

namespace crossfade::run {

Result<std::optional<ReadChunk>> read_consistently(
    sqlite::Connection& connection, size_t table, int64_t schema_version,
    const std::function<Result<apply::CopyChunk>()>& read) {
  CROSSFADE_TRY(auto snapshot, sqlite::Transaction::begin(connection, sqlite::Begin::kDeferred));
  ReadChunk out;
  out.table = table;
  CROSSFADE_TRY(out.watermark, capture::newest_lsn(connection));
  CROSSFADE_TRY(const int64_t version, connection.query_int("PRAGMA schema_version"));
  if (version != schema_version) return std::optional<ReadChunk>();
  CROSSFADE_TRY(out.chunk, read());
  return std::optional<ReadChunk>(std::move(out));
}

CopyReader::CopyReader(const Move& move, sqlite::Connection connection)
    : tables_(move.tables),
      schema_version_(move.schema_version),
      connection_(std::move(connection)),
      queue_(limits::kQueueBytesMax),
      thread_([this] { run(); }) {}

CopyReader::~CopyReader() {
  queue_.close();
  thread_.join();
}

void CopyReader::run() {
  for (size_t i = 0; i < tables_.size(); ++i) {
    if (tables_[i].state != TableState::kCopying) continue;
    apply::CopyPosition position = tables_[i].position;
    bool last = false;
    while (!last) {
      queue_.wait_for_room();
      auto chunk = read_consistently(connection_, i, schema_version_, [&] {
        return apply::read_copy_chunk(connection_, *tables_[i].table, position,
                                      limits::kChunkRowsMax,
                                      Deadline::after(limits::kChunkReadMax));
      });
      if (!chunk) {
        if (chunk.error().remedy == Remedy::kRetry && !queue_.closed()) {
          std::this_thread::yield();
          continue;
        }
        queue_.push(std::move(chunk).error(), 0);
        return;
      }
      if (!chunk.value()) {
        queue_.push(SourceMoved{}, 0);
        return;
      }
      const apply::CopyChunk& read = chunk.value()->chunk;
      if (read.null_key) {
        queue_.push(SourceMoved{tables_[i].table->name}, 0);
        return;
      }
      position = read.position;
      last = read.last;
      const size_t bytes = read.bytes();
      if (!queue_.push(std::move(*chunk.value()), bytes)) return;
    }
  }
}

}  // namespace crossfade::run
