#include "verify/declared.h"

#include <bit>
#include <cmath>
#include <limits>

#include "engine/postgres/binary.h"
#include "verify/canonical_form.h"

namespace crossfade::verify {
namespace {

// Bytes that begin a character of UTF-8.
int64_t count_characters(std::string_view text) {
  int64_t count = 0;
  for (const char c : text) count += (static_cast<unsigned char>(c) >> 6U) == 2 ? 0 : 1;
  return count;
}

bool is_single_precision(double value) {
  if (std::isinf(value)) return true;
  if (std::fabs(value) > static_cast<double>(std::numeric_limits<float>::max())) return false;
  const auto single = static_cast<float>(value);
  return std::signbit(single) == std::signbit(value) && static_cast<double>(single) == value;
}

bool passes_text(std::string_view text, const ColumnType& type) {
  bool known = type.labels.empty();
  for (const std::string& label : type.labels) known = known || label == text;
  if (type.padded && !text.empty() && text.back() == ' ') return false;
  return known && (type.length == 0 || count_characters(text) <= type.length);
}

}  // namespace

bool passes_declared(const std::string& canonical, size_t start, const ColumnType& type) {
  if (type.spelling.empty()) return true;
  const std::string_view body = std::string_view(canonical).substr(start + 1);
  switch (canonical[start]) {
    case form::kInteger: {
      if (type.base != TargetType::kBigint || type.bytes == 0) return true;
      const auto half = int64_t{1} << (8 * type.bytes - 1);
      const auto value = postgres::read_be<int64_t>(body);
      return value >= -half && value < half;
    }
    case form::kReal:
      return type.base != TargetType::kDouble || type.bytes == 0 ||
             is_single_precision(std::bit_cast<double>(postgres::read_be<uint64_t>(body)));
    case form::kText:
      return type.base != TargetType::kText || passes_text(body.substr(sizeof(uint32_t)), type);
    default:
      return true;
  }
}

bool passes_digits(int64_t micros, const ColumnType& type) {
  if (type.base != TargetType::kTimestamp && type.base != TargetType::kTimestamptz) return true;
  for (int i = type.digits; i < 6; ++i) {
    if (micros % 10 != 0) return false;
    micros /= 10;
  }
  return true;
}

std::string_view as_base_field(std::string_view field, const ColumnType& type,
                               std::string* buffer) {
  if (type.padded) {
    return field.substr(0, field.find_last_not_of(' ') + 1);
  }
  if (type.bytes == 0 || field.size() != static_cast<size_t>(type.bytes)) {
    // Eight bytes where fewer are due are not of the type, nor is anything else.
    return type.bytes == 0 ? field : std::string_view();
  }
  buffer->clear();
  if (type.base == TargetType::kDouble) {
    const auto single = std::bit_cast<float>(postgres::read_be<uint32_t>(field));
    postgres::append_be(std::bit_cast<uint64_t>(static_cast<double>(single)), buffer);
  } else {
    const int64_t value =
        type.bytes == 2 ? postgres::read_be<int16_t>(field) : postgres::read_be<int32_t>(field);
    postgres::append_be(value, buffer);
  }
  return *buffer;
}

}  // namespace crossfade::verify
