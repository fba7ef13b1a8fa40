#include "apply/encoder.h"

#include <fmt/format.h>

#include <array>
#include <bit>
#include <charconv>
#include <cmath>

#include "apply/variant.h"
#include "engine/core/limits.h"
#include "engine/sqlite/statement.h"

namespace crossfade::apply {
namespace {

using postgres::append_be;

void append_bytes_field(std::string_view bytes, std::string* out) {
  append_be<int32_t>(static_cast<int32_t>(bytes.size()), out);
  *out += bytes;
}

// Writes the length once the value is there.
template <typename Body>
bool append_measured(std::string* out, Body body) {
  const size_t start = out->size();
  append_be<int32_t>(0, out);
  if (!body()) {
    out->resize(start);
    return false;
  }
  std::string length;
  append_be<int32_t>(static_cast<int32_t>(out->size() - start - 4), &length);
  out->replace(start, 4, length);
  return true;
}

bool append_numeric_field(const ValueView& value, std::string* out) {
  std::array<char, 32> buffer{};
  std::string_view text;
  if (value.storage == StorageClass::kInteger) {
    const auto [end, ec] =
        std::to_chars(buffer.data(), buffer.data() + buffer.size(), value.integer);
    text = {buffer.data(), static_cast<size_t>(end - buffer.data())};
  } else if (value.storage == StorageClass::kReal) {
    if (std::isinf(value.real)) {
      text = value.real > 0 ? "Infinity" : "-Infinity";
    } else {
      const auto [end, ec] =
          std::to_chars(buffer.data(), buffer.data() + buffer.size(), value.real);
      text = {buffer.data(), static_cast<size_t>(end - buffer.data())};
    }
  } else {
    return false;
  }
  return append_measured(out, [&] { return postgres::append_numeric(text, out); });
}

bool append_variant_field(const ValueView& value, std::string* out) {
  return append_measured(out, [&] {
    append_be<uint8_t>(1, out);  // jsonb's version
    const size_t start = out->size();
    switch (value.storage) {
      case StorageClass::kNull:
        return false;
      case StorageClass::kInteger:
        append_variant_integer(value.integer, out);
        break;
      case StorageClass::kReal:
        append_variant_real(value.real, out);
        break;
      case StorageClass::kText:
        append_variant_text(value.bytes, out);
        break;
      case StorageClass::kBlob:
        append_variant_blob(value.bytes, out);
        break;
    }
    return out->size() - start <= limits::kPgJsonbStringBytesMax;
  });
}

}  // namespace

ValueView view(const Value& value) {
  ValueView out;
  out.storage = value.storage();
  switch (out.storage) {
    case StorageClass::kNull:
      break;
    case StorageClass::kInteger:
      out.integer = value.integer();
      break;
    case StorageClass::kReal:
      out.real = value.real();
      break;
    case StorageClass::kText:
      out.bytes = value.text();
      break;
    case StorageClass::kBlob:
      out.bytes = value.blob();
      break;
  }
  return out;
}

ValueView view(const sqlite::Statement& statement, int column) {
  ValueView out;
  out.storage = statement.storage(column);
  switch (out.storage) {
    case StorageClass::kNull:
      break;
    case StorageClass::kInteger:
      out.integer = statement.integer(column);
      break;
    case StorageClass::kReal:
      out.real = statement.real(column);
      break;
    case StorageClass::kText:
    case StorageClass::kBlob:
      out.bytes = statement.bytes(column);
      break;
  }
  return out;
}

bool append_field(const ValueView& value, TargetType type, std::string* out) {
  if (value.storage == StorageClass::kNull) {
    append_be<int32_t>(-1, out);
    return true;
  }
  switch (type) {
    case TargetType::kBoolean:
      if (value.storage != StorageClass::kInteger || value.integer < 0 || value.integer > 1) {
        return false;
      }
      append_be<int32_t>(1, out);
      append_be<uint8_t>(static_cast<uint8_t>(value.integer), out);
      return true;
    case TargetType::kBigint:
      if (value.storage != StorageClass::kInteger) return false;
      append_be<int32_t>(8, out);
      append_be<int64_t>(value.integer, out);
      return true;
    case TargetType::kDouble:
      if (value.storage != StorageClass::kReal) return false;
      append_be<int32_t>(8, out);
      append_be<uint64_t>(std::bit_cast<uint64_t>(value.real), out);
      return true;
    case TargetType::kNumeric:
      return append_numeric_field(value, out);
    case TargetType::kText:
      if (value.storage != StorageClass::kText || !is_target_text(value.bytes) ||
          value.bytes.size() > limits::kPgFieldBytesMax) {
        return false;
      }
      append_bytes_field(value.bytes, out);
      return true;
    case TargetType::kBytea:
      if (value.storage != StorageClass::kBlob || value.bytes.size() > limits::kPgFieldBytesMax) {
        return false;
      }
      append_bytes_field(value.bytes, out);
      return true;
    case TargetType::kVariant:
      return append_variant_field(value, out);
  }
  return false;
}

std::string misfit_reason(const Value& value, TargetType type) {
  return fmt::format("{} {} does not fit {}", to_string(value.storage()), to_literal(value, 60),
                     to_string(type));
}

postgres::Oid array_oid(TargetType type) {
  // pg_type.dat: the array type of each element type.
  switch (type) {
    case TargetType::kBoolean:
      return 1000;
    case TargetType::kBigint:
      return 1016;
    case TargetType::kDouble:
      return 1022;
    case TargetType::kNumeric:
      return 1231;
    case TargetType::kText:
      return 1009;
    case TargetType::kBytea:
      return 1001;
    case TargetType::kVariant:
      return 3807;
  }
  return 0;
}

postgres::Oid element_oid(TargetType type) {
  switch (type) {
    case TargetType::kBoolean:
      return postgres::kBoolOid;
    case TargetType::kBigint:
      return postgres::kInt8Oid;
    case TargetType::kDouble:
      return postgres::kFloat8Oid;
    case TargetType::kNumeric:
      return postgres::kNumericOid;
    case TargetType::kText:
      return postgres::kTextOid;
    case TargetType::kBytea:
      return postgres::kByteaOid;
    case TargetType::kVariant:
      return postgres::kJsonbOid;
  }
  return 0;
}

std::string_view EncodedRows::rows(size_t from, size_t to) const {
  const size_t begin = offsets[from];
  const size_t end = to < offsets.size() ? offsets[to] : bytes.size();
  return std::string_view(bytes).substr(begin, end - begin);
}

void EncodedRows::clear() {
  bytes.clear();
  offsets.clear();
}

namespace {

template <typename At>
std::optional<size_t> append_row_of(const Table& table, EncodedRows* out, At at) {
  const size_t start = out->bytes.size();
  append_be<int16_t>(static_cast<int16_t>(table.columns.size()), &out->bytes);
  for (size_t i = 0; i < table.columns.size(); ++i) {
    if (!append_field(at(i), table.columns[i].type, &out->bytes)) {
      out->bytes.resize(start);
      return i;
    }
  }
  out->offsets.push_back(start);
  return std::nullopt;
}

}  // namespace

std::optional<size_t> append_row(const Table& table, const Row& row, EncodedRows* out) {
  return append_row_of(table, out, [&](size_t i) { return view(row[i]); });
}

std::optional<size_t> append_row(const Table& table, const sqlite::Statement& statement,
                                 EncodedRows* out) {
  return append_row_of(table, out, [&](size_t i) { return view(statement, static_cast<int>(i)); });
}

}  // namespace crossfade::apply
