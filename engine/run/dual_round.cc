#include "engine/run/dual_round.h"

#include <algorithm>
#include <vector>

#include "engine/core/limits.h"
#include "engine/sqlite/transaction.h"
#include "verify/chunk.h"

namespace crossfade::run {
namespace {

// Few rows are seldom on their way all at once.
constexpr int64_t kRowsMin = 20;
constexpr int64_t kNarrower = 8;
constexpr std::chrono::seconds kDrainMax{10};

}  // namespace

DualRound::DualRound(Move& move, DualFollower& follower)
    : move_(move),
      follower_(follower),
      round_(tables_of(move)),
      rows_max_(limits::kVerifyChunkRows) {}

Status DualRound::slice(Deadline deadline) {
  while (!done() && !deadline.expired() && !move_.stop.requested()) {
    verify::SourceChunk chunk;
    CROSSFADE_TRY(const auto verdict, compare(&chunk, deadline));
    if (verdict.equal()) {
      next(chunk, verdict);
      rows_max_ = std::min<int64_t>(limits::kVerifyChunkRows, rows_max_ * kNarrower);
      continue;
    }
    // What was under way comes through; then the same again, and what comes by is noted.
    CROSSFADE_TRY(follower_.drain(Deadline::after(kDrainMax)));
    follower_.note_keys();
    CROSSFADE_TRY(auto again, compare(&chunk, deadline));
    if (!again.equal()) {
      CROSSFADE_TRY(follower_.drain(Deadline::after(kDrainMax)));
    }
    if (!again.equal() && is_certain(again)) {
      CROSSFADE_TRY(again, compare_shown(&chunk, deadline));
      CROSSFADE_TRY(follower_.drain(Deadline::after(kDrainMax)));
    }
    if (again.equal() || is_certain(again)) {
      next(chunk, again);
    } else {
      rows_max_ = std::max(kRowsMin, rows_max_ / kNarrower);
    }
  }
  return ok();
}

Status DualRound::read(verify::SourceChunk* chunk, Deadline deadline) {
  const std::shared_ptr<const Table>& table = move_.tables[table_].table;
  CROSSFADE_TRY(auto reading,
                sqlite::Transaction::begin(move_.source.connection(), sqlite::Begin::kDeferred));
  CROSSFADE_TRY(*chunk, verify::read_source_chunk(move_.source.connection(), table, after_,
                                                  rows_max_, deadline, move_.utf8));
  reading.rollback();
  return ok();
}

Result<verify::ChunkVerdict> DualRound::compare(verify::SourceChunk* chunk, Deadline deadline) {
  CROSSFADE_TRY(read(chunk, deadline));
  return verify::compare_chunk(move_.target.connection(), move_.options.target_schema, *chunk);
}

Result<verify::ChunkVerdict> DualRound::compare_shown(verify::SourceChunk* chunk,
                                                      Deadline deadline) {
  CROSSFADE_TRY(read(chunk, deadline));
  CROSSFADE_TRY(const bool shown, follower_.await_shown(Deadline::after(limits::kDualShownMax)));
  if (shown) {
    return verify::compare_chunk(move_.target.connection(), move_.options.target_schema, *chunk);
  }
  Error error;
  error.code = ErrorCode::kSteppedBack;
  error.remedy = Remedy::kStepBack;
  error.op = "dual.compare";
  error.object = chunk->table->target_name;
  error.native =
      "rows differ, and a transaction on PostgreSQL has been open all the while: SQLite may have "
      "what it wrote, and PostgreSQL not show it yet";
  error.hint =
      "run it again when that has ended. A COMMIT that waits for a standby is in pg_stat_activity, "
      "with the wait_event SyncRep";
  return fail(std::move(error));
}

bool DualRound::is_certain(const verify::ChunkVerdict& verdict) const {
  const Table& table = *move_.tables[table_].table;
  return std::any_of(verdict.samples.begin(), verdict.samples.end(),
                     [&](const verify::Difference& d) { return !follower_.noted(table, d.key); });
}

void DualRound::next(const verify::SourceChunk& chunk, const verify::ChunkVerdict& verdict) {
  round_.add(*chunk.table, chunk.last, verdict, follower_.applied());
  after_ = chunk.through;
  if (chunk.last) {
    ++table_;
    after_.clear();
  }
  move_.board.update([&](StatusReport& r) { r.rows_compared = done() ? 0 : round_.report().rows; });
}

}  // namespace crossfade::run
