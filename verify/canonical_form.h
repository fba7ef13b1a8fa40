// The byte layout behind verify/canonical.h: one place that writes tags and lengths.
#pragma once

#include <bit>
#include <cstdint>
#include <string>
#include <string_view>

#include "engine/postgres/binary.h"

namespace crossfade::verify::form {

inline constexpr char kNull = 'N';
inline constexpr char kInteger = 'I';
inline constexpr char kReal = 'D';
inline constexpr char kDecimal = '#';
inline constexpr char kText = 'T';
inline constexpr char kBytes = 'B';
inline constexpr char kForeign = '?';          // on the target, and not written by crossfade
inline constexpr char kUnrepresentable = 'X';  // on the source, and not storable on the target

inline void append_integer(int64_t value, std::string* out) {
  out->push_back(kInteger);
  postgres::append_be(value, out);
}

inline void append_real(double value, std::string* out) {
  out->push_back(kReal);
  postgres::append_be(std::bit_cast<uint64_t>(value), out);
}

inline void append_sized(char tag, std::string_view bytes, std::string* out) {
  out->push_back(tag);
  postgres::append_be(static_cast<uint32_t>(bytes.size()), out);
  out->append(bytes);
}

}  // namespace crossfade::verify::form
