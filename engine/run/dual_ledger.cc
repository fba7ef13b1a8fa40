#include "engine/run/dual_ledger.h"

#include <algorithm>
#include <utility>

namespace crossfade::run {

KeyId key_id(const Table& table, const Row& key) {
  KeyId out = table.name;
  out += '\0';
  for (const Value& value : key) append_identity(value, &out);
  return out;
}

void DualLedger::settle(const KeyId& id, Lsn through) {
  Lsn& known = settled_[id];
  known = std::max(known, through);
}

bool DualLedger::is_settled(const KeyId& id, Lsn change) const {
  const auto found = settled_.find(id);
  return found != settled_.end() && change <= found->second;
}

void DualLedger::forget_settled(Lsn applied) {
  std::erase_if(settled_, [&](const auto& entry) { return entry.second <= applied; });
}

void DualLedger::committed(std::string mark, std::vector<KeyId> ids) {
  for (const KeyId& id : ids) ++in_flight_[id];
  own_.push_back({std::move(mark), std::move(ids)});
}

bool DualLedger::seen(std::string_view mark, std::vector<KeyId>* ids) {
  if (own_.empty() || own_.front().mark != mark) return false;
  *ids = std::move(own_.front().ids);
  own_.pop_front();
  for (const KeyId& id : *ids) {
    const auto found = in_flight_.find(id);
    if (--found->second == 0) in_flight_.erase(found);
  }
  return true;
}

}  // namespace crossfade::run
