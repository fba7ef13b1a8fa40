#include "apply/codec.h"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <optional>

#include "apply/json_text.h"
#include "apply/text_policy.h"
#include "engine/core/limits.h"
#include "engine/postgres/binary.h"

namespace crossfade::apply {
namespace {

using postgres::append_be;

constexpr size_t kUuidBytes = 16;

std::optional<int64_t> micros_of(const ValueView& value, const Codec& codec) {
  switch (value.storage) {
    case StorageClass::kInteger:
      return micros_from_number(value.integer, codec.type->form);
    case StorageClass::kReal:
      return micros_from_number(value.real, codec.type->form);
    case StorageClass::kText:
      return codec.pattern.parse(value.bytes);
    default:
      return std::nullopt;
  }
}

bool append_time(const ValueView& value, const Codec& codec, std::string* out) {
  const TargetType base = codec.type->base;
  // A number is an instant, which no day is.
  if (base == TargetType::kDate && value.storage != StorageClass::kText) return false;
  const auto micros = micros_of(value, codec);
  if (!micros) return false;
  if (base == TargetType::kDate) {
    append_be<int32_t>(4, out);
    append_be<int32_t>(static_cast<int32_t>(*micros / kMicrosPerDay), out);
  } else {
    append_be<int32_t>(8, out);
    append_be<int64_t>(*micros, out);
  }
  return true;
}

int digit_of(char c, bool upper) {
  if (c >= '0' && c <= '9') return c - '0';
  const char first = upper ? 'A' : 'a';
  return c >= first && c <= first + 5 ? c - first + 10 : -1;
}

bool read_uuid(std::string_view text, SourceForm form, std::array<char, kUuidBytes>* out) {
  const bool dashes = form != SourceForm::kUuidHex;
  if (text.size() != kUuidBytes * 2 + (dashes ? 4 : 0)) return false;
  size_t at = 0;
  for (size_t i = 0; i < kUuidBytes; ++i) {
    if (dashes && (i == 4 || i == 6 || i == 8 || i == 10) && text[at++] != '-') return false;
    const int high = digit_of(text[at++], form == SourceForm::kUuidUpper);
    const int low = digit_of(text[at++], form == SourceForm::kUuidUpper);
    if (high < 0 || low < 0) return false;
    (*out)[i] = static_cast<char>(high * 16 + low);
  }
  return true;
}

bool append_uuid(const ValueView& value, SourceForm form, std::string* out) {
  std::array<char, kUuidBytes> bytes{};
  if (form == SourceForm::kUuidBytes) {
    if (value.storage != StorageClass::kBlob || value.bytes.size() != kUuidBytes) return false;
    std::copy(value.bytes.begin(), value.bytes.end(), bytes.begin());
  } else if (form == SourceForm::kUuidLower || form == SourceForm::kUuidUpper ||
             form == SourceForm::kUuidHex) {
    if (value.storage != StorageClass::kText || !read_uuid(value.bytes, form, &bytes)) return false;
  } else {
    return false;
  }
  append_be<int32_t>(kUuidBytes, out);
  out->append(bytes.data(), bytes.size());
  return true;
}

bool append_json(const ValueView& value, const ColumnType& type, std::string* out) {
  if (value.storage != StorageClass::kText || type.form != SourceForm::kValue) return false;
  const bool binary = type.base == TargetType::kJsonb;
  if (!(binary ? is_jsonb_spelling(value.bytes) : is_json(value.bytes))) return false;
  append_be<int32_t>(static_cast<int32_t>(value.bytes.size() + (binary ? 1 : 0)), out);
  if (binary) out->push_back(postgres::kJsonbVersion);
  *out += value.bytes;
  return true;
}

template <typename Bits>
Bits read_little_endian(std::string_view bytes, size_t at) {
  Bits bits = 0;
  for (size_t i = sizeof(Bits); i-- > 0;) {
    bits = static_cast<Bits>(bits << 8U) | static_cast<unsigned char>(bytes[at + i]);
  }
  return bits;
}

template <typename Float, typename Bits>
bool all_finite(std::string_view bytes) {
  for (size_t at = 0; at < bytes.size(); at += sizeof(Bits)) {
    if (!std::isfinite(std::bit_cast<Float>(read_little_endian<Bits>(bytes, at)))) return false;
  }
  return true;
}

// A blob of finite floats, of the width and, for a vector, the count that the type says.
bool holds_finite_floats(const ValueView& value, const ColumnType& type) {
  if (value.storage != StorageClass::kBlob) return false;
  const std::string_view bytes = value.bytes;
  if (type.base == TargetType::kDoubles) {
    return type.form == SourceForm::kFloat64Bytes && bytes.size() % sizeof(double) == 0 &&
           bytes.size() < limits::kPgFieldBytesMax / 2 && all_finite<double, uint64_t>(bytes);
  }
  if (type.form != SourceForm::kFloat32Bytes || bytes.size() % sizeof(float) != 0) return false;
  if (type.base == TargetType::kVector &&
      (bytes.empty() || bytes.size() / sizeof(float) != static_cast<size_t>(type.dimensions))) {
    return false;
  }
  // Each element has a length of its own beside it.
  return bytes.size() < limits::kPgFieldBytesMax / 2 && all_finite<float, uint32_t>(bytes);
}

template <typename Bits>
void append_elements(std::string_view bytes, bool lengths, std::string* out) {
  for (size_t at = 0; at < bytes.size(); at += sizeof(Bits)) {
    if (lengths) append_be<int32_t>(sizeof(Bits), out);
    append_be<Bits>(read_little_endian<Bits>(bytes, at), out);
  }
}

bool append_floats(const ValueView& value, const ColumnType& type, std::string* out) {
  if (!holds_finite_floats(value, type)) return false;
  const bool doubles = type.base == TargetType::kDoubles;
  const size_t count = value.bytes.size() / (doubles ? sizeof(double) : sizeof(float));
  if (type.base == TargetType::kVector) {
    append_be<int32_t>(static_cast<int32_t>(4 + value.bytes.size()), out);
    append_be<int16_t>(static_cast<int16_t>(count), out);
    append_be<int16_t>(0, out);  // unused
    append_elements<uint32_t>(value.bytes, false, out);
    return true;
  }
  std::string array;
  postgres::append_array_header(doubles ? postgres::kFloat8Oid : postgres::kFloat4Oid,
                                static_cast<int32_t>(count), false, &array);
  append_be<int32_t>(static_cast<int32_t>(array.size() + count * 4 + value.bytes.size()), out);
  *out += array;
  if (doubles) {
    append_elements<uint64_t>(value.bytes, true, out);
  } else {
    append_elements<uint32_t>(value.bytes, true, out);
  }
  return true;
}

template <typename Float, typename Bits>
void append_float_texts(std::string_view bytes, std::string* out) {
  std::array<char, 32> text{};
  for (size_t at = 0; at < bytes.size(); at += sizeof(Bits)) {
    const auto number = std::bit_cast<Float>(read_little_endian<Bits>(bytes, at));
    char* const end = std::to_chars(text.data(), text.data() + text.size(), number).ptr;
    if (at > 0) out->push_back(',');
    out->append(text.data(), end);
  }
}

bool append_word(const ValueView& value, const Codec& codec, std::string* out) {
  if (value.storage != StorageClass::kText || codec.word_true == codec.word_false) return false;
  if (value.bytes != codec.word_true && value.bytes != codec.word_false) return false;
  append_be<int32_t>(1, out);
  append_be<uint8_t>(value.bytes == codec.word_true ? 1 : 0, out);
  return true;
}

// "-1.2345e+07", the shortest that reads back the same: its digits without trailing zeros, and how
// many stand before the point.
bool within_limits(std::string_view scientific, const ColumnType& type) {
  const size_t e = scientific.find('e');
  int exponent = 0;
  const char* from = scientific.data() + e + (scientific[e + 1] == '+' ? 2 : 1);
  std::from_chars(from, scientific.data() + scientific.size(), exponent);
  const std::string_view digits = scientific.substr(0, e);
  const size_t last = digits.find_last_not_of("0.");
  if (last == std::string_view::npos || digits[last] == '-') return true;  // zero
  const size_t point = digits.find('.');
  const int fraction =
      point == std::string_view::npos || last < point ? 0 : static_cast<int>(last - point);
  return fraction - exponent <= type.scale && exponent + 1 <= type.precision - type.scale;
}

bool integer_within_limits(std::string_view text, const ColumnType& type) {
  const size_t digits = text.size() - (text.front() == '-' ? 1 : 0);
  return text == "0" || static_cast<int>(digits) <= type.precision - type.scale;
}

// Whether a REAL comes back from numeric as it was. A zero's sign does not. A whole number comes
// back INTEGER; a column of numeric or REAL affinity stores it as the same value in its own class.
// But from 2^53 on the shortest digits need not be the number's own.
bool real_fits_numeric(double value) {
  if (value == 0) return !std::signbit(value);
  const double size = std::fabs(value);
  return size < 0x1p53 || size >= 0x1p63;
}

}  // namespace

Codec::Codec(const ColumnType& column_type)
    : type(&column_type), pattern(TimePattern::compile(column_type)) {
  if (column_type.form != SourceForm::kWords) return;
  const std::string_view words = column_type.words;
  const size_t slash = words.find('/');
  if (slash == std::string_view::npos) return;
  word_true = words.substr(0, slash);
  word_false = words.substr(slash + 1);
}

bool append_numeric_field(const ValueView& value, const ColumnType& type, std::string* out) {
  std::array<char, 32> buffer{};
  char* const begin = buffer.data();
  char* const limit = begin + buffer.size();
  std::string_view text;
  if (value.storage == StorageClass::kInteger) {
    text = {begin, static_cast<size_t>(std::to_chars(begin, limit, value.integer).ptr - begin)};
    if (type.precision > 0 && !integer_within_limits(text, type)) return false;
  } else if (value.storage == StorageClass::kReal) {
    if (!real_fits_numeric(value.real)) return false;
    if (std::isinf(value.real)) {
      if (type.precision > 0) return false;
      text = value.real > 0 ? "Infinity" : "-Infinity";
    } else {
      const char* end = std::to_chars(begin, limit, value.real, std::chars_format::scientific).ptr;
      text = {begin, static_cast<size_t>(end - begin)};
      if (type.precision > 0 && !within_limits(text, type)) return false;
    }
  } else {
    return false;
  }
  std::string number;
  if (!postgres::append_numeric(text, &number)) return false;
  append_be<int32_t>(static_cast<int32_t>(number.size()), out);
  *out += number;
  return true;
}

bool append_formed_field(const ValueView& value, const Codec& codec, std::string* out) {
  if (codec.type->form >= SourceForm::kTextBytes) {
    return append_policy_field(value, *codec.type, out);
  }
  switch (codec.type->base) {
    case TargetType::kBoolean:
      return append_word(value, codec, out);
    case TargetType::kTimestamp:
    case TargetType::kTimestamptz:
    case TargetType::kDate:
      return append_time(value, codec, out);
    case TargetType::kUuid:
      return append_uuid(value, codec.type->form, out);
    case TargetType::kJson:
    case TargetType::kJsonb:
      return append_json(value, *codec.type, out);
    case TargetType::kReals:
    case TargetType::kDoubles:
    case TargetType::kVector:
      return append_floats(value, *codec.type, out);
    case TargetType::kNumeric:
      if (!codec.infinite && value.storage == StorageClass::kReal && std::isinf(value.real)) {
        return false;
      }
      return append_numeric_field(value, *codec.type, out);
    case TargetType::kBigint:
    case TargetType::kDouble:
    case TargetType::kText:
    case TargetType::kBytea:
    case TargetType::kVariant:
      break;
  }
  return false;
}

bool append_floats_text_field(const ValueView& value, const ColumnType& type, std::string* out) {
  if (!holds_finite_floats(value, type)) return false;
  std::string text = "{";
  if (type.base == TargetType::kDoubles) {
    append_float_texts<double, uint64_t>(value.bytes, &text);
  } else {
    append_float_texts<float, uint32_t>(value.bytes, &text);
  }
  text.push_back('}');
  append_be<int32_t>(static_cast<int32_t>(text.size()), out);
  *out += text;
  return true;
}

}  // namespace crossfade::apply
