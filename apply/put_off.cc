#include "apply/put_off.h"

#include <utility>

#include "apply/net_changes.h"
#include "engine/core/assert.h"

namespace crossfade::apply {
namespace {

std::string place_of(const Table& table, const Row& key) {
  return table.name + '\0' + identity_of(key);
}

size_t image_bytes(const Image& image) {
  size_t total = 0;
  for (const auto& value : image) total += value ? value->size_bytes() : sizeof(value);
  return total;
}

}  // namespace

size_t size_bytes(const PutOffRow& row) {
  // The key once more, in the index.
  size_t total = sizeof(PutOffRow) + 2 * size_bytes(row.key) + image_bytes(row.image);
  if (row.old) total += size_bytes(row.old->key) + image_bytes(row.old->image);
  return total;
}

const PutOffRow* PutOff::find(const Table& table, const Row& key) const {
  if (rows_.empty()) return nullptr;
  const auto at = order_of_.find(place_of(table, key));
  return at == order_of_.end() ? nullptr : &rows_.at(at->second);
}

void PutOff::add(PutOffRow row) {
  const bool fresh = order_of_.emplace(place_of(*row.table, row.key), next_).second;
  CROSSFADE_ASSERT(fresh, "a key of {} is put off twice", row.table->name);
  bytes_ += size_bytes(row);
  rows_.emplace(next_++, std::move(row));
}

PutOffRow PutOff::take(const Table& table, const Row& key) {
  const auto at = order_of_.find(place_of(table, key));
  CROSSFADE_ASSERT(at != order_of_.end(), "a key of {} is not put off", table.name);
  const auto found = rows_.find(at->second);
  PutOffRow row = std::move(found->second);
  rows_.erase(found);
  order_of_.erase(at);
  bytes_ -= size_bytes(row);
  return row;
}

std::vector<PutOffRow> PutOff::take_all() {
  std::vector<PutOffRow> out;
  out.reserve(rows_.size());
  for (auto& [order, row] : rows_) out.push_back(std::move(row));
  clear();
  return out;
}

void PutOff::drop_table(const Table& table) {
  for (auto at = rows_.begin(); at != rows_.end();) {
    if (at->second.table->name == table.name) {
      order_of_.erase(place_of(table, at->second.key));
      bytes_ -= size_bytes(at->second);
      at = rows_.erase(at);
    } else {
      ++at;
    }
  }
}

void PutOff::clear() {
  rows_.clear();
  order_of_.clear();
  bytes_ = 0;
}

}  // namespace crossfade::apply
