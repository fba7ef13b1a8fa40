// What becomes of a row that both sides changed: a three-way merge under the operator's policy.
//
// Pure, and symmetric: what it says depends on the three versions alone, never on which side's
// change came first. So both sides come to the same row.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "engine/core/conflict.h"
#include "engine/core/schema.h"
#include "engine/core/value.h"

namespace crossfade::apply {

// Null: there was, or is, no row of the key. Rows in Table::columns' order.
struct Versions {
  const Row* base = nullptr;    // what both sides had
  const Row* source = nullptr;  // what each made of it
  const Row* target = nullptr;
};

enum class Taken : uint8_t {
  kSource,
  kTarget,
  kMerged,  // a row that neither side has
  kSame,    // both came to the same
  kWaits,   // a person must decide
};
[[nodiscard]] const char* to_string(Taken taken);

struct Merged {
  Taken taken = Taken::kWaits;
  std::optional<Row> row;  // what both sides are to have; nothing: no row. Not for kWaits
  std::string why;         // of kWaits: "the policy is manual", "balance holds text", ...
};

// Under newest_wins a deletion wins: nothing in a row says when it was deleted, and a late change
// must not bring it back. Equal columns: the source's row. Rows whose columns hold values of
// different classes (NULL counts as oldest), sums that overflow or are of no numbers: kWaits.
// A column that only one side changed keeps that change when the column has a policy of its own;
// the other columns come from one row, whole.
[[nodiscard]] Merged merge(const Table& table, const TableConflicts& policies,
                           const Versions& versions);

// Which of two rows of different keys stays, when a unique key of either lets only one be there.
// kSource, kTarget or kWaits; delta counts as manual.
[[nodiscard]] Taken choose(const Table& table, const TableConflicts& policies, const Row& source,
                           const Row& target);

// Of one key. Not to be asked when one side changed nothing.
[[nodiscard]] ConflictKind classify(const Versions& versions);

}  // namespace crossfade::apply
