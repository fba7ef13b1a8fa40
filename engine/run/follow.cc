#include "engine/run/follow.h"

#include <algorithm>
#include <iterator>
#include <utility>
#include <variant>

#include "engine/core/assert.h"
#include "engine/core/limits.h"
#include "engine/observe/fault.h"
#include "engine/observe/log.h"
#include "engine/run/misfit_policy.h"
#include "engine/run/quarantine.h"

namespace crossfade::run {
namespace {

constexpr size_t kKeysPerRequest = 1'000;

int64_t age_ms(int64_t since_us) {
  return since_us == 0 ? 0 : (Deadline::now_us() - since_us) / 1000;
}

}  // namespace

std::optional<SourceItem> Follower::next_item(Deadline deadline) {
  if (waiting_) return std::exchange(waiting_, std::nullopt);
  return source_.pop(deadline);
}

// One commit on the target costs as much as thousands of rows: what has queued up goes together.
void Follower::merge_waiting(ChangeBatch* batch) {
  while (batch->closes_watermark && batch->bytes < limits::kBatchBytesMax) {
    waiting_ = source_.pop(Deadline::at({}));
    if (!waiting_) return;
    auto* item = std::get_if<ChangesItem>(&*waiting_);
    if (item == nullptr || item->prepared) return;
    ChangeBatch* more = &item->batch;
    batch->changes.insert(batch->changes.end(), std::make_move_iterator(more->changes.begin()),
                          std::make_move_iterator(more->changes.end()));
    batch->through = more->through;
    batch->closes_watermark = more->closes_watermark;
    batch->settled = more->settled;
    batch->bytes += more->bytes;
    waiting_.reset();
  }
}

Result<Follower::Event> Follower::pump(Deadline deadline) {
  auto item = next_item(deadline);
  if (!item) {
    show_lag(behind_since_us_);
    return Event::kIdle;
  }
  if (auto* changes = std::get_if<ChangesItem>(&*item)) {
    if (!changes->prepared) merge_waiting(&changes->batch);
    CROSSFADE_TRY(apply(*changes));
    if (plan_anew_) return Event::kSchemaChanged;
  } else if (auto* chunk = std::get_if<ChunkItem>(&*item)) {
    CROSSFADE_TRY(compare(*chunk, move_.target.connection()));
  } else if (auto* keys = std::get_if<KeysItem>(&*item)) {
    CROSSFADE_TRY(compare(*keys));
  } else if (auto* failed = std::get_if<SourceFailed>(&*item)) {
    return fail(std::move(failed->error));
  } else {
    const std::string& rebuild = std::get<SchemaChanged>(*item).rebuild;
    if (!rebuild.empty()) move_.to_rebuild.insert(rebuild);
    return Event::kSchemaChanged;
  }
  return Event::kProgress;
}

void Follower::show_lag(int64_t since_us) {
  move_.board.update([&](StatusReport& r) {
    r.lag_changes = std::max<int64_t>(0, r.captured_lsn.value - applied().value);
    behind_since_us_ = r.lag_changes == 0 ? 0 : since_us == 0 ? Deadline::now_us() : since_us;
    r.lag_ms = age_ms(behind_since_us_);
  });
}

void Follower::set_exact(apply::ExactTables exact) {
  source_.set_exact(exact);
  applier_.set_exact(std::move(exact));
}

Status Follower::apply(ChangesItem& item) {
  const ChangeBatch& batch = item.batch;
  if (tracking_) dirty_.note(batch);
  CROSSFADE_TRY(item.prepared ? applier_.apply_prepared(batch, std::move(*item.prepared))
                              : applier_.apply(batch));
  source_.set_applied(applied());
  if (!batch.closes_watermark) return ok();
  const apply::ApplyCounts& counts = applier_.counts();
  move_.board.update([&](StatusReport& r) {
    r.applied_lsn = applied();
    r.conflicts += counts.conflicts;
  });
  // What is left was captured after this batch's oldest change: its age is a bound.
  show_lag(batch.oldest_captured_us);
  if (counts.quarantined != quarantined_before_) {
    quarantined_before_ = counts.quarantined;
    CROSSFADE_TRY(const int64_t waiting, move_.target.quarantined());
    move_.board.update([&](StatusReport& r) { r.quarantined = waiting; });
    CROSSFADE_TRY(plan_anew_, follow_misfit_policy(move_));
  }
  return ok();
}

bool Follower::compare_ahead(postgres::Connection& other, Deadline deadline) {
  waiting_ = next_item(deadline);
  if (!waiting_) return true;
  auto* chunk = std::get_if<ChunkItem>(&*waiting_);
  if (chunk == nullptr) return false;
  if (auto done = compare(*chunk, other); !done) {
    log::debug("a chunk is compared again later: " + describe(done.error()));
    return false;
  }
  waiting_.reset();
  return true;
}

Status Follower::compare(ChunkItem& item, postgres::Connection& target) {
  CROSSFADE_ASSERT(item.at == applied(), "a chunk at {} while the target is at {}", item.at.value,
                   applied().value);
  if (!round_ || item.round != round_number_) return ok();
  if (const auto keys = accepted_.find(item.chunk.table->name); keys != accepted_.end()) {
    item.left_out += verify::leave_out(keys->second, &item.chunk);
  }
  fault_point("verify.chunk");
  auto digests = round_->digests(*item.chunk.table);
  CROSSFADE_TRY(auto verdict, verify::compare_chunk(target, move_.options.target_schema, item.chunk,
                                                    digests ? &*digests : nullptr));
  verdict.left_out = item.left_out;
  round_->add(*item.chunk.table, item.chunk.last, verdict, item.at, std::move(digests));
  move_.board.update(
      [&](StatusReport& r) { r.rows_compared = round_->done() ? 0 : round_->report().rows; });
  return ok();
}

Status Follower::compare(KeysItem& item) {
  CROSSFADE_ASSERT(item.at == applied(), "keys at {} while the target is at {}", item.at.value,
                   applied().value);
  leave_out_accepted(&item.keys, &keys_verdict_);
  CROSSFADE_TRY(const auto verdict, verify::compare_keys(move_.target.connection(),
                                                         move_.options.target_schema, item.keys));
  keys_verdict_.merge(verdict);
  --keys_outstanding_;
  return ok();
}

void Follower::leave_out_accepted(verify::SourceKeys* keys, verify::ChunkVerdict* verdict) const {
  const auto accepted = accepted_.find(keys->table->name);
  if (accepted != accepted_.end()) verdict->left_out += verify::leave_out(accepted->second, keys);
}

Status Follower::start_round(verify::DigestKind digest) {
  CROSSFADE_TRY(accepted_, accepted_keys(move_.target, move_.tables));
  auto tables = tables_of(move_);
  round_.emplace(tables, digest);
  tracking_ = true;
  dirty_.clear();
  source_.request(RoundRequest{std::move(tables), ++round_number_, digest});
  return ok();
}

void Follower::drop_round() {
  if (!round_) return;
  round_.reset();
  tracking_ = false;
  dirty_.clear();
  source_.request(RoundRequest{{}, ++round_number_});
}

std::optional<VerifyReport> Follower::take_report() {
  if (!round_ || !round_->done()) return std::nullopt;
  fault_point("verify.done");
  VerifyReport report = round_->report();
  report.at_rest = report.from == report.through;
  round_.reset();
  return report;
}

Status Follower::start_keys_pass() {
  keys_verdict_ = {};
  auto dirty = dirty_.take();
  if (!dirty) return fail(too_many_changed("cutover"));
  for (DirtyKeys::OfTable& of_table : *dirty) {
    for (size_t at = 0; at < of_table.keys.size(); at += kKeysPerRequest) {
      const auto begin = of_table.keys.begin() + static_cast<std::ptrdiff_t>(at);
      const auto end = of_table.keys.begin() + static_cast<std::ptrdiff_t>(std::min(
                                                   of_table.keys.size(), at + kKeysPerRequest));
      source_.request(KeysRequest{of_table.table,
                                  {std::make_move_iterator(begin), std::make_move_iterator(end)}});
      ++keys_outstanding_;
    }
  }
  return ok();
}

}  // namespace crossfade::run
