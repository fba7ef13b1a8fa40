#include "apply/declared_type.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <limits>
#include <string_view>

#include "engine/postgres/binary.h"

namespace crossfade::apply {
namespace {

using postgres::read_be;

constexpr int kMicrosDigits = 6;
constexpr size_t kLengthBytes = 4;

bool fits_integer(int64_t value, int bytes) {
  if (bytes == 2) return value >= INT16_MIN && value <= INT16_MAX;
  if (bytes == 4) return value >= INT32_MIN && value <= INT32_MAX;
  return true;
}

// Whether the float nearest to it is the number itself.
bool fits_real(uint64_t bits) {
  const auto value = std::bit_cast<double>(bits);
  const bool large =
      value > std::numeric_limits<float>::max() || value < std::numeric_limits<float>::lowest();
  if (large) return value - value != 0;  // an infinity
  return std::bit_cast<uint64_t>(static_cast<double>(static_cast<float>(value))) == bits;
}

int64_t characters(std::string_view text) {
  return std::count_if(text.begin(), text.end(),
                       [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; });
}

bool fits_text(std::string_view text, const ColumnType& type) {
  if (!type.labels.empty()) {
    return std::find(type.labels.begin(), type.labels.end(), text) != type.labels.end();
  }
  if (type.padded && text.ends_with(' ')) return false;
  return type.length == 0 || characters(text) <= type.length;
}

bool fits_fraction(int64_t micros, int digits) {
  int64_t step = 1;
  for (int i = digits; i < kMicrosDigits; ++i) step *= 10;
  return micros % step == 0;
}

}  // namespace

bool is_narrowed(const ColumnType& type) {
  return !type.spelling.empty();
}

bool fits_declared(const std::string& out, size_t start, const ColumnType& type) {
  if (read_be<int32_t>(out, start) < 0) return true;  // NULL
  const std::string_view field = std::string_view(out).substr(start + kLengthBytes);
  switch (type.base) {
    case TargetType::kBigint:
      return fits_integer(read_be<int64_t>(field), type.bytes);
    case TargetType::kDouble:
      return type.bytes == 0 || fits_real(read_be<uint64_t>(field));
    case TargetType::kText:
      return fits_text(field, type);
    case TargetType::kTimestamp:
    case TargetType::kTimestamptz:
      return fits_fraction(read_be<int64_t>(field), type.digits);
    default:  // the others say all there is to say themselves
      return true;
  }
}

void narrow_field(size_t start, const ColumnType& type, std::string* out) {
  if (type.bytes == 0 || read_be<int32_t>(*out, start) < 0) return;
  const auto bits = read_be<uint64_t>(*out, start + kLengthBytes);
  out->resize(start);
  postgres::append_be<int32_t>(type.bytes, out);
  if (type.base == TargetType::kDouble) {
    const auto value = static_cast<float>(std::bit_cast<double>(bits));
    postgres::append_be(std::bit_cast<uint32_t>(value), out);
  } else if (type.bytes == 2) {
    postgres::append_be(static_cast<int16_t>(static_cast<int64_t>(bits)), out);
  } else {
    postgres::append_be(static_cast<int32_t>(static_cast<int64_t>(bits)), out);
  }
}

}  // namespace crossfade::apply
