// One value of somebody else's, with its storage class. Nothing is owned: a text's or a blob's
// bytes live as long as what they were borrowed from. Only the member of its class is set.
#pragma once

#include <cstdint>
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

}  // namespace crossfade
