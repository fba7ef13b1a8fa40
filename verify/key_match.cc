#include "verify/key_match.h"

#include <algorithm>

#include "verify/verdict.h"

namespace crossfade::verify {

KeyMatch::KeyMatch(const Table& table, const std::vector<RowDigest>& source) : table_(table) {
  entries_.reserve(source.size());
  for (const RowDigest& row : source) entries_.push_back({&row});
  std::sort(entries_.begin(), entries_.end(),
            [](const Entry& a, const Entry& b) { return a.row->key < b.row->key; });
}

void KeyMatch::meet(const std::string& key, const Digest128& digest, ChunkVerdict* verdict,
                    const Sha256Bytes* sha256) {
  ++verdict->rows_target;
  auto at = std::lower_bound(entries_.begin(), entries_.end(), key,
                             [](const Entry& e, const std::string& k) { return e.row->key < k; });
  while (at != entries_.end() && at->met && at->row->key == key) ++at;
  if (at == entries_.end() || at->row->key != key) return count_extra(table_, key, verdict);
  at->met = true;
  const RowDigest& row = *at->row;
  if (!row.representable || row.digest != digest || (sha256 != nullptr && row.sha256 != *sha256)) {
    count_source_row(table_, *at->row, Difference::Kind::kChanged, verdict);
  }
}

void KeyMatch::finish(ChunkVerdict* verdict) {
  verdict->rows_source += static_cast<int64_t>(entries_.size());
  for (const Entry& entry : entries_) {
    if (!entry.met) count_source_row(table_, *entry.row, Difference::Kind::kMissing, verdict);
  }
}

}  // namespace crossfade::verify
