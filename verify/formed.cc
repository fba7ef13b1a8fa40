#include "verify/formed.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <optional>

#include "engine/core/limits.h"
#include "engine/postgres/binary.h"
#include "verify/canonical_form.h"
#include "verify/declared.h"
#include "verify/json_form.h"
#include "verify/text_form.h"
#include "verify/time_form.h"

namespace crossfade::verify {
namespace {

constexpr int64_t kMicrosPerDay = 86'400'000'000;
constexpr int64_t kDaysMax = std::numeric_limits<int64_t>::max() / kMicrosPerDay;
constexpr size_t kUuidBytes = 16;
constexpr std::string_view kLowerDigits = "0123456789abcdef";
constexpr std::string_view kUpperDigits = "0123456789ABCDEF";

bool is_time(TargetType type) {
  return type == TargetType::kTimestamp || type == TargetType::kTimestamptz ||
         type == TargetType::kDate;
}

std::optional<int64_t> instant_of(const ValueView& value, const ColumnType& type) {
  if (type.form == SourceForm::kPattern) {
    if (value.storage != StorageClass::kText) return std::nullopt;
    return time_of(value.bytes, type);
  }
  if (type.base == TargetType::kDate) return std::nullopt;
  if (value.storage == StorageClass::kInteger) return time_of(value.integer, type.form);
  if (value.storage == StorageClass::kReal) return time_of(value.real, type.form);
  return std::nullopt;
}

// Writes a variable-length value whose length is known once it is there.
template <typename Body>
bool append_measured(char tag, std::string* out, Body body) {
  const size_t start = out->size();
  form::append_sized(tag, {}, out);
  if (!body()) {
    out->resize(start);
    return false;
  }
  const size_t body_at = start + 1 + sizeof(uint32_t);
  postgres::write_be(static_cast<uint32_t>(out->size() - body_at), out->data() + start + 1);
  return true;
}

// False: this is no instant of the source's.
bool append_time(int64_t micros, const ColumnType& type, std::string* out) {
  if (type.form == SourceForm::kPattern) {
    return append_measured(form::kText, out, [&] { return append_time_text(micros, type, out); });
  }
  if (type.base == TargetType::kDate) return false;
  const auto number = time_number(micros, type.form);
  if (!number) return false;
  if (number->is_real) {
    form::append_real(number->real, out);
  } else {
    form::append_integer(number->integer, out);
  }
  return true;
}

bool append_time_field(std::string_view field, const ColumnType& type, std::string* out) {
  int64_t micros = 0;
  bool known = true;
  if (type.base == TargetType::kDate) {
    if (field.size() != sizeof(int32_t)) return false;
    const int64_t days = postgres::read_be<int32_t>(field);
    known = std::abs(days) <= kDaysMax;  // infinity's are not, nor are years that are no timestamp
    micros = known ? days * kMicrosPerDay : 0;
  } else {
    if (field.size() != sizeof(int64_t)) return false;
    micros = postgres::read_be<int64_t>(field);
  }
  if (!known || !append_time(micros, type, out)) form::append_sized(form::kForeign, field, out);
  return true;
}

std::string uuid_text(std::string_view bytes, SourceForm as) {
  const std::string_view digits = as == SourceForm::kUuidUpper ? kUpperDigits : kLowerDigits;
  std::string out;
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (as != SourceForm::kUuidHex && (i == 4 || i == 6 || i == 8 || i == 10)) out.push_back('-');
    const auto byte = static_cast<unsigned char>(bytes[i]);
    out.push_back(digits[byte / 16]);
    out.push_back(digits[byte % 16]);
  }
  return out;
}

// The digits' bytes, whatever else stands between them.
std::string uuid_bytes(std::string_view text, SourceForm as) {
  const std::string_view digits = as == SourceForm::kUuidUpper ? kUpperDigits : kLowerDigits;
  std::string out;
  size_t high = std::string_view::npos;
  for (const char c : text) {
    const size_t digit = digits.find(c);
    if (digit == std::string_view::npos) continue;
    if (high == std::string_view::npos) {
      high = digit;
    } else {
      out.push_back(static_cast<char>(high * 16 + digit));
      high = std::string_view::npos;
    }
  }
  return out;
}

bool is_uuid(const ValueView& value, SourceForm as) {
  if (as == SourceForm::kUuidBytes) {
    return value.storage == StorageClass::kBlob && value.bytes.size() == kUuidBytes;
  }
  if (as != SourceForm::kUuidLower && as != SourceForm::kUuidUpper && as != SourceForm::kUuidHex) {
    return false;
  }
  // Not longer than a UUID's text, before anything is copied.
  if (value.storage != StorageClass::kText || value.bytes.size() > 36) return false;
  const std::string bytes = uuid_bytes(value.bytes, as);
  return bytes.size() == kUuidBytes && uuid_text(bytes, as) == value.bytes;
}

bool append_uuid_field(std::string_view field, SourceForm as, std::string* out) {
  if (field.size() != kUuidBytes) return false;
  if (as == SourceForm::kUuidBytes) {
    form::append_sized(form::kBytes, field, out);
  } else {
    form::append_sized(form::kText, uuid_text(field, as), out);
  }
  return true;
}

// "yes/no": the word of true or of false.
std::string_view word_of(bool value, std::string_view words) {
  const size_t slash = words.find('/');
  if (slash == std::string_view::npos) return {};
  return value ? words.substr(0, slash) : words.substr(slash + 1);
}

bool is_word(const ValueView& value, const std::string& words) {
  const std::string_view yes = word_of(true, words);
  const std::string_view no = word_of(false, words);
  return value.storage == StorageClass::kText && yes != no &&
         (value.bytes == yes || value.bytes == no);
}

size_t float_size(const ColumnType& type) {
  return type.base == TargetType::kDoubles ? sizeof(double) : sizeof(float);
}

bool finite_little_endian(std::string_view bytes, size_t width) {
  // The exponent's bits are all set in infinities and NaNs: the last byte's seven and the first of
  // the byte before, for a double three more there.
  const unsigned mask = width == sizeof(double) ? 0xF0U : 0x80U;
  for (size_t at = width; at <= bytes.size(); at += width) {
    const auto last = static_cast<unsigned char>(bytes[at - 1]);
    const auto before = static_cast<unsigned char>(bytes[at - 2]);
    if ((last & 0x7FU) == 0x7FU && (before & mask) == mask) return false;
  }
  return true;
}

bool is_floats(const ValueView& value, const ColumnType& type) {
  const bool doubles = type.base == TargetType::kDoubles;
  const SourceForm wanted = doubles ? SourceForm::kFloat64Bytes : SourceForm::kFloat32Bytes;
  const size_t width = float_size(type);
  if (value.storage != StorageClass::kBlob || type.form != wanted) return false;
  if (value.bytes.size() % width != 0) return false;
  if (value.bytes.size() >= limits::kPgFieldBytesMax / 2) return false;
  if (type.base == TargetType::kVector &&
      value.bytes.size() != static_cast<size_t>(std::max(type.dimensions, 1)) * width) {
    return false;
  }
  return finite_little_endian(value.bytes, width);
}

void append_reversed(std::string_view bytes, std::string* out) {
  out->append(bytes.rbegin(), bytes.rend());
}

// An array's elements as one blob. False: not one dimension of elements that are there.
bool append_array_elements(std::string_view field, size_t width, std::string* out) {
  constexpr size_t kHead = 12;      // dimensions, NULLs or not, the elements' OID
  constexpr size_t kDimension = 8;  // count, lower bound
  if (field.size() < kHead) return false;
  const auto dimensions = postgres::read_be<int32_t>(field);
  if (dimensions == 0) return true;
  if (dimensions != 1 || field.size() < kHead + kDimension) return false;
  const auto count = postgres::read_be<uint32_t>(field, kHead);
  field.remove_prefix(kHead + kDimension);
  if (field.size() != count * (width + 4)) return false;
  for (; !field.empty(); field.remove_prefix(width + 4)) {
    if (postgres::read_be<uint32_t>(field) != width) return false;
    append_reversed(field.substr(4, width), out);
  }
  return true;
}

bool append_vector_elements(std::string_view field, std::string* out) {
  if (field.size() < 4 || field.size() != 4 + postgres::read_be<uint16_t>(field) * sizeof(float)) {
    return false;
  }
  for (size_t at = 4; at < field.size(); at += sizeof(float)) {
    append_reversed(field.substr(at, sizeof(float)), out);
  }
  return true;
}

bool append_floats_field(std::string_view field, const ColumnType& type, std::string* out) {
  const bool known = append_measured(form::kBytes, out, [&] {
    return type.base == TargetType::kVector ? append_vector_elements(field, out)
                                            : append_array_elements(field, float_size(type), out);
  });
  if (!known) form::append_sized(form::kForeign, field, out);
  return true;
}

bool append_json_field(std::string_view field, TargetType type, std::string* out) {
  if (type == TargetType::kJsonb) {
    if (field.empty() || field[0] != postgres::kJsonbVersion) return false;
    field.remove_prefix(1);
  }
  form::append_sized(form::kText, field, out);
  return true;
}

bool is_representable(const ValueView& value, const ColumnType& type) {
  switch (type.base) {
    case TargetType::kBoolean:
      return type.form == SourceForm::kWords && is_word(value, type.words);
    case TargetType::kTimestamp:
    case TargetType::kTimestamptz:
    case TargetType::kDate: {
      const auto micros = instant_of(value, type);
      return micros && passes_digits(*micros, type);
    }
    case TargetType::kUuid:
      return is_uuid(value, type.form);
    case TargetType::kJson:
      return value.storage == StorageClass::kText && is_json_text(value.bytes);
    case TargetType::kJsonb:
      return value.storage == StorageClass::kText && is_jsonb_text(value.bytes);
    case TargetType::kReals:
    case TargetType::kDoubles:
    case TargetType::kVector:
      return is_floats(value, type);
    case TargetType::kBigint:
    case TargetType::kDouble:
    case TargetType::kNumeric:
    case TargetType::kText:
    case TargetType::kBytea:
    case TargetType::kVariant:
      break;
  }
  return false;
}

}  // namespace

