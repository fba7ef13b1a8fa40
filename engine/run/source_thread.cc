#include "engine/run/source_thread.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "capture/change_log.h"
#include "engine/core/limits.h"
#include "engine/observe/fault.h"
#include "engine/observe/log.h"
#include "engine/sqlite/sqlite_error_map.h"

namespace crossfade::run {
namespace {

constexpr std::chrono::seconds kSameFileInterval{1};
constexpr std::chrono::seconds kFullDiskInterval{5};

size_t bytes_of(const verify::SourceChunk& chunk) {
  size_t total = sizeof(chunk);
  for (const verify::RowDigest& row : chunk.rows) total += sizeof(row) + row.key.size();
  return total;
}

Error log_went_back(const std::string& path, Lsn position, Lsn newest) {
  Error error;
  error.code = ErrorCode::kSourceReplaced;
  error.op = "source.watch";
  error.object = path;
  error.native = fmt::format("the change log ends at {}, but {} was read from it before",
                             newest.value, position.value);
  error.hint =
      "the source was restored from a backup or replaced. Put the original file back, or "
      "`crossfade finish` and start the move anew";
  return error;
}

}  // namespace

Result<std::unique_ptr<SourceThread>> SourceThread::start(const SourceFile& source,
                                                          StatusBoard& board,
                                                          SourceThreadOptions options) {
  CROSSFADE_TRY(auto connection, source.connect(limits::kPruneBusyTimeout));
  std::unique_ptr<SourceThread> made(
      new SourceThread(source, board, std::move(connection), std::move(options)));
  made->thread_ = std::thread([raw = made.get()] { raw->run(); });
  return made;
}

SourceThread::SourceThread(const SourceFile& source, StatusBoard& board,
                           sqlite::Connection connection, SourceThreadOptions options)
    : source_(source),
      board_(board),
      options_(std::move(options)),
      connection_(std::move(connection)),
      reader_(connection_, options_.shapes, options_.old_rows),
      position_(options_.from),
      wakeup_(source.path()),
      queue_(limits::kQueueBytesMax),
      applied_(options_.from.value) {}

SourceThread::~SourceThread() {
  stop();
}

void SourceThread::stop() {
  stopping_.store(true);
  queue_.close();
  wakeup_.nudge();
  if (thread_.joinable()) thread_.join();
}

void SourceThread::set_exact(apply::ExactTables exact) {
  const std::lock_guard lock(mutex_);
  exact_ = std::move(exact);
}

void SourceThread::request(RoundRequest request) {
  {
    const std::lock_guard lock(mutex_);
    requests_.emplace_back(std::move(request));
  }
  wakeup_.nudge();
}

void SourceThread::request(KeysRequest request) {
  {
    const std::lock_guard lock(mutex_);
    requests_.emplace_back(std::move(request));
  }
  wakeup_.nudge();
}

std::optional<SourceItem> SourceThread::pop(Deadline deadline) {
  if (last_) return last_;
  auto item = queue_.pop(deadline);
  if (item && (std::holds_alternative<SchemaChanged>(*item) ||
               std::holds_alternative<SourceFailed>(*item))) {
    last_ = item;
  }
  return item;
}

bool SourceThread::push(SourceItem item, size_t bytes) {
  return queue_.push(std::move(item), bytes + 256);
}

bool SourceThread::hand_over(SourceItem item, size_t bytes) {
  if (!queue_.would_take(bytes + 256)) end_snapshot();
  const bool taken = push(std::move(item), bytes);
  if (queue_.is_over()) end_snapshot();
  return taken;
}

void SourceThread::end_snapshot() {
  reader_.end_snapshot();
  snapshot_open_ = false;
}

void SourceThread::run() {
  while (!stopping_.load()) {
    queue_.wait_for_room();
    auto going_on = one_snapshot();
    end_snapshot();
    if (going_on && going_on.value()) {
      if (auto kept = housekeeping(); !kept) {
        push(SourceFailed{std::move(kept).error()}, 0);
        return;
      }
      if (quiet_) wakeup_.wait(limits::kPollInterval);
      continue;
    }
    if (!going_on) {
      // A rollback-journal writer may hold the file for a moment; that is no failure.
      if (going_on.error().remedy == Remedy::kRetry) {
        wakeup_.wait(limits::kPollInterval);
        continue;
      }
      push(SourceFailed{std::move(going_on).error()}, 0);
    }
    return;
  }
}

Result<bool> SourceThread::one_snapshot() {
  CROSSFADE_TRY(const auto watermark, reader_.begin_snapshot());
  snapshot_open_ = true;
  if (watermark.schema_version != options_.schema_version) {
    push(SchemaChanged{}, 0);
    return false;
  }
  if (watermark.newest < position_) {
    return fail(log_went_back(source_.path(), position_, watermark.newest));
  }
  quiet_ = true;
  board_.update([&](StatusReport& r) { r.captured_lsn = watermark.newest; });
  if (watermark.newest > position_) {
    quiet_ = false;
    CROSSFADE_TRY(const bool pushed, push_changes(watermark));
    if (!pushed) return false;
  }
  return snapshot_open_ ? push_requested() : true;
}

Result<bool> SourceThread::push_changes(capture::Watermark watermark) {
  const int64_t seen_us = Deadline::now_us();
  const Deadline deadline = Deadline::after(limits::kChunkReadMax);
  while (snapshot_open_ && position_ < watermark.newest) {
    queue_.wait_for_room();
    CROSSFADE_TRY(auto batch, reader_.read(position_, limits::kBatchBytesMax));
    if (reader_.null_key_table()) {
      // The table needs another identity: it is planned anew, as after a schema change.
      push(SchemaChanged{*reader_.null_key_table()}, 0);
      return false;
    }
    position_ = batch.through;
    batch.oldest_captured_us = seen_us;
    fault_point("tail.batch");
    auto prepared = prepare(batch);
    const size_t bytes = batch.bytes + (prepared ? prepared->size_bytes() : 0);
    // What is put back later is read in this snapshot: it has to be kept, whoever waits for it.
    const bool may_end = batch.settled;
    ChangesItem item{std::move(batch), std::move(prepared)};
    if (!(may_end ? hand_over(std::move(item), bytes) : push(std::move(item), bytes))) return false;
    if (may_end && deadline.expired()) end_snapshot();
  }
  return true;
}

// Small batches go another way, and may still grow (Follower::merge_waiting).
std::optional<apply::PreparedBatch> SourceThread::prepare(const ChangeBatch& batch) {
  if (!options_.server_version) return std::nullopt;
  if (batch.closes_watermark && batch.bytes < limits::kBatchBytesMax) return std::nullopt;
  apply::ExactTables exact;
  {
    const std::lock_guard lock(mutex_);
    exact = exact_;
  }
  return apply::prepare(apply::net_changes(batch, exact), *options_.server_version);
}

Result<bool> SourceThread::push_requested() {
  while (snapshot_open_) {
    std::optional<std::variant<RoundRequest, KeysRequest>> request;
    {
      const std::lock_guard lock(mutex_);
      if (requests_.empty()) break;
      request = std::move(requests_.front());
      requests_.pop_front();
    }
    quiet_ = false;
    if (auto* round = std::get_if<RoundRequest>(&*request)) {
      round_ = RoundState{std::move(*round), 0, {}};
      continue;
    }
    auto& wanted = std::get<KeysRequest>(*request);
    CROSSFADE_TRY(auto keys,
                  verify::read_source_keys(connection_, wanted.table, std::move(wanted.keys)));
    const size_t bytes = keys.keys.size() * 128;
    if (!hand_over(KeysItem{std::move(keys), position_}, bytes)) return false;
  }
  if (round_) return push_round_chunks();
  return true;
}

// As many chunks as fit the time a snapshot may last.
Result<bool> SourceThread::push_round_chunks() {
  const Deadline deadline = Deadline::after(limits::kChunkReadMax);
  while (round_ && snapshot_open_ && !deadline.expired() && !stopping_.load()) {
    const std::vector<std::shared_ptr<const Table>>& tables = round_->request.tables;
    if (round_->index >= tables.size()) {
      round_.reset();
      break;
    }
    quiet_ = false;
    CROSSFADE_TRY(auto chunk,
                  verify::read_source_chunk(connection_, tables[round_->index], round_->after,
                                            limits::kVerifyChunkRows, deadline, options_.utf8,
                                            round_->request.digest));
    round_->after = chunk.through;
    if (chunk.last) {
      ++round_->index;
      round_->after.clear();
    }
    const size_t bytes = bytes_of(chunk);
    const int64_t number = round_->request.number;
    if (!hand_over(ChunkItem{std::move(chunk), position_, number}, bytes)) return false;
  }
  return true;
}

Status SourceThread::housekeeping() {
  const auto now = Deadline::Clock::now();
  if (now >= next_check_) {
    next_check_ = now + kSameFileInterval;
    CROSSFADE_TRY(source_.check_same_file());
  }
  if (now >= next_prune_) {
    const int64_t prune_below = std::max<int64_t>(0, applied_.load() - options_.keep_log);
    const auto done = capture::prune(connection_, Lsn{prune_below});
    if (!done && sqlite::is_full(done.error())) {
      // Following needs no room on the source's disk: what has been written is still moved.
      log::warn("the change log cannot be pruned: " + describe(done.error()));
      next_prune_ = now + kFullDiskInterval;
      return ok();
    }
    CROSSFADE_TRY(const auto pruned, done);
    // On soon, but let the application in between.
    next_prune_ = now + (pruned.more ? limits::kPruneInterval / 10 : limits::kPruneInterval);
  }
  return ok();
}

}  // namespace crossfade::run
