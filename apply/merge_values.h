// Single values in a three-way merge: which of two is newer, and what two increments come to.
//
// Pure. Values count as SQLite stores them: 3.0 in an INTEGER or NUMERIC column is 3.
#pragma once

#include <compare>
#include <optional>
#include <string>

#include "engine/core/schema.h"
#include "engine/core/value.h"

namespace crossfade::apply {

// SQLite would store both as the same.
[[nodiscard]] bool is_same(const Column& column, const Value& a, const Value& b);

// Numbers by their exact value whatever their class, texts of the column's pattern by the instant
// they say, other texts and blobs byte by byte, NULL below all. Nothing: the two are of classes
// that have no common order.
[[nodiscard]] std::optional<std::weak_ordering> compare_newness(const Column& column,
                                                                const Value& a, const Value& b);

struct Sum {
  std::optional<Value> value;
  std::string why;  // there is none, to stand after the column's name: "holds text"
};

// source + target - base. Integers exactly: nothing only when the sum itself has no 64 bits. With a
// real among them, in reals, the same whichever side is which; integers above 2^53, which no real
// may hold, are not added to one, nor are infinities. Truths and instants have no sum.
[[nodiscard]] Sum add_increments(const Column& column, const Value& base, const Value& source,
                                 const Value& target);

}  // namespace crossfade::apply