bool is_formed(const ColumnType& type) {
  return type.base > TargetType::kVariant || type.form != SourceForm::kValue;
}

bool append_formed_source(const ValueView& value, const ColumnType& type, std::string* out) {
  if (is_policy(type.form)) return append_policy_source(value, type, out);
  if (!is_representable(value, type)) return false;
  switch (value.storage) {
    case StorageClass::kNull:
      return false;
    case StorageClass::kInteger:
      form::append_integer(value.integer, out);
      return true;
    case StorageClass::kReal:
      form::append_real(value.real, out);
      return true;
    case StorageClass::kText:
      form::append_sized(form::kText, value.bytes, out);
      return true;
    case StorageClass::kBlob:
      form::append_sized(form::kBytes, value.bytes, out);
      return true;
  }
  return false;
}

bool append_formed_target(std::string_view field, const ColumnType& type, std::string* out) {
  if (is_policy(type.form)) return append_policy_target(field, type, out);
  switch (type.base) {
    case TargetType::kBoolean:
      if (field.size() != 1) return false;
      form::append_sized(form::kText, word_of(field[0] != 0, type.words), out);
      return true;
    case TargetType::kTimestamp:
    case TargetType::kTimestamptz:
    case TargetType::kDate:
      return append_time_field(field, type, out);
    case TargetType::kUuid:
      return append_uuid_field(field, type.form, out);
    case TargetType::kJson:
    case TargetType::kJsonb:
      return append_json_field(field, type.base, out);
    case TargetType::kReals:
    case TargetType::kDoubles:
    case TargetType::kVector:
      return append_floats_field(field, type, out);
    case TargetType::kBigint:
    case TargetType::kDouble:
    case TargetType::kNumeric:
    case TargetType::kText:
    case TargetType::kBytea:
    case TargetType::kVariant:
      break;
  }
  return false;
}

std::string formed_text(const Value& value, const ColumnType& type) {
  if (is_time(type.base)) {
    const auto micros = instant_of(view_of(value), type);
    const std::string text =
        time_literal(micros.value_or(0), type.base == TargetType::kTimestamptz);
    return type.base == TargetType::kDate ? text.substr(0, text.find(' ')) : text;
  }
  if (type.base == TargetType::kUuid) {
    const bool blob = value.storage() == StorageClass::kBlob;
    return uuid_text(blob ? value.blob() : uuid_bytes(value.text(), type.form),
                     SourceForm::kUuidLower);
  }
  if (type.base == TargetType::kBoolean) {
    return value.text() == word_of(true, type.words) ? "t" : "f";
  }
  return value.text();  // json and jsonb; arrays are no keys
}

}  // namespace crossfade::verify
