// DualFollower's way from SQLite to PostgreSQL, and what is decided with both sides held still.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "capture/change_log.h"
#include "engine/core/limits.h"
#include "engine/observe/fault.h"
#include "engine/observe/log.h"
#include "engine/run/dual_follower.h"
#include "engine/run/dual_marks.h"

namespace crossfade::run {
namespace {

using std::chrono::milliseconds;

int64_t wall_us() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

Error schema_moved() {
  Error error;
  error.remedy = Remedy::kRetry;
  error.op = "dual.follow";
  error.native = "the schema of the SQLite file was changed";
  return error;
}

// Beginning again would meet the same row.
Error nameless_row(const std::string& table) {
  Error error;
  error.remedy = Remedy::kDecide;
  error.code = ErrorCode::kBlocked;
  error.op = "dual.follow";
  error.object = table;
  error.native =
      "a row was written on SQLite with NULL in its key: the other side has no name for it";
  error.hint =
      "nothing was overwritten on either side, and what came before it is on both. `crossfade "
      "finish` ends the move; give such rows a key (NOT NULL keeps them out) before the next one";
  return error;
}

Error backlog_to_read() {
  Error error;
  error.remedy = Remedy::kRetry;
  error.op = "dual.follow";
  error.native = "more of SQLite's changes wait than are read under its lock";
  return error;
}

// What sets of one table come to.
struct TableWrites {
  std::shared_ptr<const Table> table;
  std::vector<const SourceNet*> nets;
};

std::vector<TableWrites> by_table(const SourceChanges& changes) {
  std::vector<TableWrites> out;
  std::map<const Table*, size_t> index;
  for (const SourceNet& net : changes.all()) {
    const auto [at, fresh] = index.try_emplace(net.table.get(), out.size());
    if (fresh) out.push_back({net.table, {}});
    out[at->second].nets.push_back(&net);
  }
  return out;
}

}  // namespace

Result<bool> DualFollower::take_from_source(Deadline deadline) {
  while (!whole_) {
    auto item = waiting_ ? std::exchange(waiting_, std::nullopt) : source_->pop(deadline);
    if (!item) return false;
    if (auto* changes = std::get_if<ChangesItem>(&*item)) {
      ChangeBatch* const batch = &changes->batch;
      parts_bytes_ += batch->bytes;
      // A backlog is one watermark; it goes in pieces that leave nothing taken out.
      whole_ =
          batch->closes_watermark || (batch->settled && parts_bytes_ >= limits::kBatchBytesMax);
      parts_.push_back(std::move(*batch));
    } else if (auto* failed = std::get_if<SourceFailed>(&*item)) {
      return fail(std::move(failed->error));
    } else if (const auto* changed = std::get_if<SchemaChanged>(&*item)) {
      if (!changed->rebuild.empty()) return fail(nameless_row(changed->rebuild));
      schema_changed_ = true;
      return false;
    }
  }
  merge_waiting();
  if (Deadline::Clock::now() < target_due_) return false;
  // Unless the stream cannot be read on before this has gone: they come back by the stream alone.
  if (ledger_.keys_in_flight() > limits::kDualKeysInFlightMax && may_read_stream()) return false;
  CROSSFADE_TRY(const bool done, apply_to_target());
  if (!done) {
    target_due_ = Deadline::Clock::now() + limits::kDualTurn;
    return false;
  }
  // What is left was captured after the oldest of these: its age is a bound.
  behind_since_us_ = parts_.front().oldest_captured_us;
  parts_.clear();
  parts_bytes_ = 0;
  whole_ = false;
  source_->set_applied(applied_);
  return true;
}

// A commit on the target may take longer than any number of the application's: those that have
// queued up go together.
void DualFollower::merge_waiting() {
  while (parts_.back().closes_watermark && parts_bytes_ < limits::kBatchBytesMax) {
    if (!waiting_) waiting_ = source_->pop(Deadline::at({}));
    if (!waiting_) return;
    auto* changes = std::get_if<ChangesItem>(&*waiting_);
    if (changes == nullptr || !changes->batch.closes_watermark) return;
    parts_bytes_ += changes->batch.bytes;
    parts_.push_back(std::move(changes->batch));
    waiting_.reset();
  }
}

// Rows in the way may be others after each reading ahead: where that does not end, the log is read
// under the lock.
Result<bool> DualFollower::apply_to_target() {
  for (int readings = 0; !move_.stop.requested(); ++readings) {
    std::unordered_set<KeyId> unknown;
    const bool may_put_off = !locked_ && readings < limits::kDualReadAheadsMax;
    CROSSFADE_TRY(const bool done, try_to_target(may_put_off ? &unknown : nullptr));
    if (done || unknown.empty()) return done;
    if (auto read = read_ahead(std::move(unknown)); !read) return put_off(read.error());
  }
  return false;
}

Result<bool> DualFollower::try_to_target(std::unordered_set<KeyId>* unknown) {
  SourceChanges changes(ledger_);
  for (const ChangeBatch& part : parts_) changes.add(part);
  const Lsn through = parts_.back().through;
  DualResolver resolver(target_, writer_, ledger_, policies_);
  std::vector<KeyId> written;
  auto done = [&]() -> Status {
    mark_ = next_mark();
    CROSSFADE_TRY(target_.begin(mark_));
    CROSSFADE_TRY(const auto contested, write_to_target(changes, &written));
    DualResolver::Outcome outcome;
    if (!contested.empty()) {
      CROSSFADE_TRY(begin_source());
      CROSSFADE_TRY(const bool decided, decide(contested, changes, &resolver, unknown));
      if (!decided) return fail(backlog_to_read());
      outcome = resolver.take_outcome();
    }
    CROSSFADE_TRY(commit_target(through, written, outcome));
    if (writer_.in_transaction()) {
      CROSSFADE_TRY(commit_source(source_state()));
    }
    remember(std::move(outcome));
    return ok();
  }();
  if (!done) return put_off(done.error());
  for (const SourceNet& net : changes.all()) note(*net.table, net.key);
  ledger_.forget_settled(applied_);
  return true;
}

Result<bool> DualFollower::decide(const std::vector<Contested>& contested,
                                  const SourceChanges& changes, DualResolver* resolver,
                                  std::unordered_set<KeyId>* unknown) {
  if (!ahead_) {
    Lsn newest;
    CROSSFADE_TRY(const auto waiting, pending(&newest));
    if (schema_changed_) return fail(schema_moved());
    if (waiting) {
      CROSSFADE_TRY(resolve_in_open(contested, *waiting, newest, resolver));
      return true;
    }
  }
  // A backlog: it can only become less by going on with it.
  CROSSFADE_TRY(auto keys, keys_to_know(contested, changes));
  const auto is_known = [&](const KeyId& key) { return ahead_->keys.contains(key); };
  if (!ahead_ || !std::all_of(keys.begin(), keys.end(), is_known)) {
    if (ahead_) keys.insert(ahead_->keys.begin(), ahead_->keys.end());
    if (unknown != nullptr) {
      *unknown = std::move(keys);
      return false;
    }
    ahead_ = std::make_unique<Ahead>(ledger_, std::move(keys), applied_);
  }
  CROSSFADE_TRY(read_rest(ahead_.get()));
  CROSSFADE_TRY(resolve_in_open(contested, ahead_->changes, ahead_->through, resolver));
  return true;
}

Result<std::vector<Contested>> DualFollower::write_to_target(const SourceChanges& changes,
                                                             std::vector<KeyId>* written) {
  std::vector<Contested> contested;
  struct Ready {
    std::shared_ptr<const Table> table;
    std::vector<DualTarget::Write> writes;
  };
  std::vector<Ready> ready;
  for (const TableWrites& of : by_table(changes)) {
    const Table& table = *of.table;
    std::vector<const Row*> keys;
    for (const SourceNet* net : of.nets) keys.push_back(&net->key);
    CROSSFADE_TRY(const auto there, target_.lock(table, keys));
    Ready& now = ready.emplace_back(Ready{of.table, {}});
    for (const SourceNet* net : of.nets) {
      const KeyId id = key_id(table, net->key);
      if (ledger_.is_held(id) || net->base == net->final) continue;
      const auto found = there.find(id);
      std::optional<Row> target;
      if (found != there.end()) target = found->second.values;
      const bool fits = found == there.end() || found->second.misfit.empty();
      if (!fits || target != net->base) {
        contested.push_back({of.table, net->key, {}, 0});
        continue;
      }
      now.writes.push_back({&net->key, net->final ? &*net->final : nullptr, target.has_value()});
      written->push_back(id);
    }
  }
  for (const Ready& of : ready) {
    if (of.writes.empty()) continue;
    auto done = target_.write(*of.table, of.writes);
    if (done) continue;
    if (done.error().remedy != Remedy::kQuarantine) return fail(std::move(done).error());
    CROSSFADE_TRY(const auto refused, target_.write_each(*of.table, of.writes));
    for (const DualTarget::Refused& one : refused) {
      // Another row in the way is a conflict; anything else no policy can decide.
      contested.push_back({of.table, *of.writes[one.index].key,
                           is_unique_violation(one.error) ? "" : one.error.native, 0});
    }
  }
  return contested;
}

Result<std::unordered_set<KeyId>> DualFollower::keys_to_know(
    const std::vector<Contested>& contested, const SourceChanges& changes) {
  std::unordered_set<KeyId> out;
  for (const Contested& one : contested) {
    const KeyId id = key_id(*one.table, one.key);
    out.insert(id);
    const SourceNet* net = changes.find(id);
    if (net == nullptr || !net->final || !one.must_wait.empty()) continue;
    CROSSFADE_TRY(const auto rivals, target_.rivals(*one.table, one.key, *net->final));
    for (const LockedRow& rival : rivals) {
      out.insert(key_id(*one.table, key_of_row(*one.table, rival.values)));
    }
  }
  return out;
}

Result<std::optional<SourceChanges>> DualFollower::pending(Lsn* newest) {
  capture::LogReader reader(writer_.connection(), shapes_);
  CROSSFADE_TRY(const auto watermark, reader.begin_within());
  if (watermark.schema_version != move_.schema_version) {
    schema_changed_ = true;
    return std::nullopt;
  }
  *newest = watermark.newest;
  SourceChanges changes(ledger_);
  Lsn at = applied_;
  size_t bytes = 0;
  while (at < watermark.newest) {
    CROSSFADE_TRY(const auto batch, reader.read(at, limits::kBatchBytesMax));
    changes.add(batch);
    at = batch.through;
    bytes += batch.bytes;
    if (batch.closes_watermark) break;
    if (bytes >= limits::kDualPendingBytesMax) return std::nullopt;
  }
  return changes;
}

// In one snapshot, to its end or to the deadline.
Status DualFollower::read_on(capture::LogReader* reader, capture::Watermark watermark, Ahead* ahead,
                             std::optional<Deadline> deadline) {
  if (watermark.schema_version != move_.schema_version) {
    schema_changed_ = true;
    return fail(schema_moved());
  }
  while (ahead->through < watermark.newest) {
    if (move_.stop.requested()) return fail(backlog_to_read());
    CROSSFADE_TRY(const auto batch, reader->read(ahead->through, limits::kBatchBytesMax));
    ahead->changes.add(batch);
    ahead->through = batch.through;
    if (deadline && batch.settled && deadline->expired()) break;
    if (!deadline && !batch.closes_watermark) fault_point("dual.backlog.locked");
  }
  return ok();
}

Status DualFollower::read_ahead(std::unordered_set<KeyId> keys) {
  auto ahead = std::make_unique<Ahead>(ledger_, std::move(keys), applied_);
  capture::LogReader reader(writer_.connection(), shapes_);
  for (bool whole = false; !whole;) {
    CROSSFADE_TRY(const auto watermark, reader.begin_snapshot());
    CROSSFADE_TRY(read_on(&reader, watermark, ahead.get(), Deadline::after(limits::kChunkReadMax)));
    whole = ahead->through == watermark.newest;
  }
  ahead_ = std::move(ahead);
  return ok();
}

Status DualFollower::read_rest(Ahead* ahead) {
  capture::LogReader reader(writer_.connection(), shapes_);
  CROSSFADE_TRY(const auto watermark, reader.begin_within());
  return read_on(&reader, watermark, ahead, std::nullopt);
}

Result<SourceChanges> DualFollower::all_pending(Lsn* newest) {
  CROSSFADE_TRY(auto waiting, pending(newest));
  if (waiting) return std::move(*waiting);
  Error error;
  error.remedy = Remedy::kRetry;
  error.op = "dual.follow";
  error.native = "more of SQLite's changes wait than fit: they go to the target first";
  return fail(std::move(error));
}

Status DualFollower::resolve_in_open(const std::vector<Contested>& contested,
                                     const SourceChanges& pending, Lsn newest,
                                     DualResolver* resolver) {
  resolver->begin(pending, newest, wall_us());
  std::vector<const Contested*> left;
  for (const Contested& one : contested) left.push_back(&one);
  // A row whose unique values another one still has fits once that one was resolved; the next may
  // be the one before it. Writers wait meanwhile.
  bool last = false;
  for (int pass = 1; !left.empty(); ++pass) {
    std::vector<const Contested*> refused;
    for (const Contested* one : left) {
      CROSSFADE_TRY(const bool done, resolver->resolve(*one, last));
      if (!done) refused.push_back(one);
    }
    last = refused.size() == left.size() || pass + 1 >= limits::kDualPassesMax;
    left.assign(refused.rbegin(), refused.rend());
  }
  return ok();
}

Status DualFollower::commit_target(Lsn through, std::vector<KeyId> keys,
                                   const DualResolver::Outcome& outcome) {
  postgres::Connection& target = target_.connection();
  if (!outcome.keys.empty()) {
    CROSSFADE_TRY(capture::send_probe(target, settled_mark(outcome.keys)));
    keys.insert(keys.end(), outcome.keys.begin(), outcome.keys.end());
  }
  CROSSFADE_TRY(target.exec(fmt::format("SELECT crossfade.advance({},{},{})", move_.token.value,
                                        applied_.value, through.value)));
  fault_point("dual.commit.before");
  CROSSFADE_TRY(target.commit());
  target_has_it_ = true;
  fault_point("dual.commit.after");
  applied_ = through;
  ledger_.committed(std::move(mark_), std::move(keys));
  return ok();
}

// Both have committed.
void DualFollower::remember(DualResolver::Outcome outcome) {
  target_has_it_ = false;
  ahead_.reset();
  for (const auto& [id, through] : outcome.settled) ledger_.settle(id, through);
  if (outcome.conflicts > 0) {
    move_.board.update([&](StatusReport& r) { r.conflicts += outcome.conflicts; });
  }
  if (!outcome.decided.empty()) {
    nlohmann::json decided = nlohmann::json::array();
    for (const Decided& each : outcome.decided) {
      decided.push_back({{"table", each.table},
                         {"key", each.key},
                         {"kind", each.kind},
                         {"taken", each.taken},
                         {"why", each.why}});
    }
    move_.audit.record("conflicts", {{"recorded", outcome.conflicts}, {"decided", decided}});
  }
  if (outcome.holds_changed) holds_changed_ = true;
}

Result<bool> DualFollower::resolve_alone(const std::vector<Contested>& contested) {
  DualResolver resolver(target_, writer_, ledger_, policies_);
  auto done = [&]() -> Status {
    CROSSFADE_TRY(begin_source());
    Lsn newest;
    CROSSFADE_TRY(const auto waiting, all_pending(&newest));
    mark_ = next_mark();
    CROSSFADE_TRY(target_.begin(mark_));
    CROSSFADE_TRY(resolve_in_open(contested, waiting, newest, &resolver));
    auto outcome = resolver.take_outcome();
    CROSSFADE_TRY(commit_target(applied_, {}, outcome));
    CROSSFADE_TRY(commit_source(source_state()));
    remember(std::move(outcome));
    return ok();
  }();
  if (!done) return put_off(done.error());
  return true;
}

Result<bool> DualFollower::carry_out(const WaitingConflict& waiting) {
  const auto table = table_named(waiting.table);
  if (!table) return true;
  DualResolver resolver(target_, writer_, ledger_, policies_);
  auto done = [&]() -> Status {
    CROSSFADE_TRY(begin_source());
    Lsn newest;
    // Both sides' rows are read as they are; what waits in the log is taken in.
    const SourceChanges none(ledger_);
    CROSSFADE_TRY(newest, capture::newest_lsn(writer_.connection()));
    mark_ = next_mark();
    CROSSFADE_TRY(target_.begin(mark_));
    resolver.begin(none, newest, wall_us());
    std::string why;
    CROSSFADE_TRY(const bool carried, resolver.carry_out(waiting, table, &why));
    if (!carried) {
      CROSSFADE_TRY(refuse_decision(target_.connection(), waiting.id, why));
      log::warn(fmt::format("conflict {} in {} waits on: {}", waiting.id, table->name, why));
    }
    auto outcome = resolver.take_outcome();
    CROSSFADE_TRY(commit_target(applied_, {}, outcome));
    CROSSFADE_TRY(commit_source(source_state()));
    remember(std::move(outcome));
    return ok();
  }();
  if (!done) return put_off(done.error());
  return true;
}

Status DualFollower::retry_set_aside() {
  CROSSFADE_TRY(const auto aside, writer_.set_aside(limits::kReverseSettleMax));
  std::vector<Contested> again;
  for (const apply::SetAside& one : aside) {
    if (const auto table = table_named(one.table)) again.push_back({table, one.key, {}, 0});
  }
  if (!again.empty()) {
    CROSSFADE_TRY(resolve_alone(again));  // false: later
  }
  return close_those_that_fit();
}

Status DualFollower::close_those_that_fit() {
  if (!refused_waits_) return ok();
  CROSSFADE_TRY(const auto waiting, waiting_conflicts(target_.connection()));
  bool closed = false;
  for (const WaitingConflict& one : waiting) {
    const auto table = one.passes ? table_named(one.table) : nullptr;
    if (!table) continue;
    CROSSFADE_TRY(const bool aside, writer_.is_set_aside(*table, one.key));
    if (aside) continue;
    CROSSFADE_TRY(mark_fits(target_.connection(), one.id));
    closed = true;
  }
  return closed ? load_held() : ok();
}

}  // namespace crossfade::run
