// Promise: whatever the order in which changes are made, read, carried and lost with a crash, both
// sides come to the same rows; a counter is the sum of all that was counted; and no version of a
// row is written over by somebody who had not seen it, but for what is on record.
//
// The two databases are maps, and the engine's steps are taken one at a time between those of the
// applications; what decides (merge, DualLedger, SourceChanges, TargetChanges) is the engine's own.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>
#include <map>
#include <optional>
#include <random>
#include <set>

#include "apply/merge.h"
#include "engine/run/dual_changes.h"
#include "engine/run/dual_ledger.h"
#include "engine/run/dual_marks.h"

namespace crossfade::run {
namespace {

constexpr int64_t kKeys = 3;
constexpr uint64_t kSeeds = 800;
constexpr int kSteps = 120;

std::shared_ptr<const Table> counter_table() {
  auto table = std::make_shared<Table>();
  table->name = "doc";
  table->target_name = "doc";
  for (const char* name : {"id", "ver", "counter"}) {
    Column column;
    column.name = name;
    column.source_sql = name;
    column.target_name = name;
    column.type.base = std::string(name) == "ver" ? TargetType::kText : TargetType::kBigint;
    table->columns.push_back(std::move(column));
  }
  table->key = {0};
  return table;
}

using Side = std::map<int64_t, Row>;

std::optional<Row> row_of(const Side& side, int64_t key) {
  const auto found = side.find(key);
  return found == side.end() ? std::nullopt : std::optional<Row>(found->second);
}
void set(Side* side, int64_t key, const std::optional<Row>& row) {
  if (row) {
    (*side)[key] = *row;
  } else {
    side->erase(key);
  }
}

// One committed transaction of the target's, as the stream brings it.
struct Committed {
  std::string mark;  // of the engine's; empty: the application's
  std::vector<KeyId> settled;
  std::vector<TargetChange> changes;
};

class Model {
 public:
  Model(uint64_t seed, ConflictPolicy policy, bool counts)
      : random_(static_cast<unsigned>(seed)), counts_(counts), table_(counter_table()) {
    policies_.policy = policy;
    if (counts) policies_.columns.push_back({2, ConflictPolicy::kDelta, 0});
    for (int64_t key = 1; key <= kKeys; ++key) {
      const Row row{Value(key), Value(Text{fmt::format("first{}", key)}), Value(int64_t{0})};
      source_[key] = row;
      target_[key] = row;
    }
    restart();
  }

  void run() {
    for (int i = 0; i < kSteps; ++i) step();
    for (int i = 0; i < 20; ++i) {
      read_log();
      to_target(false);
      receive(wal_.size());
      to_source(false);
    }
  }
  void check() const {
    EXPECT_EQ(texts(source_), texts(target_));
    if (counts_) {
      int64_t sum = 0;
      for (const auto& [key, row] : source_) sum += row[2].integer();
      EXPECT_EQ(sum, counted_);
    }
    for (const std::string& version : written_) {
      const bool there = std::any_of(source_.begin(), source_.end(), [&](const auto& entry) {
        return entry.second[1].text() == version;
      });
      EXPECT_TRUE(there || seen_.contains(version) || recorded_.contains(version)) << version;
    }
    EXPECT_TRUE(ledger_.all_seen());
  }
  [[nodiscard]] size_t conflicts() const { return recorded_.size(); }

 private:
  static std::vector<std::string> texts(const Side& side) {
    std::vector<std::string> out;
    for (const auto& [key, row] : side) {
      out.push_back(fmt::format("{} {} {}", key, row[1].text(), row[2].integer()));
    }
    return out;
  }

  void step() {
    switch (random_() % 10) {
      case 0:
      case 1:
      case 2:
        return write_source();
      case 3:
      case 4:
      case 5:
        return write_target();
      case 6:
        return read_log();
      case 7:
        return to_target(random_() % 8 == 0);
      case 8:
        return receive(stream_ + random_() % 4);
      default:
        return to_source(random_() % 8 == 0);
    }
  }

  // What an application makes of a row: nothing, a new one, or a new version.
  std::optional<Row> written(int64_t key, const std::optional<Row>& before, const char* side) {
    if (before) seen_.insert((*before)[1].text());
    if (!counts_ && before && random_() % 4 == 0) return std::nullopt;
    const std::string version = fmt::format("{}{}", side, ++versions_);
    written_.insert(version);
    const int64_t amount = static_cast<int64_t>(random_() % 9) + 1;
    counted_ += amount;
    const int64_t counter = before ? (*before)[2].integer() : 0;
    return Row{Value(key), Value(Text{version}), Value(counter + amount)};
  }
  int64_t any_key() { return static_cast<int64_t>(random_() % kKeys) + 1; }

