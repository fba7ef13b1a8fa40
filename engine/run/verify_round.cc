#include "engine/run/verify_round.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "apply/net_changes.h"
#include "engine/core/assert.h"
#include "engine/core/limits.h"
#include "verify/text_form.h"

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

// Which canonical form a column's values have (docs/verification.md).
const char* form_name(const ColumnType& type) {
  if (verify::is_policy(type.form)) return "rule";
  return type.base == TargetType::kNumeric ? "decimal" : "value";
}

// And how they were made, for whoever is to make them again.
void add_digests(const VerifyReport::TableVerdict& t, nlohmann::json* out) {
  (*out)["sha256_source"] = t.sha256_source;
  (*out)["sha256_target"] = nullptr;
  if (!t.sha256_target.empty()) (*out)["sha256_target"] = t.sha256_target;
  nlohmann::json columns = nlohmann::json::array();
  for (const Column& column : t.table->columns) {
    columns.push_back(
        {{"name", column.name}, {"read_as", column.source_sql}, {"form", form_name(column.type)}});
  }
  nlohmann::json key = nlohmann::json::array();
  for (const size_t column : t.table->key) key.push_back(column);
  (*out)["columns"] = std::move(columns);
  (*out)["key"] = std::move(key);
  (*out)["order"] = t.by_key ? "key" : "canonical_key";
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
    nlohmann::json table = {{"name", t.name},
                            {"rows_source", t.verdict.rows_source},
                            {"rows_target", t.verdict.rows_target},
                            {"missing", t.verdict.missing},
                            {"extra", t.verdict.extra},
                            {"changed", t.verdict.changed},
                            {"accepted", t.verdict.left_out},
                            {"samples", samples}};
    if (report.digest == verify::DigestKind::kSha256) add_digests(t, &table);
    tables.push_back(std::move(table));
  }
  nlohmann::json quarantined = nlohmann::json::array();
  for (const Quarantined& q : report.quarantined) {
    quarantined.push_back(
        {{"table", q.table}, {"key", q.key}, {"column", q.column}, {"reason", q.reason}});
  }
  nlohmann::json out = {{"verdict", report.equal() ? "equal" : "different"},
                        {"rows", report.rows},
                        {"through_lsn", report.through.value},
                        {"tables", tables},
                        {"quarantine", quarantined}};
  if (report.digest == verify::DigestKind::kSha256) {
    out["digest"] = "sha256";
    out["from_lsn"] = report.from.value;
    out["at_rest"] = report.at_rest;
  }
  return out;
}

namespace {

std::string digests_text(const VerifyReport& report) {
  std::string out;
  for (const VerifyReport::TableVerdict& t : report.tables) {
    if (t.sha256_source == t.sha256_target) {
      out += fmt::format("  sha256 {}  {}\n", t.sha256_source, t.name);
      continue;
    }
    out += fmt::format("  sha256 {}  {} on the source\n", t.sha256_source, t.name);
    out += fmt::format("  sha256 {}  {} on the target\n",
                       t.sha256_target.empty() ? "(too many rows)" : t.sha256_target, t.name);
  }
  return out +
         (report.at_rest
              ? fmt::format("  all of one state: nothing was written meanwhile (position {})\n",
                            report.through.value)
              : fmt::format("  rows were written meanwhile: each part was compared at a "
                            "position of its own, {} to {}\n",
                            report.from.value, report.through.value));
}

}  // namespace

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
  if (report.digest == verify::DigestKind::kSha256) out += digests_text(report);
  const std::string head =
      report.equal() ? fmt::format("equal: {} rows in {} tables are the same on both sides\n",
                                   report.rows, report.tables.size())
                     : std::string("DIFFERENT: the two sides are not the same\n");
  return head + out;
}

VerifyRound::VerifyRound(const std::vector<std::shared_ptr<const Table>>& tables,
                         verify::DigestKind digest)
    : open_tables_(tables.size()) {
  report_.digest = digest;
  for (const auto& table : tables) {
    index_[table->name] = report_.tables.size();
    report_.tables.push_back({.name = table->name, .verdict = {}});
    if (digest != verify::DigestKind::kSha256) continue;
    report_.tables.back().table = table;
    digests_[table->name] = {};
  }
}

std::optional<verify::TableDigests> VerifyRound::digests(const Table& table) const {
  const auto found = digests_.find(table.name);
  if (found == digests_.end()) return std::nullopt;
  return found->second;
}

void VerifyRound::add(const Table& table, bool last, const verify::ChunkVerdict& verdict, Lsn at,
                      std::optional<verify::TableDigests> digests) {
  const auto found = index_.find(table.name);
  CROSSFADE_ASSERT(found != index_.end(), "a chunk of {} is in no round", table.name);
  VerifyReport::TableVerdict& of_table = report_.tables[found->second];
  of_table.verdict.merge(verdict);
  report_.rows += verdict.rows_source;
  if (!std::exchange(begun_, true)) report_.from = at;
  report_.through = std::max(report_.through, at);
  if (last) --open_tables_;
  if (!digests) return;
  if (last) {
    of_table.sha256_source = digests->source.hex();
    of_table.by_key = digests->by_key;
    if (digests->target_whole) of_table.sha256_target = digests->target.hex();
  }
  digests_[table.name] = *std::move(digests);
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
