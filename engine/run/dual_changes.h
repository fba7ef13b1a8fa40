// What each side's changes come to, per key, while both sides are written to.
//
// Rows are as a comparison of the two sides needs them: columns that the source computes are NULL.
// No I/O. Threads: one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "apply/source_statements.h"
#include "engine/core/change.h"
#include "engine/core/target_change.h"
#include "engine/run/dual_ledger.h"

namespace crossfade::run {

// Its columns that the source computes, as NULL.
[[nodiscard]] Row comparable(const Table& table, Row row);
[[nodiscard]] Row key_of_row(const Table& table, const Row& row);

struct SourceNet {
  std::shared_ptr<const Table> table;
  Row key;
  std::optional<Row> base;   // before the first change; nothing: there was no row
  std::optional<Row> final;  // after the last
  Lsn last;
};

// The source's changes of a stretch of its log, without those that the ledger has as settled.
class SourceChanges {
 public:
  // `only`: of these keys; null: of all. Borrowed.
  explicit SourceChanges(const DualLedger& ledger, const std::unordered_set<KeyId>* only = nullptr)
      : ledger_(&ledger), only_(only) {}
  void add(const ChangeBatch& batch);
  [[nodiscard]] const SourceNet* find(const KeyId& id) const;
  // Whether find() tells of the key at all.
  [[nodiscard]] bool knows(const KeyId& id) const {
    return only_ == nullptr || only_->contains(id);
  }
  // In the order in which keys were first touched.
  [[nodiscard]] const std::vector<SourceNet>& all() const { return nets_; }

 private:
  void touch(const std::shared_ptr<const Table>& table, Lsn lsn, const Row* before,
             const Row* after, const Row& of_key);

  const DualLedger* ledger_;
  const std::unordered_set<KeyId>* only_;
  std::vector<SourceNet> nets_;
  std::unordered_map<KeyId, size_t> index_;
};

struct TargetNet {
  std::shared_ptr<const Table> table;
  Row key;
  // Nothing: no row. A column without a value is as it was in SQLite's row of `fill_from`.
  std::optional<apply::Image> row;
  Row fill_from;
  std::string misfit;  // "price holds 'NaN'": the row cannot be written to SQLite
  int64_t committed_us = 0;
};

// The target's changes that have come and are not in SQLite yet.
class TargetChanges {
 public:
  // An error: a key that stands for no value of the source.
  Status add(const TargetChange& change);
  // The transaction of the changes added since the last call was committed then.
  void committed_at(int64_t us);
  // What came for the key so far is taken in by a transaction of the engine's.
  void forget(const KeyId& id);

  struct Truncated {
    std::shared_ptr<const Table> table;
    std::unordered_set<KeyId> spared;  // keys that the truncation is void for
  };
  [[nodiscard]] std::vector<const TargetNet*> all() const;
  [[nodiscard]] bool contains(const KeyId& id) const { return nets_.contains(id); }
  [[nodiscard]] const std::unordered_map<std::string, Truncated>& truncated() const {
    return truncated_;
  }
  [[nodiscard]] bool empty() const { return nets_.empty() && truncated_.empty(); }
  [[nodiscard]] size_t bytes() const { return bytes_; }
  [[nodiscard]] int64_t size() const { return static_cast<int64_t>(nets_.size()); }
  void clear();

 private:
  TargetNet& at(const std::shared_ptr<const Table>& table, const Row& key);

  std::unordered_map<KeyId, TargetNet> nets_;
  std::unordered_map<std::string, Truncated> truncated_;  // by table
  std::vector<KeyId> undated_;
  size_t bytes_ = 0;
};

}  // namespace crossfade::run
