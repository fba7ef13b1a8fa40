#include "engine/run/verify_round.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "apply/net_changes.h"
#include "engine/core/assert.h"
#include "engine/core/limits.h"

namespace crossfade::run {
namespace {

const char* kind_name(verify::Difference::Kind kind) {
  switch (kind) {
    case verify::Difference::Kind::kMissing:
      return "missing";
    case verify::Difference::Kind::kExtra:
      return "extra";
    case verify::Difference::Kind::kChanged:
      return "changed";
  }
  return "changed";
}

// How many dirty keys are held in memory while a round runs; a cutover's pause compares fewer
// (limits::kDirtyKeysMax).
constexpr size_t kHeldKeysMax = 10 * limits::kDirtyKeysMax;

}  // namespace

bool VerifyReport::equal() const {
  return std::all_of(tables.begin(), tables.end(),
                     [](const TableVerdict& t) { return t.verdict.equal(); });
}

bool VerifyReport::has_unexplained() const {
  int64_t differences = 0;
  for (const TableVerdict& t : tables) {
    differences += t.verdict.missing + t.verdict.extra + t.verdict.changed;
  }
  return differences > set_aside;
}

nlohmann::json to_json(const VerifyReport& report) {
  nlohmann::json tables = nlohmann::json::array();
  for (const VerifyReport::TableVerdict& t : report.tables) {
    nlohmann::json samples = nlohmann::json::array();
    for (const verify::Difference& d : t.verdict.samples) {
      samples.push_back({{"kind", kind_name(d.kind)}, {"key", d.key}});
    }
    tables.push_back({{"name", t.name},
                      {"rows_source", t.verdict.rows_source},
                      {"rows_target", t.verdict.rows_target},
                      {"missing", t.verdict.missing},
                      {"extra", t.verdict.extra},
                      {"changed", t.verdict.changed},
                      {"accepted", t.verdict.left_out},
                      {"samples", samples}});
  }
  nlohmann::json quarantined = nlohmann::json::array();
  for (const Quarantined& q : report.quarantined) {
    quarantined.push_back(
        {{"table", q.table}, {"key", q.key}, {"column", q.column}, {"reason", q.reason}});
  }
  return {{"verdict", report.equal() ? "equal" : "different"},
          {"rows", report.rows},
          {"through_lsn", report.through.value},
          {"tables", tables},
          {"quarantine", quarantined}};
}

std::string to_text(const VerifyReport& report) {
  std::string out;
  for (const VerifyReport::TableVerdict& t : report.tables) {
    if (t.verdict.equal()) continue;
    out +=
        fmt::format("  {}: {} missing, {} extra, {} changed (of {} rows)\n", t.name,
                    t.verdict.missing, t.verdict.extra, t.verdict.changed, t.verdict.rows_source);
    for (const verify::Difference& d : t.verdict.samples) {
      out += fmt::format("    {} {}\n", kind_name(d.kind), d.key);
    }
  }
  int64_t accepted = 0;
  for (const VerifyReport::TableVerdict& t : report.tables) accepted += t.verdict.left_out;
  if (accepted > 0) {
    out += fmt::format("  left out: {} rows that were accepted as set aside\n", accepted);
  }
  for (const Quarantined& q : report.quarantined) {
    out += fmt::format("  in quarantine: {} {}: {}\n", q.table, q.key, q.reason);
  }
  const std::string head =
      report.equal() ? fmt::format("equal: {} rows in {} tables are the same on both sides\n",
                                   report.rows, report.tables.size())
                     : std::string("DIFFERENT: the two sides are not the same\n");
  return head + out;
}

VerifyRound::VerifyRound(const std::vector<std::shared_ptr<const Table>>& tables)
    : open_tables_(tables.size()) {
  for (const auto& table : tables) {
    index_[table->name] = report_.tables.size();
    report_.tables.push_back({table->name, {}});
  }
}

void VerifyRound::add(const Table& table, bool last, const verify::ChunkVerdict& verdict, Lsn at) {
  const auto found = index_.find(table.name);
  CROSSFADE_ASSERT(found != index_.end(), "a chunk of {} is in no round", table.name);
  report_.tables[found->second].verdict.merge(verdict);
  report_.rows += verdict.rows_source;
  report_.through = std::max(report_.through, at);
  if (last) --open_tables_;
}

void DirtyKeys::note(const ChangeBatch& batch) {
  for (const Change& change : batch.changes) {
    const Table& table = *change.table;
    if (!change.before.empty()) note_key(change.table, apply::key_of(table, change.before));
    if (!change.after.empty()) note_key(change.table, apply::key_of(table, change.after));
  }
}

// Of a truncated table no row is left on either side.
void DirtyKeys::note(const TargetChange& change) {
  if (!change.key.empty()) note_key(change.table, Row(change.key));
  if (change.after.empty()) return;
  Row key;
  for (size_t i = 0; i < change.table->key.size(); ++i) {
    const auto& value = change.after[change.table->key[i]];
    key.push_back(value || change.key.empty() ? value.value_or(Value()) : change.key[i]);
  }
  note_key(change.table, std::move(key));
}

void DirtyKeys::note_key(const std::shared_ptr<const Table>& table, Row&& key) {
  if (overflowed_) return;
  Entry& entry = tables_[table.get()];
  entry.table = table;
  std::string identity = apply::identity_of(key);
  if (!entry.keys.try_emplace(std::move(identity), std::move(key)).second) return;
  if (++size_ > kHeldKeysMax) {
    tables_.clear();
    size_ = 0;
    overflowed_ = true;
  }
}

void DirtyKeys::clear() {
  tables_.clear();
  size_ = 0;
  overflowed_ = false;
}

void DirtyKeys::put_back(std::vector<OfTable> taken) {
  for (OfTable& of_table : taken) {
    for (Row& key : of_table.keys) note_key(of_table.table, std::move(key));
  }
}

Error too_many_changed(std::string op) {
  Error error;
  error.code = ErrorCode::kSteppedBack;
  error.remedy = Remedy::kStepBack;
  error.op = std::move(op);
  error.native = fmt::format(
      "more than {} rows were changed since they were compared, and not all of them could be "
      "compared again",
      kHeldKeysMax);
  error.hint = "run the command again, when less is written at a time";
  return error;
}

std::optional<std::vector<DirtyKeys::OfTable>> DirtyKeys::take() {
  if (overflowed_) return std::nullopt;
  std::vector<OfTable> out;
  for (auto& [raw, entry] : tables_) {
    OfTable of_table{entry.table, {}};
    for (auto& [identity, key] : entry.keys) of_table.keys.push_back(std::move(key));
    out.push_back(std::move(of_table));
  }
  tables_.clear();
  size_ = 0;
  return out;
}

}  // namespace crossfade::run
