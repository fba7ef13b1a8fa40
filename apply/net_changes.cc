#include "apply/net_changes.h"

#include <unordered_map>

namespace crossfade::apply {
namespace {

class Collector {
 public:
  Collector(std::shared_ptr<const Table> table, bool exact) : exact_(exact) {
    net_.table = std::move(table);
  }

  void add(const Change& change) {
    switch (change.op) {
      case ChangeOp::kInsert:
        touch(change.after, !exact_, false).final = &change.after;
        return;
      case ChangeOp::kUpdate: {
        touch(change.before, true, true).final = nullptr;
        touch(change.after, !exact_, false).final = &change.after;
        return;
      }
      case ChangeOp::kDelete:
        touch(change.before, true, true).final = nullptr;
        return;
      case ChangeOp::kVanish:
        touch(change.before, true, false).final = nullptr;
        return;
    }
  }

  NetTable take() { return std::move(net_); }

 private:
  NetRow& touch(const Row& row, bool was_there, bool certain) {
    Row key = key_of(*net_.table, row);
    const auto [at, fresh] = index_.try_emplace(identity_of(key), net_.rows.size());
    if (fresh) {
      net_.rows.push_back({std::move(key), was_there, certain && exact_, nullptr});
    }
    return net_.rows[at->second];
  }

  const bool exact_;
  NetTable net_;
  std::unordered_map<std::string, size_t> index_;
};

}  // namespace

std::vector<NetTable> net_changes(const ChangeBatch& batch, const ExactTables& exact) {
  std::vector<Collector> collectors;
  std::unordered_map<const Table*, size_t> by_table;
  for (const Change& change : batch.changes) {
    const auto [at, fresh] = by_table.try_emplace(change.table.get(), collectors.size());
    if (fresh) {
      collectors.emplace_back(change.table, exact.contains(change.table.get()));
    }
    collectors[at->second].add(change);
  }
  std::vector<NetTable> out;
  out.reserve(collectors.size());
  for (Collector& collector : collectors) out.push_back(collector.take());
  return out;
}

Row key_of(const Table& table, const Row& row) {
  Row key;
  key.reserve(table.key.size());
  for (const size_t k : table.key) key.push_back(row[k]);
  return key;
}

std::string identity_of(const Row& key) {
  std::string out;
  for (const Value& value : key) append_identity(value, &out);
  return out;
}

}  // namespace crossfade::apply
