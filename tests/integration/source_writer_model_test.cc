// Promise: whatever PostgreSQL's transactions did to a table, and in whatever order their changes
// come, SQLite ends up with the same rows, bit by bit; only rows that had a value with no equal are
// set aside, and settling them makes both sides equal.
//
// Each seed makes tables, and transactions of an ordinary SQLite in memory, whose differences come
// to the writer as changes in a shuffled order with states in between that the schema forbids.
// CROSSFADE_SEED=n runs one seed, CROSSFADE_SEEDS=n that many.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <iterator>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "apply/source_writer.h"
#include "tests/support/random_rows.h"
#include "tests/support/random_schema.h"
#include "tests/support/source_file.h"

namespace crossfade::testing {
namespace {

constexpr uint64_t kSeeds = 104;  // 8 of each kind of table
constexpr size_t kCommits = 12;

uint64_t seed_setting(const char* name, uint64_t otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr || *value == '\0' ? otherwise : std::strtoull(value, nullptr, 10);
}

class WriterModel {
 public:
  explicit WriterModel(uint64_t seed)
      : random_(seed),
        create_(keyed_table_sql(seed)),
        file_(create_),
        table_(file_.table("t")),
        twin_(random_, seed, table_),
        misfits_(random_.one_in(2)) {
    open();
  }

  // Empty, or what went wrong.
  std::string run() {
    for (size_t i = 0; i < kCommits; ++i) {
      if (random_.one_in(5)) open();
      if (auto amiss = commit(); !amiss.empty()) return amiss;
      if (auto amiss = compare(); !amiss.empty()) return amiss;
      if (random_.one_in(4)) {
        if (auto amiss = settle_all(); !amiss.empty()) return amiss;
      }
    }
    return settle_all();
  }
  [[nodiscard]] const char* create() const { return create_; }
  [[nodiscard]] size_t changes() const { return changes_; }
  [[nodiscard]] size_t set_aside() const { return set_aside_; }

 private:
  void open() {
    writer_.reset();
    auto opened = apply::SourceWriter::open(file_.path());
    ASSERT_TRUE(opened) << describe(opened.error());
    writer_.emplace(std::move(opened).value());
    EXPECT_TRUE(writer_->connection().exec("PRAGMA synchronous=OFF"));
  }

  // --- The stream. ---

  using Chain = std::deque<TargetChange>;  // of one row, in order

  Fields image(const Row& row) {
    Fields out(row.size());
    for (size_t i = 0; i < row.size(); ++i) {
      if (!table_->columns[i].generated) out[i] = row[i];
    }
    return out;
  }
  [[nodiscard]] bool is_key(size_t column) const {
    return std::find(table_->key.begin(), table_->key.end(), column) != table_->key.end();
  }
  // The row on its way: one value is that of another row.
  Row between(Row row, const KeyedRows& others) {
    if (others.empty()) return row;
    const size_t column = random_.below(row.size());
    if (is_key(column)) return row;
    auto other = others.begin();
    std::advance(other, static_cast<std::ptrdiff_t>(random_.below(others.size())));
    row[column] = other->second[column];
    return row;
  }
  // Leaves out what is as it was.
  Fields leave_out(Fields after, const Row& before) {
    for (size_t i = 0; i < after.size(); ++i) {
      if (after[i] && *after[i] == before[i] && random_.one_in(3)) after[i].reset();
    }
    return after;
  }
  // A value of it has no equal, perhaps.
  TargetChange spoiled(TargetChange change) {
    if (!misfits_ || !random_.one_in(5)) return change;
    const size_t column = random_.below(change.after.size());
    if (is_key(column) || table_->columns[column].generated) return change;
    return misfitting(std::move(change), column, "NaN");
  }

  Chain chain_of(const Row* before, const Row* after, const KeyedRows& others) {
    Chain out;
    Row now = before != nullptr ? *before : between(*after, others);
    if (before == nullptr) {
      out.push_back(spoiled(inserted(table_, image(now))));
    } else if (random_.one_in(3)) {
      const Row next = between(*before, others);
      out.push_back(
          spoiled(updated(table_, key_in_row(*table_, now), leave_out(image(next), now))));
      now = next;
    }
    if (after == nullptr) {
      out.push_back(deleted(table_, key_in_row(*table_, now)));
      return out;
    }
    if (before != nullptr || now != *after || random_.one_in(4)) {
      out.push_back(
          spoiled(updated(table_, key_in_row(*table_, now), leave_out(image(*after), now))));
    }
    return out;
  }

  // What made `after` of `before`, in some order.
  std::vector<TargetChange> stream(const KeyedRows& before, const KeyedRows& after) {
    std::vector<TargetChange> out;
    std::vector<const Row*> gone;
    std::vector<const Row*> come;
    std::vector<Chain> chains;
    const bool truncate = random_.one_in(12);
    if (truncate) out.push_back(truncated(table_));
    for (const auto& [key, row] : before) {
      const auto now = after.find(key);
      if (truncate) continue;
      if (now == after.end()) {
        gone.push_back(&row);
      } else if (now->second != row || random_.one_in(10)) {
        chains.push_back(chain_of(&row, &now->second, after));
      }
    }
    for (const auto& [key, row] : after) {
      if (truncate || !before.contains(key)) come.push_back(&row);
    }
    while (!gone.empty() || !come.empty()) {
      const Row* from = nullptr;
      const Row* to = nullptr;
      const bool moves = !gone.empty() && !come.empty() && random_.one_in(2);
      if (moves || come.empty()) {
        from = gone.back();
        gone.pop_back();
      }
      if (moves || from == nullptr) {
        to = come.back();
        come.pop_back();
      }
      chains.push_back(chain_of(from, to, after));
    }
    while (!chains.empty()) {
      const size_t at = random_.below(chains.size());
      out.push_back(std::move(chains[at].front()));
      chains[at].pop_front();
      if (chains[at].empty()) chains.erase(chains.begin() + static_cast<std::ptrdiff_t>(at));
    }
    return out;
  }