  void write_source() {
    const int64_t key = any_key();
    const auto before = row_of(source_, key);
    const auto after = written(key, before, "s");
    if (!before && !after) return;
    Change change;
    change.lsn = Lsn{++log_end_};
    change.table = table_;
    change.op = !before ? ChangeOp::kInsert : after ? ChangeOp::kUpdate : ChangeOp::kDelete;
    if (before) change.before = *before;
    if (after) change.after = *after;
    log_.push_back(std::move(change));
    set(&source_, key, after);
  }

  static void change_row(Side* side, Committed* into, const std::shared_ptr<const Table>& table,
                         int64_t key, const std::optional<Row>& after) {
    const auto before = row_of(*side, key);
    if (!before && !after) return;
    TargetChange change;
    change.table = table;
    change.op = !before ? TargetOp::kInsert : after ? TargetOp::kUpdate : TargetOp::kDelete;
    if (before) change.key = {Value(key)};
    if (after) change.after.assign(after->begin(), after->end());
    into->changes.push_back(std::move(change));
    set(side, key, after);
  }
  void write_target() {
    const int64_t key = any_key();
    Committed transaction;
    change_row(&target_, &transaction, table_, key, written(key, row_of(target_, key), "t"));
    if (!transaction.changes.empty()) wal_.push_back(std::move(transaction));
  }

  // The engine's: what it read of the log stays as it was read.
  void read_log() {
    if (batch_) return;
    batch_ = ChangeBatch{};
    for (const Change& change : log_) {
      if (change.lsn > applied_) batch_->changes.push_back(change);
    }
    batch_->through = Lsn{log_end_};
  }

  SourceChanges pending() const {
    SourceChanges out(ledger_);
    ChangeBatch all;
    for (const Change& change : log_) {
      if (change.lsn > applied_) all.changes.push_back(change);
    }
    out.add(all);
    return out;
  }

  // What a transaction over both sides comes to, before it is committed.
  struct Both {
    Side source;
    Side target;
    Committed committed;
    std::vector<KeyId> keys;
    std::map<KeyId, Lsn> settled;
    std::set<std::string> recorded;
  };
  Both begin() {
    Both both{source_, target_, {}, {}, {}, {}};
    both.committed.mark = own_mark(std::to_string(++marks_));
    return both;
  }
  void decide(int64_t key, const SourceChanges& pending, Both* both) const {
    const KeyId id = key_id(*table_, {Value(key)});
    const SourceNet* net = pending.find(id);
    const auto source = net != nullptr ? net->final : row_of(both->source, key);
    const auto base = net != nullptr ? net->base : source;
    const auto target = row_of(both->target, key);
    const auto pointer = [](const std::optional<Row>& row) { return row ? &*row : nullptr; };
    std::optional<Row> result = target;
    if (source != base && target != base) {
      const apply::Merged merged =
          apply::merge(*table_, policies_, {pointer(base), pointer(source), pointer(target)});
      ASSERT_NE(merged.taken, apply::Taken::kWaits) << merged.why;
      result = merged.row;
      for (const auto& row : {source, target}) {
        if (row) both->recorded.insert((*row)[1].text());
      }
    } else if (source != base) {
      result = source;
    }
    if (target != result) change_row(&both->target, &both->committed, table_, key, result);
    set(&both->source, key, result);
    both->settled[id] = Lsn{log_end_};
    if (!target && !result) return;
    both->keys.push_back(id);
    both->committed.settled.push_back(id);
  }
  // The target's part; with `crash` the engine dies before the source's.
  void commit(Both both, Lsn through, bool source_too, bool crash) {
    target_ = std::move(both.target);
    applied_ = through;
    for (const auto& [id, lsn] : both.settled) settled_[id] = std::max(settled_[id], lsn);
    recorded_.merge(both.recorded);
    ledger_.committed(both.committed.mark, both.keys);
    wal_.push_back(std::move(both.committed));
    if (crash) return restart();
    if (source_too) source_ = std::move(both.source);
    for (const auto& [id, lsn] : both.settled) ledger_.settle(id, lsn);
    ledger_.forget_settled(applied_);
  }

  void to_target(bool crash) {
    if (!batch_) return;
    SourceChanges changes(ledger_);
    changes.add(*batch_);
    Both both = begin();
    std::vector<int64_t> contested;
    for (const SourceNet& net : changes.all()) {
      const int64_t key = net.key[0].integer();
      if (net.base == net.final) continue;
      if (row_of(both.target, key) != net.base) {
        contested.push_back(key);
        continue;
      }
      change_row(&both.target, &both.committed, table_, key, net.final);
      both.keys.push_back(key_id(*table_, net.key));
    }
    const SourceChanges waiting = pending();
    for (const int64_t key : contested) decide(key, waiting, &both);
    const Lsn through = batch_->through;
    batch_.reset();
    commit(std::move(both), through, !contested.empty(), crash);
  }

