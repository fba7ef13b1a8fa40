#include "apply/prepared_batch.h"

#include <algorithm>
#include <utility>

namespace crossfade::apply {
namespace {

bool is_before(const Value& a, const Value& b) {
  if (a.storage() != b.storage()) return a.storage() < b.storage();
  switch (a.storage()) {
    case StorageClass::kNull:
      return false;
    case StorageClass::kInteger:
      return a.integer() < b.integer();
    case StorageClass::kReal:
      return a.real() < b.real();
    case StorageClass::kText:
      return a.text() < b.text();
    case StorageClass::kBlob:
      return a.blob() < b.blob();
  }
  return false;
}

std::vector<const NetRow*> by_key(const NetTable& net) {
  std::vector<const NetRow*> rows;
  rows.reserve(net.rows.size());
  for (const NetRow& row : net.rows) rows.push_back(&row);
  std::ranges::sort(rows, [](const NetRow* a, const NetRow* b) {
    return std::ranges::lexicographical_compare(a->key, b->key, is_before);
  });
  return rows;
}

PreparedTable prepare_table(NetTable net, int server_version) {
  PreparedTable out;
  out.net = std::move(net);
  const Table& table = *out.net.table;
  std::vector<const Row*> keys;
  const RowEncoder encoder(table, server_version);
  for (const NetRow* row : by_key(out.net)) {
    if (row->was_there) keys.push_back(&row->key);
    if (row->final == nullptr) continue;
    if (const auto column = encoder.append(*row->final, &out.rows)) {
      out.unfit.push_back({row, *column});
    } else {
      out.origin.push_back(row);
    }
  }
  out.gone = encode_keys(table, keys, server_version);
  return out;
}

}  // namespace

size_t PreparedBatch::size_bytes() const {
  // Of each row: a key of one column, where it begins, and whose it is.
  constexpr size_t kEach = sizeof(NetRow) + sizeof(Value) + sizeof(size_t) + sizeof(void*);
  size_t total = 0;
  for (const PreparedTable& table : tables) {
    total += table.rows.bytes.capacity() + table.gone.size_bytes();
    total += table.net.rows.size() * kEach;
  }
  return total;
}

PreparedBatch prepare(std::vector<NetTable> net, int server_version) {
  PreparedBatch out;
  out.tables.reserve(net.size());
  for (NetTable& table : net) out.tables.push_back(prepare_table(std::move(table), server_version));
  return out;
}

}  // namespace crossfade::apply
