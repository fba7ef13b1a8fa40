#include "apply/encoder.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "apply/declared_type.h"
#include "apply/variant.h"
#include "engine/core/limits.h"
#include "engine/sqlite/statement.h"

namespace crossfade::apply {
namespace {

using postgres::append_be;

void append_bytes_field(std::string_view bytes, std::string* out) {
  append_be<int32_t>(static_cast<int32_t>(bytes.size()), out);
  // A string doubles when it grows: after half a gigabyte the next column must find room.
  if (bytes.size() > limits::kMiB) out->reserve(out->size() + bytes.size() + limits::kMiB);
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

std::vector<Codec> codecs_of(const Table& table, int server_version) {
  std::vector<Codec> out;
  out.reserve(table.columns.size());
  for (const Column& column : table.columns) {
    Codec& codec = out.emplace_back(column.type);
    codec.written = !column.target_generated;
    codec.infinite = server_version >= kNumericInfinitySince;
  }
  return out;
}

std::vector<Codec> key_codecs_of(const Table& table, int server_version) {
  std::vector<Codec> out;
  out.reserve(table.key.size());
  for (const size_t k : table.key) {
    out.emplace_back(table.columns[k].type).infinite = server_version >= kNumericInfinitySince;
  }
  return out;
}

namespace {

bool append_base_field(const ValueView& value, const Codec& codec, std::string* out) {
  if (value.storage == StorageClass::kNull) {
    append_be<int32_t>(-1, out);
    return true;
  }
  if (codec.type->form != SourceForm::kValue) return append_formed_field(value, codec, out);
  switch (codec.type->base) {
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
    case TargetType::kNumeric:
    case TargetType::kJson:
    case TargetType::kJsonb:
      return append_formed_field(value, codec, out);
    // Types without a plain form.
    case TargetType::kTimestamp:
    case TargetType::kTimestamptz:
    case TargetType::kDate:
    case TargetType::kUuid:
    case TargetType::kReals:
    case TargetType::kDoubles:
    case TargetType::kVector:
      break;
  }
  return false;
}

// As a value of the base type that the declared one takes too.
bool append_fitting_field(const ValueView& value, const Codec& codec, std::string* out) {
  const size_t start = out->size();
  if (!append_base_field(value, codec, out)) return false;
  if (!is_narrowed(*codec.type) || fits_declared(*out, start, *codec.type)) return true;
  out->resize(start);
  return false;
}

}  // namespace

bool append_field(const ValueView& value, const Codec& codec, std::string* out) {
  const size_t start = out->size();
  if (!append_fitting_field(value, codec, out)) return false;
  narrow_field(start, *codec.type, out);
  return true;
}

bool append_element(const ValueView& value, const Codec& codec, std::string* out) {
  if (holds_floats(codec.type->base) && value.storage != StorageClass::kNull) {
    return append_floats_text_field(value, *codec.type, out);
  }
  return append_fitting_field(value, codec, out);
}

std::string misfit_reason(const Value& value, const ColumnType& type) {
  return fmt::format("{} {} does not fit {}{}", to_string(value.storage()), to_literal(value, 60),
                     to_string(type), describe_form(type));
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
    case TargetType::kReals:
    case TargetType::kDoubles:
    case TargetType::kVector:
    case TargetType::kText:
      return 1009;
    case TargetType::kBytea:
      return 1001;
    case TargetType::kJsonb:
    case TargetType::kVariant:
      return 3807;
    case TargetType::kJson:
      return 199;
    case TargetType::kTimestamp:
      return 1115;
    case TargetType::kTimestamptz:
      return 1185;
    case TargetType::kDate:
      return 1182;
    case TargetType::kUuid:
      return 2951;
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
    case TargetType::kReals:
    case TargetType::kDoubles:
    case TargetType::kVector:
    case TargetType::kText:
      return postgres::kTextOid;
    case TargetType::kBytea:
      return postgres::kByteaOid;
    case TargetType::kJsonb:
    case TargetType::kVariant:
      return postgres::kJsonbOid;
    case TargetType::kJson:
      return postgres::kJsonOid;
    case TargetType::kTimestamp:
      return postgres::kTimestampOid;
    case TargetType::kTimestamptz:
      return postgres::kTimestamptzOid;
    case TargetType::kDate:
      return postgres::kDateOid;
    case TargetType::kUuid:
      return postgres::kUuidOid;
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
std::optional<size_t> append_row(const std::vector<Codec>& codecs, EncodedRows* out, At at) {
  const size_t start = out->bytes.size();
  const auto written =
      std::count_if(codecs.begin(), codecs.end(), [](const Codec& codec) { return codec.written; });
  append_be<int16_t>(static_cast<int16_t>(written), &out->bytes);
  for (size_t i = 0; i < codecs.size(); ++i) {
    const size_t field = out->bytes.size();
    if (!append_field(at(i), codecs[i], &out->bytes)) {
      out->bytes.resize(start);
      return i;
    }
    if (!codecs[i].written) out->bytes.resize(field);
  }
  out->offsets.push_back(start);
  return std::nullopt;
}

}  // namespace

std::optional<size_t> RowEncoder::append(const Row& row, EncodedRows* out) const {
  return append_row(codecs_, out, [&](size_t i) { return view_of(row[i]); });
}

std::optional<size_t> RowEncoder::append(const sqlite::Statement& statement,
                                         EncodedRows* out) const {
  return append_row(codecs_, out, [&](size_t i) { return statement.view(static_cast<int>(i)); });
}

}  // namespace crossfade::apply
