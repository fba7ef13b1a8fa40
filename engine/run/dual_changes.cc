#include "engine/run/dual_changes.h"

#include <utility>

#include "apply/row_image.h"

namespace crossfade::run {

Row comparable(const Table& table, Row row) {
  for (size_t i = 0; i < row.size(); ++i) {
    if (table.columns[i].generated) row[i] = Value();
  }
  return row;
}

Row key_of_row(const Table& table, const Row& row) {
  Row key;
  key.reserve(table.key.size());
  for (const size_t k : table.key) key.push_back(row[k]);
  return key;
}

void SourceChanges::add(const ChangeBatch& batch) {
  for (const Change& change : batch.changes) {
    const Row* before = change.before.empty() ? nullptr : &change.before;
    const Row* after = change.after.empty() ? nullptr : &change.after;
    if (before != nullptr && after != nullptr &&
        key_of_row(*change.table, *before) != key_of_row(*change.table, *after)) {
      touch(change.table, change.lsn, before, nullptr, *before);
      touch(change.table, change.lsn, nullptr, after, *after);
    } else {
      touch(change.table, change.lsn, before, after, before != nullptr ? *before : *after);
    }
  }
}

void SourceChanges::touch(const std::shared_ptr<const Table>& table, Lsn lsn, const Row* before,
                          const Row* after, const Row& of_key) {
  Row key = key_of_row(*table, of_key);
  KeyId id = key_id(*table, key);
  if (!knows(id) || ledger_->is_settled(id, lsn)) return;
  const auto [at, fresh] = index_.try_emplace(std::move(id), nets_.size());
  if (fresh) {
    SourceNet net{table, std::move(key), std::nullopt, std::nullopt, lsn};
    if (before != nullptr) net.base = comparable(*table, *before);
    nets_.push_back(std::move(net));
  }
  SourceNet& net = nets_[at->second];
  net.last = lsn;
  net.final.reset();
  if (after != nullptr) net.final = comparable(*table, *after);
}

const SourceNet* SourceChanges::find(const KeyId& id) const {
  const auto found = index_.find(id);
  return found == index_.end() ? nullptr : &nets_[found->second];
}

TargetNet& TargetChanges::at(const std::shared_ptr<const Table>& table, const Row& key) {
  KeyId id = key_id(*table, key);
  const auto [found, fresh] = nets_.try_emplace(id);
  if (fresh) {
    found->second.table = table;
    found->second.key = key;
    bytes_ += id.size() + size_bytes(key);
  }
  undated_.push_back(std::move(id));
  return found->second;
}

Status TargetChanges::add(const TargetChange& change) {
  const Table& table = *change.table;
  if (change.op == TargetOp::kTruncate) {
    std::erase_if(nets_, [&](const auto& entry) { return entry.second.table->name == table.name; });
    truncated_[table.name] = {change.table, {}};
    return ok();
  }
  apply::Image image(table.columns.size());
  Row fill_from;
  if (change.op == TargetOp::kUpdate) {
    const auto known = nets_.find(key_id(table, change.key));
    if (known == nets_.end()) {
      fill_from = change.key;
    } else if (known->second.row) {
      image = *known->second.row;
      fill_from = known->second.fill_from;
    }
  }
  if (change.op != TargetOp::kInsert) {
    TargetNet& gone = at(change.table, change.key);
    gone.row.reset();
    gone.misfit.clear();
  }
  if (change.op == TargetOp::kDelete) return ok();
  CROSSFADE_TRY(const Row key, apply::key_after(change));
  apply::change_image(change, &image);
  TargetNet& net = at(change.table, key);
  net.misfit = change.misfit ? apply::unfit_of(table, *change.misfit).reason : std::string();
  net.fill_from = std::move(fill_from);
  for (const auto& value : image) bytes_ += value ? value->size_bytes() : 0;
  net.row = std::move(image);
  return ok();
}

void TargetChanges::committed_at(int64_t us) {
  for (const KeyId& id : undated_) {
    if (const auto found = nets_.find(id); found != nets_.end()) found->second.committed_us = us;
  }
  undated_.clear();
}

void TargetChanges::forget(const KeyId& id) {
  nets_.erase(id);
  const std::string table = id.substr(0, id.find('\0'));
  if (const auto found = truncated_.find(table); found != truncated_.end()) {
    found->second.spared.insert(id);
  }
}

std::vector<const TargetNet*> TargetChanges::all() const {
  std::vector<const TargetNet*> out;
  out.reserve(nets_.size());
  for (const auto& [id, net] : nets_) out.push_back(&net);
  return out;
}

void TargetChanges::clear() {
  nets_.clear();
  truncated_.clear();
  undated_.clear();
  bytes_ = 0;
}

}  // namespace crossfade::run
