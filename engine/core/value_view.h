// One value of somebody else's, with its storage class. Nothing is owned: a text's or a blob's
// bytes live as long as what they were borrowed from. Only the member of its class is set.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "engine/core/value.h"

namespace crossfade {

struct ValueView {
  StorageClass storage = StorageClass::kNull;
  int64_t integer = 0;
  double real = 0;
  std::string_view bytes;
};

[[nodiscard]] ValueView view_of(const Value& value);
// A copy that is owned.
[[nodiscard]] Value value_of(const ValueView& view);

// to_literal() and append_identity() (value.h) of a value that is not owned.
[[nodiscard]] std::string to_literal(const ValueView& value, size_t bytes_max = 200);
// What append_identity() writes before a text's or a blob's bytes, and all that it writes of
// others.
void append_identity_head(const ValueView& value, std::string* out);

}  // namespace crossfade
