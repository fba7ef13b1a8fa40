// What a stretch of changes comes to, per key: the last row, or none.
//
// Deleting every touched key first and then inserting the final rows makes unique swaps, key
// changes and any order inside a transaction come out right, because the final rows are a state
// the source had.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include "engine/core/change.h"

namespace crossfade::apply {

struct NetRow {
  Row key;                     // key columns, in Table::key order
  bool was_there = false;      // the target is to hold a row of this key before
  bool certain = true;         // was_there is known, not merely possible
  const Row* final = nullptr;  // into the batch; null: no row in the end
};

struct NetTable {
  std::shared_ptr<const Table> table;
  std::vector<NetRow> rows;  // in order of first touch
};

// Tables of which the target is at the state just before the changes, so an inserted key is not
// there yet. Of the others (catching up over a copy) any key may be there already.
using ExactTables = std::unordered_set<const Table*>;

// Views into `batch`, which may be moved, but not changed.
[[nodiscard]] std::vector<NetTable> net_changes(const ChangeBatch& batch, const ExactTables& exact);

[[nodiscard]] Row key_of(const Table& table, const Row& row);
[[nodiscard]] std::string identity_of(const Row& key);

}  // namespace crossfade::apply
