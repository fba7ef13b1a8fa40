// What of the changes in flight is taken in already, while both sides are written to
// (docs/decisions/0008-dual-writes.md).
//
// A change is on its way to the other side from its commit until the engine comes to it. When the
// engine writes a key with the row of both sides held still, it takes in all that was committed for
// it by then; this remembers up to where, so that the same changes are passed over when they come.
// No I/O. Threads: one.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/core/schema.h"
#include "engine/core/strong.h"
#include "engine/core/value.h"

namespace crossfade::run {

// A key of a table's, as one string.
using KeyId = std::string;
[[nodiscard]] KeyId key_id(const Table& table, const Row& key);

class DualLedger {
 public:
  // The source's changes of the key at or below `through` are part of what both sides have.
  void settle(const KeyId& id, Lsn through);
  [[nodiscard]] bool is_settled(const KeyId& id, Lsn change) const;
  // Nothing at or below it comes again.
  void forget_settled(Lsn applied);

  // A transaction of the engine's on the target committed: `mark` is its first write, which the
  // stream brings back; what was committed for `ids` before it is taken in.
  void committed(std::string mark, std::vector<KeyId> ids);
  // Whether such a transaction is still to come: a change of the target's that has come is older.
  [[nodiscard]] bool takes_in(const KeyId& id) const { return in_flight_.contains(id); }
  // It has come. Returns its keys, whose changes that came before it are void. False: it is not the
  // next one, so the stream is not of this ledger.
  [[nodiscard]] bool seen(std::string_view mark, std::vector<KeyId>* ids);
  [[nodiscard]] size_t keys_in_flight() const { return in_flight_.size(); }
  [[nodiscard]] bool all_seen() const { return own_.empty(); }

  // Keys whose conflict waits for a person: neither side's changes pass.
  void hold(const KeyId& id, int64_t conflict) { held_[id] = conflict; }
  void release_all() { held_.clear(); }
  [[nodiscard]] bool is_held(const KeyId& id) const { return held_.contains(id); }
  [[nodiscard]] size_t held() const { return held_.size(); }

 private:
  struct Own {
    std::string mark;
    std::vector<KeyId> ids;
  };
  std::unordered_map<KeyId, Lsn> settled_;
  std::deque<Own> own_;                          // in the order of their commits
  std::unordered_map<KeyId, size_t> in_flight_;  // in how many of own_; never 0
  std::unordered_map<KeyId, int64_t> held_;
};

}  // namespace crossfade::run
