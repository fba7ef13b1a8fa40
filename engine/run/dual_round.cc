#include "engine/run/dual_round.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>
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
constexpr size_t kNamedMax = limits::kDirtyKeysMax;  // so that they can be told apart

Error stepped_back(const Table& table, std::string native, std::string hint) {
  Error error;
  error.code = ErrorCode::kSteppedBack;
  error.remedy = Remedy::kStepBack;
  error.op = "dual.compare";
  error.object = table.target_name;
  error.native = std::move(native);
  error.hint = std::move(hint);
  return error;
}

Error never_still(const Table& table, const std::map<std::string, Row>& moving) {
  std::string keys;
  for (auto at = moving.begin(); at != moving.end(); ++at) {
    if (std::distance(moving.begin(), at) == ptrdiff_t{limits::kSamplesMax}) break;
    keys += " " + at->first;
  }
  return stepped_back(
      table,
      fmt::format("{} rows are written so often that both sides never had them alike for {} s:{}",
                  moving.size(), limits::kDualMovingMax.count() / 1000, keys),
      "run it again when they are written less often than a change takes to the other side "
      "(lag_ms of `crossfade status --json`)");
}

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
    auto settled = std::make_optional(verdict);
    if (!verdict.equal()) {
      CROSSFADE_TRY(settled, settle(&chunk));
    }
    if (settled) {
      next(chunk, *settled);
      rows_max_ = std::min<int64_t>(limits::kVerifyChunkRows, rows_max_ * kNarrower);
    } else {
      rows_max_ = std::max(kRowsMin, rows_max_ / kNarrower);
    }
  }
  return ok();
}

Result<verify::ChunkVerdict> DualRound::compare(verify::SourceChunk* chunk, Deadline deadline) {
  auto& source = move_.source.connection();
  CROSSFADE_TRY(auto reading, sqlite::Transaction::begin(source, sqlite::Begin::kDeferred));
  CROSSFADE_TRY(
      *chunk, verify::read_source_chunk(source, table(), after_, rows_max_, deadline, move_.utf8));
  reading.rollback();
  return verify::compare_chunk(move_.target.connection(), move_.options.target_schema, *chunk,
                               nullptr, kNamedMax);
}

// What was under way comes through; then the same again, and what comes by is noted.
Result<std::optional<verify::ChunkVerdict>> DualRound::settle(verify::SourceChunk* chunk) {
  CROSSFADE_TRY(drain());
  follower_.note_keys();
  CROSSFADE_TRY(auto verdict, compare(chunk, Deadline::after(limits::kReverseSliceMax)));
  if (verdict.equal()) return verdict;
  CROSSFADE_TRY(drain());
  if (has_unnoted(verdict)) {
    CROSSFADE_TRY(await_shown());
    CROSSFADE_TRY(verdict, compare(chunk, Deadline::after(limits::kReverseSliceMax)));
    if (verdict.equal()) return verdict;
    CROSSFADE_TRY(drain());
  }
  return tell_apart(verdict);
}

Result<std::optional<verify::ChunkVerdict>> DualRound::tell_apart(
    const verify::ChunkVerdict& verdict) {
  const int64_t differences = verdict.missing + verdict.extra + verdict.changed;
  if (follower_.noted_too_many() || differences != std::ssize(verdict.samples)) return std::nullopt;
  verify::ChunkVerdict out;
  out.rows_source = verdict.rows_source;
  out.rows_target = verdict.rows_target;
  Moving moving;
  for (const verify::Difference& d : verdict.samples) {
    if (const Row* key = follower_.noted(*table(), d.key)) {
      moving.emplace(d.key, *key);
    } else {
      out.merge(verify::verdict_of(d));
    }
  }
  CROSSFADE_TRY(const auto moved, compare_moving(std::move(moving)));
  out.merge(moved);
  return out;
}

Result<verify::ChunkVerdict> DualRound::compare_moving(Moving moving) {
  verify::ChunkVerdict out;
  const Deadline end = Deadline::after(limits::kDualMovingMax);
  for (bool quiet = false; !moving.empty();) {
    follower_.note_keys();
    if (quiet) {
      CROSSFADE_TRY(await_shown());
    }
    CROSSFADE_TRY(const auto verdict, compare_keys(moving));
    CROSSFADE_TRY(drain());
    const bool was_quiet = std::exchange(quiet, false);
    Moving left;
    for (const verify::Difference& d : verdict.samples) {
      const bool came = follower_.noted_too_many() || follower_.noted(*table(), d.key) != nullptr;
      auto key = moving.extract(d.key);
      // One that the target cannot hold has another name.
      if (key.empty() || (was_quiet && !came)) {
        out.merge(verify::verdict_of(d));
        continue;
      }
      quiet = quiet || !came;
      left.insert(std::move(key));
    }
    moving = std::move(left);
    if (!moving.empty() && end.expired()) return fail(never_still(*table(), moving));
  }
  return out;
}

Result<verify::ChunkVerdict> DualRound::compare_keys(const Moving& keys) {
  std::vector<Row> rows;
  for (const auto& [text, key] : keys) rows.push_back(key);
  auto& source = move_.source.connection();
  CROSSFADE_TRY(auto reading, sqlite::Transaction::begin(source, sqlite::Begin::kDeferred));
  CROSSFADE_TRY(const auto found, verify::read_source_keys(source, table(), std::move(rows)));
  reading.rollback();
  return verify::compare_keys(move_.target.connection(), move_.options.target_schema, found,
                              kNamedMax);
}

Status DualRound::drain() {
  return follower_.drain(Deadline::after(kDrainMax));
}

Status DualRound::await_shown() {
  CROSSFADE_TRY(const bool shown, follower_.await_shown(Deadline::after(limits::kDualShownMax)));
  if (shown) return ok();
  return fail(stepped_back(
      *table(),
      "rows differ, and a transaction on PostgreSQL has been open all the while: SQLite may have "
      "what it wrote, and PostgreSQL not show it yet",
      "run it again when that has ended. A COMMIT that waits for a standby is in pg_stat_activity, "
      "with the wait_event SyncRep"));
}

bool DualRound::has_unnoted(const verify::ChunkVerdict& verdict) const {
  return !follower_.noted_too_many() &&
         std::any_of(verdict.samples.begin(), verdict.samples.end(),
                     [&](const verify::Difference& d) {
                       return follower_.noted(*table(), d.key) == nullptr;
                     });
}

const std::shared_ptr<const Table>& DualRound::table() const {
  return move_.tables[table_].table;
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
