// How one column's values are encoded: its type, and what is worked out from the type once.
#pragma once

#include <string>
#include <string_view>

#include "engine/core/column_type.h"
#include "engine/core/source_time.h"
#include "engine/core/value_view.h"

namespace crossfade::apply {

// Borrows the type, which must outlive it.
struct Codec {
  explicit Codec(const ColumnType& column_type);
  explicit Codec(ColumnType&&) = delete;

  const ColumnType* type;
  // False: the target computes the column. The value must fit all the same, and is not sent.
  bool written = true;
  // False: the server's numeric has no infinities.
  bool infinite = true;
  TimePattern pattern;
  std::string_view word_true;  // kWords; both empty when they are none
  std::string_view word_false;
};

// append_field() for the types that come in several forms, or with limits: numeric, and all behind
// kVariant in TargetType. The value is not NULL.
[[nodiscard]] bool append_formed_field(const ValueView& value, const Codec& codec,
                                       std::string* out);
[[nodiscard]] bool append_numeric_field(const ValueView& value, const ColumnType& type,
                                        std::string* out);

// The same value as an array's text, "{1,-0,2.5}": for arrays inside arrays, which unnest() would
// take apart.
[[nodiscard]] bool append_floats_text_field(const ValueView& value, const ColumnType& type,
                                            std::string* out);
[[nodiscard]] inline bool holds_floats(TargetType type) {
  return type == TargetType::kReals || type == TargetType::kDoubles || type == TargetType::kVector;
}

}  // namespace crossfade::apply
