// What becomes of a row that both sides changed: a three-way merge under the operator's policy.
//
// Pure: what it says depends on the three versions alone, never on which side's change came first,
// and with the sides and the policies' sides exchanged it says the same, but for ties. So both
// sides come to the same row.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "engine/core/conflict.h"
#include "engine/core/schema.h"
#include "engine/core/value.h"

namespace crossfade::apply {

// Null: there was, or is, no row of the key; never: it is not known. Rows in Table::columns' order.
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
  // What decided: "newest_wins(updated_at)", "balance: delta", "only the target changed it". Of
  // kWaits, why nothing could: "the policy is manual", "balance holds text".
  std::string why;
};

// In this order:
//
// 1. A side that has what both had has no say: the other's row, or its deletion, is taken. Values
//    are the same when SQLite would store them as the same (3.0 in an INTEGER column is 3).
// 2. A deletion against a change: the owner of the base row wins, else the row's policy. Under
//    newest_wins the deletion wins: nothing in a row says when it was deleted, and a late change
//    must not bring it back.
// 3. Two rows. Columns with a policy of their own are decided one by one, owner or not: a change
//    that only one side made is kept; delta adds both increments, also equal ones (1 to 2 on both
//    sides comes to 3), and to 0 where both sides inserted the row; under the others two equal
//    values need no decision. All other columns come from one row, whole: from the side that
//    changed one of them, or, when both did and differ, from the owner of the base row (of both
//    rows, which must agree, where there is no base), else by the row's policy. So rows that differ
//    in nothing but counters never wait for a person.
// 4. Newest: numbers by value, texts by the instant they say if the column has a pattern for it,
//    else texts and blobs by their bytes; NULL is oldest, a tie is the source's.
//
// A key column has no policy of its own; one that is given is not looked at. Nor has a generated
// column: it is left out of every comparison and comes along with the row, so that in a kMerged row
// its value is as old as the row it came with: read it from SQLite once the row is written there.
//
// kWaits, for the whole row, when one part of it cannot be decided: a manual policy, owners that
// disagree, a newest column of two classes, a sum of what is no number (NULL is none), or of more
// than 64 bits.
[[nodiscard]] Merged merge(const Table& table, const TableConflicts& policies,
                           const Versions& versions);

// Which of two rows of different keys stays, when a unique key of either lets only one be there.
// kSource, kTarget or kWaits: the owner of both (owners that disagree: kWaits), else the row's
// policy; delta counts as manual. Policies of columns have no say.
[[nodiscard]] Taken choose(const Table& table, const TableConflicts& policies, const Row& source,
                           const Row& target);

// Of one key. Not to be asked when one side changed nothing. The two kinds of unique keys are the
// caller's to find.
[[nodiscard]] ConflictKind classify(const Versions& versions);

}  // namespace crossfade::apply
