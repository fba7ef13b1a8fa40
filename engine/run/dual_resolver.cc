#include "engine/run/dual_resolver.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "apply/merge.h"
#include "apply/quarantine.h"
#include "engine/core/limits.h"
#include "engine/postgres/binary.h"
#include "engine/schema/utf8.h"

namespace crossfade::run {
namespace {

using apply::Taken;

// A refusal by one side undoes what the other has of the same key.
class BothSavepoints {
 public:
  BothSavepoints(DualTarget& target, apply::SourceWriter& source)
      : target_(target), source_(source) {}
  Status begin() {
    CROSSFADE_TRY(target_.connection().exec("SAVEPOINT contested"));
    return source_.connection().exec("SAVEPOINT contested");
  }
  Status keep() {
    CROSSFADE_TRY(target_.connection().exec("RELEASE SAVEPOINT contested"));
    return source_.connection().exec("RELEASE contested");
  }
  Status undo() {
    CROSSFADE_TRY(target_.connection().exec("ROLLBACK TO SAVEPOINT contested"));
    CROSSFADE_TRY(source_.connection().exec("ROLLBACK TO contested"));
    CROSSFADE_TRY(source_.recount());
    return keep();
  }

 private:
  DualTarget& target_;
  apply::SourceWriter& source_;
};

Error source_refuses(const Table& table, std::string why) {
  Error error;
  error.remedy = Remedy::kQuarantine;
  error.code = ErrorCode::kMisfit;
  error.op = "dual.settle";
  error.object = table.name;
  error.native = std::move(why);
  return error;
}

const Row* pointer(const std::optional<Row>& row) {
  return row ? &*row : nullptr;
}

}  // namespace

std::string policy_text(const Table& table, const TableConflicts& policies) {
  std::string out = to_string(policies.policy);
  if (policies.policy == ConflictPolicy::kNewestWins) {
    out += fmt::format("({})", table.columns[policies.newest].name);
  }
  return out;
}

DualResolver::Outcome::Mark DualResolver::Outcome::mark() const {
  return {keys.size(), settled.size(), conflicts, decided.size(), holds_changed};
}

void DualResolver::Outcome::back_to(const Mark& mark) {
  keys.resize(mark.keys);
  settled.resize(mark.settled);
  conflicts = mark.conflicts;
  decided.resize(mark.decided);
  holds_changed = mark.holds_changed;
}

std::optional<Row> DualResolver::Sides::target_row() const {
  if (!target) return std::nullopt;
  return target->values;
}

const TableConflicts& DualResolver::policy_of(const Table& table) const {
  static const TableConflicts kManual;
  const auto found = policies_.find(table.name);
  return found == policies_.end() ? kManual : found->second;
}

void DualResolver::begin(const SourceChanges& pending, Lsn newest, int64_t captured_us) {
  pending_ = &pending;
  newest_ = newest;
  captured_us_ = captured_us;
  outcome_ = {};
}

Result<DualResolver::Sides> DualResolver::read_sides(const Table& table, const Row& key) {
  Sides sides;
  CROSSFADE_TRY(sides.target, target_.lock_one(table, key));
  if (const SourceNet* net = pending_->find(key_id(table, key))) {
    sides.base = net->base;
    sides.source = net->final;
    sides.source_lsn = net->last;
    return sides;
  }
  CROSSFADE_TRY(sides.source, source_.read(table, key));
  sides.base = sides.source;
  sides.source_lsn = newest_;
  return sides;
}

Result<bool> DualResolver::resolve(const Contested& contested, bool last) {
  if (ledger_.is_held(key_id(*contested.table, contested.key))) return true;
  CROSSFADE_TRY(const Sides sides, read_sides(*contested.table, contested.key));
  BothSavepoints savepoints(target_, source_);
  CROSSFADE_TRY(savepoints.begin());
  const Outcome::Mark before = outcome_.mark();
  auto decided = decide(contested, sides);
  if (decided) {
    CROSSFADE_TRY(savepoints.keep());
    return true;
  }
  if (decided.error().remedy != Remedy::kQuarantine) return fail(std::move(decided).error());
  CROSSFADE_TRY(savepoints.undo());
  outcome_.back_to(before);
  if (!last) return false;
  CROSSFADE_TRY(wait(contested, sides, decided.error().native));
  return true;
}

Status DualResolver::decide(const Contested& contested, const Sides& sides) {
  const Table& table = *contested.table;
  const std::optional<Row> target = sides.target_row();
  if (sides.target && !sides.target->misfit.empty()) {
    return wait(contested, sides, sides.target->misfit + ", which SQLite has no like of");
  }
  const bool by_source = sides.source != sides.base;
  const bool by_target = target != sides.base;
  if (!by_source && !by_target) return ok();
  if (by_source && !contested.must_wait.empty()) {
    return wait(contested, sides, contested.must_wait);
  }
  apply::Merged merged;
  if (!by_source) {
    // What SQLite refuses stays set aside there, as on any way back.
    CROSSFADE_TRY(const bool fits, source_.settle(table, contested.key, target));
    if (!fits) {
      CROSSFADE_TRY(note_refused(contested, sides));
    }
    return settle(table, contested.key, sides.target.has_value());
  }
  if (by_target) {
    merged = apply::merge(table, policy_of(table),
                          {pointer(sides.base), pointer(sides.source), pointer(target)});
  } else {
    merged.taken = Taken::kSource;
    merged.row = sides.source;
  }
  if (merged.taken == Taken::kWaits) return wait(contested, sides, merged.why);
  CROSSFADE_TRY(auto put_there, put(table, contested.key, sides, merged.row));
  if (put_there.refused && is_unique_violation(*put_there.refused) && merged.row) {
    return decide_rivals(contested, sides, *merged.row, *put_there.refused);
  }
  if (put_there.refused) return fail(*std::move(put_there.refused));
  if (!by_target || merged.taken == Taken::kSame) return ok();
  return record(contested, sides, merged.taken, merged.row, merged.why);
}

Result<Attempted> DualResolver::put(const Table& table, const Row& key, const Sides& sides,
                                    const std::optional<Row>& row) {
  if (sides.target_row() != row) {
    const DualTarget::Write write{&key, pointer(row), sides.target.has_value()};
    auto written = target_.write(table, {write});
    if (!written && written.error().remedy == Remedy::kQuarantine) {
      return Attempted{std::move(written).error()};
    }
    CROSSFADE_TRY(std::move(written));
  }
  CROSSFADE_TRY(put_on_source(table, key, row));
  CROSSFADE_TRY(settle(table, key, sides.target || row));
  return Attempted{};
}

Status DualResolver::put_on_source(const Table& table, const Row& key,
                                   const std::optional<Row>& row) {
  CROSSFADE_TRY(const bool fits, source_.settle(table, key, row));
  if (fits) return ok();
  CROSSFADE_TRY(auto why, why_refused(table, key));
  return fail(source_refuses(table, std::move(why)));
}

Result<std::string> DualResolver::why_refused(const Table& table, const Row& key) {
  std::string why = "SQLite refuses the row";
  CROSSFADE_TRY(const auto aside, source_.set_aside(limits::kReverseSettleMax));
  for (const apply::SetAside& entry : aside) {
    if (entry.table != table.name || entry.key != key) continue;
    why = fmt::format("SQLite refuses the row: {}{}{}", entry.column,
                      entry.column.empty() ? "" : ": ", entry.reason);
  }
  return why;
}

Status DualResolver::note_refused(const Contested& contested, const Sides& sides) {
  ConflictRecord record;
  record.table = contested.table.get();
  record.key = contested.key;
  record.kind = ConflictKind::kSourceRefuses;
  record.base = sides.base;
  record.source = sides.source;
  record.target = sides.target_row();
  CROSSFADE_TRY(record.why, why_refused(*contested.table, contested.key));
  record.source_lsn = sides.source_lsn;
  record.target_us = sides.target ? sides.target->committed_us : 0;
  CROSSFADE_TRY(const bool fresh, record_conflict(target_.connection(), record));
  if (!fresh) return ok();
  outcome_.holds_changed = true;  // what waits did
  note_decided(record);
  return ok();
}

Status DualResolver::decide_rivals(const Contested& contested, const Sides& sides,
                                   const Row& wanted, const Error& refused) {
  const Table& table = *contested.table;
  CROSSFADE_TRY(const auto rivals, target_.rivals(table, contested.key, wanted));
  if (rivals.empty()) {
    // Its own key, then: the row came after we looked.
    Error again = refused;
    again.remedy = Remedy::kRetry;
    return fail(std::move(again));
  }
  Taken taken = Taken::kSource;
  for (const LockedRow& rival : rivals) {
    const KeyId its_id = key_id(table, key_of_row(table, rival.values));
    const bool unknown = ledger_.is_held(its_id) || !pending_->knows(its_id);
    const Taken one = unknown || !rival.misfit.empty()
                          ? Taken::kWaits
                          : apply::choose(table, policy_of(table), wanted, rival.values);
    if (one == Taken::kWaits) taken = Taken::kWaits;
    if (one == Taken::kTarget && taken != Taken::kWaits) taken = Taken::kTarget;
  }
  ConflictRecord base;
  base.table = &table;
  base.key = contested.key;
  base.kind = rivals.size() > 1 ? ConflictKind::kMultipleUniqueConflicts
              : sides.base      ? ConflictKind::kUpdateExists
                                : ConflictKind::kInsertExists;
  base.base = sides.base;
  base.source = wanted;
  base.taken = taken;
  base.why = taken == Taken::kWaits ? refused.native : policy_text(table, policy_of(table));
  base.source_lsn = sides.source_lsn;
  base.source_us = captured_us_;
  if (taken == Taken::kSource) {
    CROSSFADE_TRY(source_takes_rivals(table, contested.key, sides, wanted, rivals));
    base.result = wanted;
  } else if (taken == Taken::kTarget) {
    CROSSFADE_TRY(target_keeps_rivals(table, contested.key, sides, rivals));
    base.result = sides.target_row();
  }
  for (const LockedRow& rival : rivals) {
    ConflictRecord one = base;
    one.target = rival.values;
    one.target_key = key_of_row(table, rival.values);
    one.target_us = rival.committed_us;
    // A key waits once: those after the first stand for themselves.
    if (taken == Taken::kWaits && &rival != &rivals.front()) {
      one.key = *one.target_key;
      one.target_key = contested.key;
    }
    CROSSFADE_TRY(record_conflict(target_.connection(), one));
    note_decided(one);
  }
  if (taken == Taken::kWaits) outcome_.holds_changed = true;
  return ok();
}

// The rivals get what the source has of them, so that the value is free.
Status DualResolver::source_takes_rivals(const Table& table, const Row& key, const Sides& sides,
                                         const Row& wanted, const std::vector<LockedRow>& rivals) {
  for (const LockedRow& rival : rivals) {
    const Row its_key = key_of_row(table, rival.values);
    CROSSFADE_TRY(const Sides its, read_sides(table, its_key));
    CROSSFADE_TRY(auto put_there, put(table, its_key, its, its.source));
    if (put_there.refused) return fail(*std::move(put_there.refused));
  }
  CROSSFADE_TRY(auto put_there, put(table, key, sides, wanted));
  if (put_there.refused) return fail(*std::move(put_there.refused));
  return ok();
}

Status DualResolver::target_keeps_rivals(const Table& table, const Row& key, const Sides& sides,
                                         const std::vector<LockedRow>& rivals) {
  CROSSFADE_TRY(put_on_source(table, key, sides.target_row()));
  CROSSFADE_TRY(settle(table, key, sides.target.has_value()));
  for (const LockedRow& rival : rivals) {
    const Row its_key = key_of_row(table, rival.values);
    // Its own change of the source's comes to its own decision.
    if (pending_->find(key_id(table, its_key)) != nullptr) continue;
    CROSSFADE_TRY(put_on_source(table, its_key, rival.values));
    CROSSFADE_TRY(settle(table, its_key, true));
  }
  return ok();
}

Status DualResolver::record(const Contested& contested, const Sides& sides, Taken taken,
                            const std::optional<Row>& result, std::string why) {
  const std::optional<Row> target = sides.target_row();
  ConflictRecord record;
  record.table = contested.table.get();
  record.key = contested.key;
  record.kind = apply::classify({pointer(sides.base), pointer(sides.source), pointer(target)});
  record.base = sides.base;
  record.source = sides.source;
  record.target = target;
  record.taken = taken;
  record.result = result;
  record.why = std::move(why);
  record.source_lsn = sides.source_lsn;
  record.source_us = captured_us_;
  record.target_us = sides.target && sides.target->committed_us != 0 ? sides.target->committed_us
                                                                     : contested.target_us;
  note_decided(record);
  CROSSFADE_TRY(record_conflict(target_.connection(), record));
  return ok();
}

void DualResolver::note_decided(const ConflictRecord& record) {
  ++outcome_.conflicts;
  if (outcome_.decided.size() == limits::kAuditDecisionsMax) return;
  outcome_.decided.push_back(
      {record.table->name, schema::printable(apply::key_literal(*record.table, record.key)),
       to_string(record.kind), to_string(record.taken), schema::printable(record.why)});
}

Status DualResolver::wait(const Contested& contested, const Sides& sides, std::string why) {
  outcome_.holds_changed = true;
  return record(contested, sides, Taken::kWaits, std::nullopt, std::move(why));
}

Status DualResolver::settle(const Table& table, const Row& key, bool locked) {
  KeyId id = key_id(table, key);
  const std::string bytes = id.substr(table.name.size() + 1);
  const std::string through = fmt::format("{}", newest_.value);
  CROSSFADE_TRY(target_.connection().query(
      "INSERT INTO crossfade.settled(table_name,key_bytes,lsn) VALUES($1,$2,$3::bigint) "
      "ON CONFLICT(table_name,key_bytes) DO UPDATE SET lsn=excluded.lsn",
      {postgres::text_param(table.name), postgres::Param{postgres::kByteaOid, bytes},
       postgres::text_param(through)}));
  outcome_.settled.emplace_back(id, newest_);
  // Where there is no row, nothing keeps another from being inserted until we commit; so what comes
  // for such a key is taken as it comes.
  if (locked) outcome_.keys.push_back(std::move(id));
  return ok();
}

Result<bool> DualResolver::carry_out(const WaitingConflict& waiting,
                                     const std::shared_ptr<const Table>& table, std::string* why) {
  BothSavepoints savepoints(target_, source_);
  CROSSFADE_TRY(savepoints.begin());
  const Outcome::Mark before = outcome_.mark();
  auto done = [&]() -> Status {
    std::vector<Row> keys{waiting.key};
    if (waiting.target_key) keys.push_back(*waiting.target_key);
    const bool from_source = waiting.decision == Decision::kSource;
    // The value that both keys want is freed on the side that gives way.
    if (from_source) std::reverse(keys.begin(), keys.end());
    std::optional<Row> result;
    std::optional<Row> of_source;
    std::optional<Row> of_target;
    for (const Row& key : keys) {
      CROSSFADE_TRY(const Sides sides, read_sides(*table, key));
      if (key == waiting.key) of_source = sides.source;
      if (key == waiting.target_key.value_or(waiting.key)) of_target = sides.target_row();
      if (sides.target && !sides.target->misfit.empty() && !from_source) {
        return fail(source_refuses(*table, sides.target->misfit));
      }
      const bool first = key == waiting.key;
      std::optional<Row> row = from_source ? sides.source : sides.target_row();
      if (first && waiting.decision == Decision::kRow) row = waiting.row;
      if (first) result = row;
      CROSSFADE_TRY(auto put_there, put(*table, key, sides, row));
      if (put_there.refused) return fail(*std::move(put_there.refused));
    }
    const Taken taken = waiting.decision == Decision::kRow ? Taken::kMerged
                        : from_source                      ? Taken::kSource
                                                           : Taken::kTarget;
    CROSSFADE_TRY(note_rows(target_.connection(), waiting.id, *table, of_source, of_target));
    outcome_.decided.push_back({table->name,
                                schema::printable(apply::key_literal(*table, waiting.key)), "",
                                to_string(taken), "by a person"});
    return mark_resolved(target_.connection(), waiting.id, taken, *table, result);
  }();
  if (done) {
    CROSSFADE_TRY(savepoints.keep());
    outcome_.holds_changed = true;
    return true;
  }
  if (done.error().remedy != Remedy::kQuarantine) return fail(std::move(done).error());
  *why = done.error().native;
  CROSSFADE_TRY(savepoints.undo());
  outcome_.back_to(before);
  return false;
}

Status make_settled_table(postgres::Connection& target) {
  CROSSFADE_TRY(target.exec(
      "CREATE TABLE IF NOT EXISTS crossfade.settled(table_name text COLLATE \"C\" NOT NULL,"
      "key_bytes bytea NOT NULL,lsn bigint NOT NULL,PRIMARY KEY(table_name,key_bytes))"));
  return ok();
}

Result<std::vector<SettledKey>> settled_keys(postgres::Connection& target) {
  CROSSFADE_TRY(const auto rows, target.query("SELECT table_name,key_bytes,lsn::text FROM "
                                              "crossfade.settled",
                                              {}, postgres::Format::kBinary));
  std::vector<SettledKey> out;
  for (int i = 0; i < rows.rows(); ++i) {
    auto key = parse_identity(rows.bytes(i, 1));
    if (!key) continue;
    out.push_back({rows.text(i, 0), *std::move(key), Lsn{std::stoll(rows.text(i, 2))}});
  }
  return out;
}

Status forget_settled_keys(postgres::Connection& target, Lsn applied) {
  CROSSFADE_TRY(
      target.exec(fmt::format("DELETE FROM crossfade.settled WHERE lsn <= {}", applied.value)));
  return ok();
}

}  // namespace crossfade::run
