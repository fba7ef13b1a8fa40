#include "engine/run/copy_phase.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <variant>

#include "apply/snapshot_reader.h"
#include "apply/snapshot_writer.h"
#include "engine/core/limits.h"
#include "engine/observe/fault.h"
#include "engine/observe/log.h"
#include "engine/run/copy_reader.h"

namespace crossfade::run {
namespace {

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

Status write_chunk(Move& move, const ReadChunk& read, CopyClock* clock) {
  TargetTable& entry = move.tables[read.table];
  CROSSFADE_TRY(apply::write_copy_chunk(move.target.connection(), move.options.target_schema,
                                        move.token, *entry.table, read.chunk, read.watermark));
  const auto rows = static_cast<int64_t>(read.chunk.count());
  entry.rows_copied += rows;
  entry.position = read.chunk.position;
  entry.consistent_lsn = std::max(entry.consistent_lsn, read.watermark);
  if (read.chunk.last) entry.state = TableState::kCopied;
  clock->add(rows);
  show_tables(move);
  move.board.update([&](StatusReport& r) { clock->show(r); });
  return ok();
}

Error cannot_be_kept(Error error, const Table& table) {
  error.object = fmt::format("table {}", table.name);
  error.hint =
      "PostgreSQL keeps this row neither as a row nor as a quarantined document, most likely for "
      "its "
      "size; shorten it on the source. The copy goes on from there";
  return error;
}

// As many rows as the chunk that the server refused had, in ever smaller parts, until the one that
// it will not have stands alone and is set aside. What they hold by now is as good: the log is
// replayed over it. The reader's place is of no use afterwards.
Status write_refused(Move& move, const ReadChunk& refused, CopyClock* clock) {
  TargetTable& entry = move.tables[refused.table];
  CROSSFADE_TRY(auto source, move.source.connect(limits::kSourceBusyTimeout));
  auto left = static_cast<int64_t>(refused.chunk.count());
  int64_t size = std::max<int64_t>(1, left / 2);
  std::optional<std::string> refusal;
  while (left > 0 && entry.state == TableState::kCopying && !move.stop.requested()) {
    CROSSFADE_TRY(
        const auto part, read_consistently(source, refused.table, move.schema_version, [&] {
          return refusal
                     ? apply::read_refused_chunk(source, *entry.table, entry.position, 1, *refusal)
                     : apply::read_copy_chunk(source, *entry.table, entry.position, size,
                                              Deadline::after(limits::kChunkReadMax));
        }));
    if (!part || part->chunk.null_key) break;  // the next reader finds it
    const auto rows = static_cast<int64_t>(part->chunk.count());
    auto written = write_chunk(move, *part, clock);
    if (written) {
      if (refusal)
        log::warn(fmt::format("a row of {} was set aside: {}", entry.table->name, *refusal));
      refusal.reset();
      left -= rows;
      size = std::min(size * 2, std::max<int64_t>(1, left));
      continue;
    }
    if (written.error().remedy != Remedy::kQuarantine) return written;
    if (refusal) return fail(cannot_be_kept(std::move(written).error(), *entry.table));
    if (rows == 1) refusal = written.error().native;
    size = std::max<int64_t>(1, rows / 2);
  }
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

// From where the tables are to the end, or to a chunk that the server refused: nothing, then.
Result<std::optional<CopyEnd>> copy_with_one_reader(Move& move, CopyClock* clock) {
  size_t left = 0;
  for (const TargetTable& t : move.tables) left += t.state == TableState::kCopying ? 1 : 0;
  if (left == 0) return CopyEnd::kDone;
  CROSSFADE_TRY(auto connection, move.source.connect(limits::kSourceBusyTimeout));
  CopyReader reader(move, std::move(connection));
  while (left > 0) {
    if (move.stop.requested()) return CopyEnd::kStopped;
    auto item = reader.pop(Deadline::after(limits::kPollInterval));
    if (!item) continue;
    if (const auto* moved = std::get_if<SourceMoved>(&*item)) {
      if (!moved->rebuild.empty()) move.to_rebuild.insert(moved->rebuild);
      return CopyEnd::kSchemaChanged;
    }
    if (auto* error = std::get_if<Error>(&*item)) return fail(std::move(*error));
    const auto& chunk = std::get<ReadChunk>(*item);
    auto written = write_chunk(move, chunk, clock);
    if (!written && written.error().remedy == Remedy::kQuarantine) {
      CROSSFADE_TRY(write_refused(move, chunk, clock));
      return std::nullopt;
    }
    CROSSFADE_TRY(std::move(written));
    if (chunk.chunk.last) --left;
  }
  return CopyEnd::kDone;
}

}  // namespace

Result<CopyEnd> copy_tables(Move& move) {
  show_tables(move);
  bool any = false;
  for (const TargetTable& t : move.tables) any = any || t.state == TableState::kCopying;
  if (any) {
    move.set_phase("copying");
    CROSSFADE_TRY(move.target.set_phase("copying"));
    CopyClock clock;
    std::optional<CopyEnd> end;
    while (!end) {
      CROSSFADE_TRY(end, copy_with_one_reader(move, &clock));
    }
    if (*end != CopyEnd::kDone) return *end;
    move.board.update([](StatusReport& r) { r.eta_s = -1; });
  }
  // Index builds may take long; only their own end or a stop request ends them.
  CROSSFADE_TRY(add_keys(move));
  return CopyEnd::kDone;
}

}  // namespace crossfade::run
