#include "apply/prepared_batch.h"

#include <utility>

namespace crossfade::apply {
namespace {

PreparedTable prepare_table(NetTable net, int server_version) {
  PreparedTable out;
  out.net = std::move(net);
  const Table& table = *out.net.table;
  std::vector<const Row*> keys;
  const RowEncoder encoder(table, server_version);
  for (const NetRow& row : out.net.rows) {
    if (row.was_there) keys.push_back(&row.key);
    if (row.final == nullptr) continue;
    if (const auto column = encoder.append(*row.final, &out.rows)) {
      out.unfit.push_back({&row, *column});
    } else {
      out.origin.push_back(&row);
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
