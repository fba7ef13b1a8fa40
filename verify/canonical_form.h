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

// Tag and number in one piece: every value of every row of both sides passes here.
template <typename T>
void append_tagged(char tag, T value, std::string* out) {
  char bytes[1 + sizeof(T)];
  bytes[0] = tag;
  postgres::write_be(value, bytes + 1);
  out->append(bytes, sizeof(bytes));
}

inline void append_integer(int64_t value, std::string* out) {
  append_tagged(kInteger, value, out);
}

inline void append_real(double value, std::string* out) {
  append_tagged(kReal, std::bit_cast<uint64_t>(value), out);
}

inline void append_sized(char tag, std::string_view bytes, std::string* out) {
  append_tagged(tag, static_cast<uint32_t>(bytes.size()), out);
  // A string doubles when it grows: behind half a gigabyte the next column finds room.
  constexpr size_t kLong = size_t{1} << 20;
  if (bytes.size() > kLong) out->reserve(out->size() + bytes.size() + kLong);
  out->append(bytes);
}

}  // namespace crossfade::verify::form
