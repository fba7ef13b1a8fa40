// DualFollower's way from PostgreSQL to SQLite.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>
#include <variant>

#include "apply/row_image.h"
#include "engine/core/limits.h"
#include "engine/observe/fault.h"
#include "engine/observe/log.h"
#include "engine/run/dual_follower.h"
#include "engine/run/dual_marks.h"
#include "engine/sqlite/sqlite_error_map.h"

namespace crossfade::run {

bool DualFollower::may_read_stream() const {
  if (net_.bytes() >= limits::kDualNetBytesMax) return false;
  return in_transaction_ || net_.size() < limits::kReverseBatchChangesMax;
}

Result<bool> DualFollower::take_from_target() {
  bool came = false;
  while (may_read_stream()) {
    CROSSFADE_TRY(auto event, stream_->next(Deadline::at({})));
    if (!event) break;
    came = true;
    CROSSFADE_TRY(take(*event));
    if (must_commit_ && !in_transaction_) break;
  }
  if (holds_changed_) {
    holds_changed_ = false;
    CROSSFADE_TRY(load_held());
  }
  // A transaction larger than may be held goes in before its end: rows, without its position.
  if (in_transaction_ && net_.bytes() < limits::kDualNetBytesMax) return came;
  if (net_.empty() && !must_commit_) {
    CROSSFADE_TRY(advance_idle_position());
    return came;
  }
  if (Deadline::Clock::now() < source_due_) return came;
  CROSSFADE_TRY(const bool done, apply_to_source());
  if (!done) source_due_ = Deadline::Clock::now() + limits::kDualTurn;
  return came || done;
}

Status DualFollower::take(const capture::TargetEvent& event) {
  return std::visit([this](const auto& of_kind) { return take(of_kind); }, event);
}

Status DualFollower::take(const capture::TargetBegin&) {
  in_transaction_ = true;
  own_ = false;
  return ok();
}

Status DualFollower::take(const TargetChange& change) {
  if (own_) return ok();
  if (!change.key.empty()) note(*change.table, change.key);
  if (!change.after.empty()) {
    CROSSFADE_TRY(const Row key, apply::key_after(change));
    note(*change.table, key);
  }
  return net_.add(change);
}

Status DualFollower::take(const capture::ProbeSeen& probe) {
  if (is_own_mark(probe.nonce)) {
    std::vector<KeyId> keys;
    if (!ledger_.seen(probe.nonce, &keys)) {
      Error error;
      error.remedy = Remedy::kRetry;  // a new session reads the marks anew
      error.op = "dual.follow";
      error.native = "the stream brought a transaction of an engine that this one does not know of";
      return fail(std::move(error));
    }
    for (const KeyId& key : keys) net_.forget(key);
    own_ = true;
    return ok();
  }
  if (own_) return ok();
  probe_ = probe.nonce;
  must_commit_ = true;
  return ok();
}

Status DualFollower::take(const capture::RouteChanged&) {
  return ok();
}

Status DualFollower::take(const capture::TargetSchemaMoved& moved) {
  const std::string said = fmt::format("{}: {}", moved.table->target_name, moved.what);
  if (!moved.fatal) {
    if (!moved.table->adopted && told_.insert(said).second) {
      log::warn(said + ": SQLite has no place for it, and what is written there stays there");
    }
    return ok();
  }
  Error error;
  error.code = ErrorCode::kBlocked;
  error.remedy = Remedy::kDecide;
  error.op = "dual.follow";
  error.native = "a table was changed on PostgreSQL so that it cannot be kept in step: " + said;
  error.hint = "change it back; both sides keep what they have, and nothing was overwritten";
  return fail(std::move(error));
}

Status DualFollower::take(const capture::TargetCommit& commit) {
  in_transaction_ = false;
  net_.committed_at(commit.committed_us);
  next_.applied = commit.end;
  next_.committed_us = commit.committed_us;
  return ok();
}

Result<bool> DualFollower::apply_to_source() {
  DualResolver resolver(target_, writer_, ledger_, policies_);
  // While PostgreSQL's transaction is not complete its position is not SQLite's.
  const apply::ReverseState state = in_transaction_ ? source_state() : next_;
  auto done = [&]() -> Status {
    CROSSFADE_TRY(begin_source());
    Lsn newest;
    CROSSFADE_TRY(const auto waiting, all_pending(&newest));
    std::vector<Contested> contested;
    CROSSFADE_TRY(write_to_source(waiting, &contested));
    if (contested.empty()) return commit_source(state);
    mark_ = next_mark();
    CROSSFADE_TRY(target_.begin(mark_));
    CROSSFADE_TRY(resolve_in_open(contested, waiting, newest, &resolver));
    auto outcome = resolver.take_outcome();
    CROSSFADE_TRY(commit_target(applied_, {}, outcome));
    CROSSFADE_TRY(commit_source(state));
    remember(std::move(outcome));
    return ok();
  }();
  if (!done) return put_off(done.error());
  net_.clear();
  must_commit_ = false;
  if (!in_transaction_ && !locked_) {
    CROSSFADE_TRY(stream_->confirm(next_.applied));
  }
  next_position_ = Deadline::Clock::now() + limits::kReversePositionInterval;
  return true;
}

Status DualFollower::write_to_source(const SourceChanges& pending,
                                     std::vector<Contested>* contested) {
  CROSSFADE_TRY(write_truncated(pending, contested));
  std::vector<const TargetNet*> clear;
  for (const TargetNet* net : net_.all()) {
    const KeyId id = key_id(*net->table, net->key);
    if (ledger_.is_held(id) || ledger_.takes_in(id)) continue;
    if (pending.find(id) != nullptr || !net->misfit.empty()) {
      contested->push_back({net->table, net->key, {}, net->committed_us});
    } else {
      clear.push_back(net);
    }
  }
  return write_rows(clear, contested);
}

// A row whose unique values another row still has fits once that one was written; so twice.
Status DualFollower::write_rows(const std::vector<const TargetNet*>& nets,
                                std::vector<Contested>* contested) {
  struct Ready {
    const TargetNet* net;
    std::optional<Row> row;
  };
  std::vector<Ready> ready;
  for (const TargetNet* net : nets) {
    bool known = true;
    CROSSFADE_TRY(auto row, row_of(*net, &known));
    if (known) {
      ready.push_back({net, std::move(row)});
    } else {
      contested->push_back({net->table, net->key, {}, net->committed_us});
    }
  }
  // What goes first frees values.
  std::stable_partition(ready.begin(), ready.end(), [](const Ready& r) { return !r.row; });
  for (size_t before = ready.size() + 1; !ready.empty() && ready.size() < before;) {
    before = ready.size();
    std::vector<Ready> left;
    for (Ready& one : ready) {
      CROSSFADE_TRY(const bool fits, writer_.settle(*one.net->table, one.net->key, one.row));
      if (!fits) left.push_back(std::move(one));
    }
    ready = std::move(left);
  }
  // The rest is set aside by key until the rows in their way have gone, or somebody mends them.
  return ok();
}

// Nothing and `known`: no row. A column that an update left as it was is in SQLite's row.
Result<std::optional<Row>> DualFollower::row_of(const TargetNet& net, bool* known) {
  if (!net.row) return std::nullopt;
  const Table& table = *net.table;
  Row row;
  std::optional<Row> before;
  if (!apply::is_complete(table, *net.row)) {
    CROSSFADE_TRY(before, writer_.read(table, net.fill_from));
    if (!before) {
      *known = false;
      return std::nullopt;
    }
  }
  for (size_t i = 0; i < table.columns.size(); ++i) {
    const auto& value = (*net.row)[i];
    if (table.columns[i].generated) {
      row.emplace_back();
    } else {
      row.push_back(value ? *value : (*before)[i]);
    }
  }
  return row;
}

Status DualFollower::write_truncated(const SourceChanges& pending,
                                     std::vector<Contested>* contested) {
  for (const auto& [name, truncated] : net_.truncated()) {
    const Table& table = *truncated.table;
    CROSSFADE_TRY(const auto keys, writer_.keys(table));
    for (const Row& key : keys) {
      const KeyId id = key_id(table, key);
      if (truncated.spared.contains(id) || net_.contains(id) || ledger_.is_held(id) ||
          ledger_.takes_in(id)) {
        continue;
      }
      if (pending.find(id) != nullptr) {
        contested->push_back({truncated.table, key, {}, 0});
      } else {
        CROSSFADE_TRY(writer_.settle(table, key, std::nullopt));
      }
    }
  }
  return ok();
}

Status DualFollower::begin_source() {
  if (!locked_) {
    CROSSFADE_TRY(writer_.begin(Deadline::after(limits::kDualSourceLockWait)));
    // A large row takes its time on the way.
    const auto on_the_way =
        std::chrono::milliseconds((net_.bytes() + parts_bytes_) / limits::kDualBytesPerMs);
    target_.connection().set_statement_timeout(
        std::min(limits::kDualAnswerMax + on_the_way, limits::kStatementTimeout));
    return ok();
  }
  CROSSFADE_TRY(writer_.connection().exec("SAVEPOINT step"));
  step_open_ = true;
  return ok();
}

const apply::ReverseState& DualFollower::source_state() const {
  return locked_ ? *locked_ : writer_.state();
}

Status DualFollower::commit_source(const apply::ReverseState& state) {
  if (!locked_) {
    CROSSFADE_TRY(writer_.commit(state));
    target_.connection().set_statement_timeout(limits::kStatementTimeout);
    return ok();
  }
  locked_ = state;
  return std::exchange(step_open_, false) ? writer_.connection().exec("RELEASE step") : ok();
}

Status DualFollower::lock_source(Deadline deadline) {
  CROSSFADE_TRY(writer_.begin(deadline));
  locked_ = writer_.state();
  return ok();
}

Status DualFollower::drain_locked(Deadline deadline) {
  do {
    source_->nudge();
    CROSSFADE_TRY(drain(deadline));
  } while (!ledger_.all_seen() || in_transaction_);
  locked_ = next_;
  return ok();
}

Status DualFollower::commit_locked() {
  CROSSFADE_TRY(writer_.commit(*std::exchange(locked_, std::nullopt)));
  return stream_->confirm(writer_.state().applied);
}

void DualFollower::unlock_source() {
  locked_.reset();
  writer_.rollback();
}

Status DualFollower::advance_idle_position() {
  const postgres::PgLsn received = stream_->received();
  if (locked_ || Deadline::Clock::now() < next_position_ || received <= writer_.state().applied)
    return ok();
  next_.applied = std::max(next_.applied, received);
  next_position_ = Deadline::Clock::now() + limits::kReversePositionInterval;
  auto begun = writer_.begin(Deadline::after(limits::kDualSourceLockWait));
  if (!begun) return sqlite::is_busy(begun.error()) ? ok() : begun;
  CROSSFADE_TRY(writer_.commit(next_));
  return stream_->confirm(next_.applied);
}

}  // namespace crossfade::run
