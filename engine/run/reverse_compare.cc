// The comparing half of ReverseFollower.
#include <fmt/format.h>

#include <utility>

#include "engine/core/limits.h"
#include "engine/observe/fault.h"
#include "engine/postgres/connection.h"
#include "engine/run/quarantine.h"
#include "engine/run/reverse_follower.h"
#include "engine/run/target_row.h"
#include "engine/sqlite/transaction.h"
#include "verify/chunk.h"

namespace crossfade::run {
namespace {

// Whether the rows are in another place now than in this transaction's snapshot: of a table that
// was truncated since, PostgreSQL shows no rows at all to a snapshot from before. To be asked after
// reading, because what was read cannot be truncated until the transaction ends.
Result<bool> was_emptied(postgres::Connection& target, const std::string& schema,
                         const Table& table) {
  CROSSFADE_TRY(
      const auto answer,
      target.query("SELECT c.relfilenode <> pg_relation_filenode(c.oid) "
                   "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
                   "WHERE n.nspname = $1 AND c.relname = $2",
                   {postgres::text_param(schema), postgres::text_param(table.target_name)}));
  return answer.rows() == 1 && answer.text(0, 0) == "t";
}

}  // namespace

Status ReverseFollower::start_round(verify::DigestKind digest) {
  CROSSFADE_TRY(accepted_, accepted_keys(move_.target, move_.tables));
  round_.emplace(tables_of(move_), digest);
  round_table_ = 0;
  round_after_.clear();
  chunk_tries_ = 0;
  touched_.clear();
  tracking_ = true;
  return ok();
}

void ReverseFollower::end_round() {
  round_.reset();
  touched_.clear();
  tracking_ = false;
}

std::optional<VerifyReport> ReverseFollower::take_report() {
  if (!round_ || !round_->done()) return std::nullopt;
  VerifyReport report = round_->report();
  report.at_rest = touched_.size() == 0 && !touched_.overflowed();
  round_.reset();
  return report;
}

Status ReverseFollower::compare_slice() {
  CROSSFADE_TRY(align(Deadline::after(limits::kReverseAlignMax)));
  auto done = [&]() -> Status {
    CROSSFADE_TRY(const int64_t aside, writer_.set_aside_count());
    bool may_settle = false;
    if (aside > 0) {
      CROSSFADE_TRY(may_settle, is_at_snapshot());
      may_settle = may_settle && shows_what_was_before();
    }
    if (may_settle) {
      CROSSFADE_TRY(settle());
    }
    return compare_chunks(Deadline::after(limits::kReverseSliceMax));
  }();
  let_go();
  return done;
}

Status ReverseFollower::compare_chunks(Deadline deadline) {
  while (round_running() && !deadline.expired() && !move_.stop.requested()) {
    const std::shared_ptr<const Table>& table = move_.tables[round_table_].table;
    CROSSFADE_TRY(auto reading,
                  sqlite::Transaction::begin(move_.source.connection(), sqlite::Begin::kDeferred));
    CROSSFADE_TRY(auto chunk,
                  verify::read_source_chunk(move_.source.connection(), table, round_after_,
                                            limits::kVerifyChunkRows, deadline, move_.utf8,
                                            round_->digest_kind()));
    reading.rollback();
    int64_t left_out = 0;
    if (const auto keys = accepted_.find(table->name); keys != accepted_.end()) {
      left_out = verify::leave_out(keys->second, &chunk);
    }
    fault_point("verify.chunk");
    auto digests = round_->digests(*table);
    CROSSFADE_TRY(auto verdict,
                  verify::compare_chunk(move_.target.connection(), move_.options.target_schema,
                                        chunk, digests ? &*digests : nullptr));
    CROSSFADE_TRY(const bool emptied,
                  was_emptied(move_.target.connection(), move_.options.target_schema, *table));
    // The same chunk again, in the next slice's snapshot.
    if (emptied) return again(*table, "it is truncated again and again");
    if (!verdict.equal()) {
      CROSSFADE_TRY(const bool exact, is_at_snapshot());
      if (!exact) return again(*table, "what is logged there is not visible yet");
      if (!shows_what_was_before()) {
        return again(*table,
                     "a transaction on PostgreSQL that began before this engine has not ended, and "
                     "SQLite may have it already");
      }
    }
    chunk_tries_ = 0;
    verdict.left_out = left_out;
    round_->add(*table, chunk.last, verdict, move_.board.get().applied_lsn, std::move(digests));
    round_after_ = chunk.through;
    if (chunk.last) {
      ++round_table_;
      round_after_.clear();
    }
    move_.board.update(
        [&](StatusReport& r) { r.rows_compared = round_->done() ? 0 : round_->report().rows; });
  }
  return ok();
}

Status ReverseFollower::again(const Table& table, const char* because) {
  if (++chunk_tries_ < limits::kReverseChunkTriesMax) return ok();
  Error error;
  error.code = ErrorCode::kSteppedBack;
  error.remedy = Remedy::kStepBack;
  error.op = "reverse.compare";
  error.object = table.target_name;
  error.native = fmt::format(
      "a part of the table was compared {} times, and never at one state of both sides: {}",
      chunk_tries_, because);
  error.hint =
      "run it again when less is written there. A COMMIT that waits for a standby is in "
      "pg_stat_activity, with the wait_event SyncRep";
  return fail(std::move(error));
}

Result<bool> ReverseFollower::settle_one(const apply::SetAside& aside) {
  const auto table = table_named(aside.table);
  if (!table) return false;
  CROSSFADE_TRY(const auto row, read_target_row(move_.target.connection(),
                                                move_.options.target_schema, *table, aside.key));
  if (row && !row->misfit.empty()) return false;
  std::optional<Row> values;
  if (row) values = row->values;
  return writer_.settle(*table, aside.key, values);
}

Result<std::vector<apply::SetAside>> ReverseFollower::settle() {
  CROSSFADE_TRY(auto waiting, writer_.set_aside(limits::kReverseSettleMax));
  std::vector<apply::SetAside> left;
  if (waiting.empty()) return left;
  CROSSFADE_TRY(open_batch());  // each by itself would be synced by itself
  for (apply::SetAside& aside : waiting) {
    const auto settled = settle_one(aside);
    if (!settled) {
      writer_.rollback();
      return fail(settled.error());
    }
    if (!settled.value()) left.push_back(std::move(aside));
  }
  CROSSFADE_TRY(close_batch());
  const auto count = static_cast<int64_t>(left.size());
  move_.board.update([&](StatusReport& r) { r.reverse_set_aside = count; });
  return left;
}

Result<std::optional<verify::ChunkVerdict>> ReverseFollower::compare_touched_beside(
    Deadline deadline) {
  CROSSFADE_TRY(align(deadline));
  auto done = [&]() -> Result<std::optional<verify::ChunkVerdict>> {
    CROSSFADE_TRY(const bool exact, is_at_snapshot());
    if (!exact) return std::nullopt;
    auto touched = touched_.take();
    if (!touched) return fail(too_many_changed("rollback"));
    CROSSFADE_TRY(auto verdict, compare_keys(*touched, deadline));
    if (verdict && !verdict->equal() && !shows_what_was_before()) verdict.reset();
    if (!verdict) touched_.put_back(*std::move(touched));
    return verdict;
  }();
  let_go();
  return done;
}

Result<verify::ChunkVerdict> ReverseFollower::compare_touched(Deadline deadline) {
  const auto touched = touched_.take();
  if (!touched) return fail(too_many_changed("rollback"));
  CROSSFADE_TRY(auto verdict, compare_keys(*touched, deadline));
  if (verdict) return *std::move(verdict);
  Error error;
  error.code = ErrorCode::kSteppedBack;
  error.remedy = Remedy::kStepBack;
  error.op = "rollback";
  error.native = "a table was truncated while it was compared";
  error.hint = "run the command again";
  return fail(std::move(error));
}

Result<std::optional<verify::ChunkVerdict>> ReverseFollower::compare_keys(
    const std::vector<DirtyKeys::OfTable>& touched, Deadline deadline) {
  verify::ChunkVerdict out;
  for (const DirtyKeys::OfTable& of_table : touched) {
    if (deadline.expired()) {
      Error error;
      error.code = ErrorCode::kSteppedBack;
      error.remedy = Remedy::kStepBack;
      error.op = "rollback";
      error.native = "comparing the last changes took longer than allowed";
      error.hint = "raise --max-pause";
      return fail(std::move(error));
    }
    CROSSFADE_TRY(auto reading,
                  sqlite::Transaction::begin(move_.source.connection(), sqlite::Begin::kDeferred));
    CROSSFADE_TRY(auto keys, verify::read_source_keys(move_.source.connection(), of_table.table,
                                                      of_table.keys));
    reading.rollback();
    if (const auto accepted = accepted_.find(of_table.table->name); accepted != accepted_.end()) {
      verify::leave_out(accepted->second, &keys);
    }
    CROSSFADE_TRY(const auto verdict, verify::compare_keys(move_.target.connection(),
                                                           move_.options.target_schema, keys));
    CROSSFADE_TRY(const bool emptied, was_emptied(move_.target.connection(),
                                                  move_.options.target_schema, *of_table.table));
    if (emptied) return std::nullopt;
    out.merge(verdict);
  }
  return out;
}

}  // namespace crossfade::run