  // --- Both. ---

  // Which keys may be set aside: those of rows that had a misfit since they were told whole.
  void note(const TargetChange& change) {
    if (change.op == TargetOp::kTruncate) may_be_aside_.clear();
    bool tainted = change.misfit.has_value();
    if (change.op != TargetOp::kInsert)
      tainted = may_be_aside_.erase(canonical_key(change.key)) != 0 || tainted;
    if (change.after.empty() || !tainted) return;
    Row key = change.key;
    for (size_t i = 0; i < table_->key.size(); ++i) {
      const auto& value = change.after[table_->key[i]];
      if (value && i < key.size()) key[i] = *value;
      if (value && i >= key.size()) key.push_back(*value);
    }
    may_be_aside_.insert(canonical_key(key));
  }

  std::string commit() {
    const bool give_up = random_.one_in(6);
    std::vector<std::vector<TargetChange>> transactions;
    for (size_t i = 1 + random_.below(3); i > 0; --i) {
      const KeyedRows before = twin_.rows();
      twin_.transaction();
      transactions.push_back(stream(before, twin_.rows()));
    }
    for (const auto& transaction : transactions) {
      for (const auto& change : transaction) note(change);
    }
    for (int attempt = give_up ? 0 : 1; attempt < 2; ++attempt) {
      Status done = writer_->begin(Deadline::after(std::chrono::seconds(10)));
      for (const auto& transaction : transactions) {
        for (const TargetChange& change : transaction) {
          if (done) done = writer_->apply(change);
          ++changes_;
        }
        if (done) done = writer_->end_transaction();
      }
      if (!done) return describe(done.error());
      if (attempt == 0) {
        writer_->rollback();
      } else if (done = writer_->commit({}); !done) {
        return describe(done.error());
      }
    }
    return "";
  }

  std::string compare() {
    const KeyedRows is = read_keyed_rows(file_.connection(), *table_);
    const KeyedRows should = twin_.rows();
    std::set<std::string> aside;
    const auto entries = writer_->set_aside(100'000);
    for (const apply::SetAside& each : entries.value()) {
      aside.insert(canonical_key(each.key));
      ++set_aside_;
      if (!may_be_aside_.contains(canonical_key(each.key))) {
        return fmt::format("{} was set aside: {}", to_literal(each.key.front()), each.reason);
      }
      if (!should.contains(canonical_key(each.key)))
        return "an entry of no row: " + to_literal(each.key[0]);
    }
    for (const auto& [key, row] : should) {
      if (aside.contains(key)) continue;
      const auto found = is.find(key);
      if (found == is.end()) return "missing: " + show(row);
      if (found->second != row) return show(found->second) + " instead of " + show(row);
    }
    for (const auto& [key, row] : is) {
      if (!should.contains(key)) return "left over: " + show(row);
    }
    return "";
  }

  std::string settle_all() {
    const KeyedRows should = twin_.rows();
    const auto entries = writer_->set_aside(100'000);
    for (const apply::SetAside& each : entries.value()) {
      const auto row = should.find(canonical_key(each.key));
      const auto settled = writer_->settle(
          *table_, each.key, row == should.end() ? std::optional<Row>() : row->second);
      if (!settled) return describe(settled.error());
      if (!settled.value()) {
        return "not settled: " + to_literal(each.key.front()) + " " +
               writer_->set_aside(1000).value().back().reason;
      }
    }
    may_be_aside_.clear();
    if (writer_->set_aside_count().value() != 0) return "something is left aside";
    return compare();
  }

  static std::string show(const Row& row) {
    std::string out;
    for (const Value& value : row) out += to_literal(value) + " ";
    return out;
  }

  Random random_;
  const char* const create_;
  SourceFile file_;
  const std::shared_ptr<const Table> table_;
  RandomRows twin_;
  const bool misfits_;
  std::optional<apply::SourceWriter> writer_;
  std::set<std::string> may_be_aside_;
  size_t changes_ = 0;
  size_t set_aside_ = 0;
};

TEST(SourceWriterModelTest, AnyHistoryInAnyOrder) {
  const uint64_t one = seed_setting("CROSSFADE_SEED", 0);
  const uint64_t last = one != 0 ? one : seed_setting("CROSSFADE_SEEDS", kSeeds);
  size_t changes = 0;
  size_t set_aside = 0;
  for (uint64_t seed = one != 0 ? one : 1; seed <= last; ++seed) {
    WriterModel model(seed);
    ASSERT_EQ(model.run(), "") << "CROSSFADE_SEED=" << seed << "\n" << model.create();
    changes += model.changes();
    set_aside += model.set_aside();
  }
  std::printf("%zu changes, %zu times set aside\n", changes, set_aside);
  // It did what it says.
  if (one == 0 && last >= kSeeds) {
    EXPECT_GT(changes, 10'000U);
    EXPECT_GT(set_aside, 200U);
  }
}

}  // namespace
}  // namespace crossfade::testing
