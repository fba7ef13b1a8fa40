#include <algorithm>

#include "verify/canonical.h"
#include "verify/canonical_form.h"
#include "verify/chunk.h"

namespace crossfade::verify {

std::string key_form(const Table& table, const Row& key) {
  std::string out;
  for (size_t i = 0; i < key.size(); ++i) {
    const auto& type = table.columns[table.key[i]].type;
    if (!key[i].is_null() && append_canonical_source(key[i], type, &out)) continue;
    out.push_back(form::kUnrepresentable);
    append_identity(key[i], &out);
  }
  return out;
}

int64_t leave_out(const KeySet& keys, SourceChunk* chunk) {
  return static_cast<int64_t>(std::erase_if(chunk->rows, [&](const RowDigest& row) {
    if (!keys.contains(row.key)) return false;
    if (row.representable) chunk->sum -= row.digest;
    return true;
  }));
}

int64_t leave_out(const KeySet& keys, SourceKeys* keys_found) {
  return static_cast<int64_t>(std::erase_if(
      keys_found->found, [&](const RowDigest& row) { return keys.contains(row.key); }));
}

}  // namespace crossfade::verify