  void receive(size_t until) {
    for (; stream_ < std::min(until, wal_.size()); ++stream_) {
      const Committed& transaction = wal_[stream_];
      if (!transaction.mark.empty()) {
        std::vector<KeyId> keys;
        ASSERT_TRUE(ledger_.seen(transaction.mark, &keys)) << transaction.mark;
        for (const KeyId& key : keys) net_.forget(key);
        continue;
      }
      for (const TargetChange& change : transaction.changes) {
        ASSERT_TRUE(net_.add(change).has_value());
      }
    }
  }

  void to_source(bool crash) {
    const SourceChanges waiting = pending();
    Both both = begin();
    bool contested = false;
    for (const TargetNet* net : net_.all()) {
      const KeyId id = key_id(*table_, net->key);
      const int64_t key = net->key[0].integer();
      if (ledger_.takes_in(id)) continue;
      if (waiting.find(id) != nullptr) {
        contested = true;
        decide(key, waiting, &both);
        continue;
      }
      std::optional<Row> row;
      if (net->row) {
        row.emplace();
        for (const auto& value : *net->row) row->push_back(*value);
      }
      set(&both.source, key, row);
    }
    net_.clear();
    const size_t position = stream_;
    if (contested) {
      commit(std::move(both), applied_, true, crash);
      if (crash) return;
    } else {
      source_ = std::move(both.source);
    }
    position_ = position;
    if (crash) restart();
  }

  // All but what the two databases have is gone.
  void restart() {
    ledger_ = DualLedger();
    net_.clear();
    batch_.reset();
    stream_ = position_;
    for (size_t i = position_; i < wal_.size(); ++i) {
      if (wal_[i].mark.empty()) continue;
      std::set<KeyId> keys(wal_[i].settled.begin(), wal_[i].settled.end());
      for (const TargetChange& change : wal_[i].changes) {
        const Row key = change.key.empty() ? Row{*change.after[0]} : change.key;
        keys.insert(key_id(*table_, key));
      }
      ledger_.committed(wal_[i].mark, {keys.begin(), keys.end()});
    }
    for (const auto& [id, lsn] : settled_) ledger_.settle(id, lsn);
    if (settled_.empty()) return;
    const SourceChanges waiting = pending();
    Both both = begin();
    for (int64_t key = 1; key <= kKeys; ++key) {
      if (settled_.contains(key_id(*table_, {Value(key)}))) decide(key, waiting, &both);
    }
    std::erase_if(settled_, [&](const auto& entry) { return entry.second <= applied_; });
    commit(std::move(both), applied_, true, false);
  }

  std::mt19937 random_;
  const bool counts_;
  const std::shared_ptr<const Table> table_;
  TableConflicts policies_;

  // The source has its rows, its log, and the position in the target's stream.
  Side source_;
  std::vector<Change> log_;
  int64_t log_end_ = 0;
  size_t position_ = 0;
  // The target has its rows, its log, and what the engine commits with them.
  Side target_;
  std::vector<Committed> wal_;
  Lsn applied_;
  std::map<KeyId, Lsn> settled_;
  // The engine has the rest, until it dies.
  DualLedger ledger_;
  TargetChanges net_;
  std::optional<ChangeBatch> batch_;
  size_t stream_ = 0;
  int64_t marks_ = 0;
  // What is known of the applications.
  int64_t versions_ = 0;
  int64_t counted_ = 0;
  std::set<std::string> written_;
  std::set<std::string> seen_;
  std::set<std::string> recorded_;
};

class DualModelTest : public ::testing::TestWithParam<std::pair<ConflictPolicy, bool>> {};

TEST_P(DualModelTest, BothSidesConverge) {
  const char* const given = std::getenv("CROSSFADE_SEED");
  const uint64_t first = given == nullptr ? 1 : std::strtoull(given, nullptr, 10);
  const uint64_t last = given == nullptr ? kSeeds : first;
  size_t conflicts = 0;
  for (uint64_t seed = first; seed <= last && !HasFailure(); ++seed) {
    SCOPED_TRACE(fmt::format("CROSSFADE_SEED={}", seed));
    Model model(seed, GetParam().first, GetParam().second);
    model.run();
    model.check();
    conflicts += model.conflicts();
  }
  EXPECT_GT(conflicts, last - first);  // else nothing was tried
}

INSTANTIATE_TEST_SUITE_P(Policies, DualModelTest,
                         ::testing::Values(std::pair(ConflictPolicy::kSourceWins, false),
                                           std::pair(ConflictPolicy::kTargetWins, false),
                                           std::pair(ConflictPolicy::kSourceWins, true),
                                           std::pair(ConflictPolicy::kTargetWins, true)),
                         [](const auto& of) {
                           return fmt::format("{}{}", to_string(of.param.first),
                                              of.param.second ? "_with_counters" : "");
                         });

}  // namespace
}  // namespace crossfade::run
