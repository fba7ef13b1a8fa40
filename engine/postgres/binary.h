// PostgreSQL's binary wire formats: big-endian fields, COPY framing, arrays.
//
// Source: postgresql.org/docs/15, protocol-message-formats and sql-copy (Binary Format).
#pragma once

#include <bit>
#include <cstdint>
#include <string>
#include <string_view>

namespace crossfade::postgres {

using Oid = uint32_t;
inline constexpr Oid kBoolOid = 16;
inline constexpr Oid kByteaOid = 17;
inline constexpr Oid kInt8Oid = 20;
inline constexpr Oid kTextOid = 25;
inline constexpr Oid kJsonOid = 114;
inline constexpr Oid kFloat4Oid = 700;
inline constexpr Oid kFloat8Oid = 701;
inline constexpr Oid kDateOid = 1082;
inline constexpr Oid kTimestampOid = 1114;
inline constexpr Oid kTimestamptzOid = 1184;
inline constexpr Oid kNumericOid = 1700;
inline constexpr Oid kUuidOid = 2950;
inline constexpr Oid kJsonbOid = 3802;

inline constexpr char kJsonbVersion = 1;  // the byte before a jsonb's text

// `out` has room for sizeof(T) bytes.
template <typename T>
void write_be(T value, char* out) {
  auto bits = static_cast<std::make_unsigned_t<T>>(value);
  for (size_t i = sizeof(T); i-- > 0;) {
    out[i] = static_cast<char>(bits & 0xff);
    if constexpr (sizeof(T) > 1) bits = static_cast<decltype(bits)>(bits >> 8);
  }
}

template <typename T>
void append_be(T value, std::string* out) {
  char bytes[sizeof(T)];
  write_be(value, bytes);
  out->append(bytes, sizeof(T));
}

// `bytes` must hold sizeof(T) bytes from `at` on.
template <typename T>
T read_be(std::string_view bytes, size_t at = 0) {
  std::make_unsigned_t<T> bits = 0;
  for (size_t i = 0; i < sizeof(T); ++i) {
    bits = static_cast<decltype(bits)>((sizeof(T) > 1 ? bits << 8 : 0) |
                                       static_cast<unsigned char>(bytes[at + i]));
  }
  return static_cast<T>(bits);
}

// "PGCOPY\n\377\r\n\0", no flags, no extension.
[[nodiscard]] std::string_view copy_header();
// The tuple count of -1 that ends a COPY.
[[nodiscard]] std::string_view copy_trailer();

// The head of a one-dimensional array of `count` elements; append (int32 length, bytes) or -1 each.
void append_array_header(Oid element, int32_t count, bool has_nulls, std::string* out);

// A value of type numeric from decimal text such as "-12.5e-3", "Infinity", "NaN".
// Returns false when `text` is none or does not fit numeric's range.
[[nodiscard]] bool append_numeric(std::string_view text, std::string* out);

}  // namespace crossfade::postgres
