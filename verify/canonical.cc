#include "verify/canonical.h"

#include <fmt/core.h>

#include <bit>
#include <cmath>
#include <optional>

#include "engine/postgres/binary.h"
#include "verify/canonical_form.h"
#include "verify/decimal.h"
#include "verify/declared.h"
#include "verify/formed.h"
#include "verify/utf8.h"
#include "verify/variant.h"

namespace crossfade::verify {
namespace {

bool append_source_variant(const ValueView& value, std::string* out) {
  switch (value.storage) {
    case StorageClass::kNull:
      out->push_back(form::kNull);
      break;
    case StorageClass::kInteger:
      form::append_integer(value.integer, out);
      break;
    case StorageClass::kReal:
      form::append_real(value.real, out);
      break;
    case StorageClass::kText:
      form::append_sized(form::kText, value.bytes, out);
      break;
    case StorageClass::kBlob:
      form::append_sized(form::kBytes, value.bytes, out);
      break;
  }
  return true;
}

// numeric(p,s) rounds what has more digits after the point, and refuses what has more before it.
bool within_limits(std::string_view decimal, const ColumnType& type) {
  if (type.precision == 0 || decimal.substr(0, 2) == "#0") return true;
  const auto whole = postgres::read_be<int32_t>(decimal, 2);
  const auto digits = static_cast<int32_t>(postgres::read_be<uint32_t>(decimal, 6));
  return whole <= type.precision - type.scale && digits - whole <= type.scale;
}

bool append_source_numeric(const ValueView& value, const ColumnType& type, std::string* out) {
  const size_t start = out->size();
  if (value.storage == StorageClass::kInteger) {
    append_decimal(value.integer, out);
  } else if (value.storage == StorageClass::kReal) {
    // Numeric has no -0, and whole numbers come back INTEGER, digit by digit of the shortest form.
    if (value.real == 0 && std::signbit(value.real)) return false;
    const bool long_integer = value.real > -0x1p63 && value.real < 0x1p63;
    if (long_integer && (value.real >= 0x1p53 || value.real <= -0x1p53)) return false;
    if (std::isinf(value.real) && type.precision > 0) return false;
    append_decimal(value.real, out);
  } else {
    return false;
  }
  if (within_limits(std::string_view(*out).substr(start), type)) return true;
  out->resize(start);
  return false;
}

Status not_of_type(std::string_view field) {
  Error error;
  error.code = ErrorCode::kTarget;
  error.op = "verify.decode";
  error.native = fmt::format("a value of {} bytes is not of the column's type", field.size());
  error.hint = "the target's column was altered; give it back the type that crossfade chose";
  return fail(std::move(error));
}

std::optional<Value> value_of_form(std::string_view form) {
  const std::string_view body = form.substr(1);
  switch (form.front()) {
    case form::kNull:
      return Value();
    case form::kInteger:
      return Value(postgres::read_be<int64_t>(body));
    case form::kReal: {
      const auto real = std::bit_cast<double>(postgres::read_be<uint64_t>(body));
      return std::isnan(real) ? std::nullopt : std::optional(Value(real));
    }
    case form::kDecimal:
      return decimal_value(form);
    case form::kText:
      return Value(Text{std::string(body.substr(sizeof(uint32_t)))});
    case form::kBytes:
      return Value(Blob{std::string(body.substr(sizeof(uint32_t)))});
    default:
      return std::nullopt;
  }
}

bool append_base_source(const ValueView& value, const ColumnType& type, std::string* out) {
  if (is_formed(type)) return append_formed_source(value, type, out);
  switch (type.base) {
    case TargetType::kBoolean:
      if (value.storage != StorageClass::kInteger || value.integer < 0 || value.integer > 1) {
        return false;
      }
      return form::append_integer(value.integer, out), true;
    case TargetType::kBigint:
      if (value.storage != StorageClass::kInteger) return false;
      return form::append_integer(value.integer, out), true;
    case TargetType::kDouble:
      if (value.storage != StorageClass::kReal) return false;
      return form::append_real(value.real, out), true;
    case TargetType::kNumeric:
      return append_source_numeric(value, type, out);
    case TargetType::kText:
      if (value.storage != StorageClass::kText || !is_storable_text(value.bytes)) return false;
      return form::append_sized(form::kText, value.bytes, out), true;
    case TargetType::kBytea:
      if (value.storage != StorageClass::kBlob) return false;
      return form::append_sized(form::kBytes, value.bytes, out), true;
    case TargetType::kVariant:
      return append_source_variant(value, out);
    case TargetType::kTimestamp:
    case TargetType::kTimestamptz:
    case TargetType::kDate:
    case TargetType::kUuid:
    case TargetType::kJson:
    case TargetType::kJsonb:
    case TargetType::kReals:
    case TargetType::kDoubles:
    case TargetType::kVector:
      break;  // formed
  }
  return false;
}

}  // namespace

bool append_canonical_source(const ValueView& value, const ColumnType& type, std::string* out) {
  if (value.storage == StorageClass::kNull) return out->push_back(form::kNull), true;
  const size_t start = out->size();
  if (!append_base_source(value, type, out)) return false;
  if (passes_declared(*out, start, type)) return true;
  out->resize(start);
  return false;
}

bool append_canonical_source(const Value& value, const ColumnType& type, std::string* out) {
  return append_canonical_source(view_of(value), type, out);
}

Status append_canonical_target(std::string_view field, bool null, const ColumnType& type,
                               std::string* out) {
  if (null) {
    out->push_back(form::kNull);
    return ok();
  }
  std::string buffer;
  field = as_base_field(field, type, &buffer);
  if (is_formed(type)) {
    if (!append_formed_target(field, type, out)) return not_of_type(field);
    return ok();
  }
  switch (type.base) {
    case TargetType::kBoolean:
      if (field.size() != 1) return not_of_type(field);
      form::append_integer(field[0] == 0 ? 0 : 1, out);
      return ok();
    case TargetType::kBigint:
      if (field.size() != sizeof(int64_t)) return not_of_type(field);
      form::append_integer(postgres::read_be<int64_t>(field), out);
      return ok();
    case TargetType::kDouble:
      if (field.size() != sizeof(double)) return not_of_type(field);
      form::append_real(std::bit_cast<double>(postgres::read_be<uint64_t>(field)), out);
      return ok();
    case TargetType::kNumeric:
      if (!append_decimal_numeric(field, out)) return not_of_type(field);
      return ok();
    case TargetType::kText:
      form::append_sized(form::kText, field, out);
      return ok();
    case TargetType::kBytea:
      form::append_sized(form::kBytes, field, out);
      return ok();
    case TargetType::kVariant:
      if (field.empty() || field[0] != postgres::kJsonbVersion) return not_of_type(field);
      append_variant(field.substr(1), out);
      return ok();
    case TargetType::kTimestamp:
    case TargetType::kTimestamptz:
    case TargetType::kDate:
    case TargetType::kUuid:
    case TargetType::kJson:
    case TargetType::kJsonb:
    case TargetType::kReals:
    case TargetType::kDoubles:
    case TargetType::kVector:
      break;  // formed
  }
  return not_of_type(field);
}

Result<Value> value_from_target(std::string_view field, bool null, const ColumnType& type) {
  std::string form;
  CROSSFADE_TRY(append_canonical_target(field, null, type, &form));
  if (auto value = value_of_form(form)) return *std::move(value);
  Error error;
  error.code = ErrorCode::kMisfit;
  error.remedy = Remedy::kQuarantine;
  error.op = "verify.decode";
  error.native = fmt::format("a {} on the target stands for no value of the source{}",
                             to_string(type), describe_form(type));
  error.hint = "change it to a value that the source can write, or the column's type by a rule";
  return fail(std::move(error));
}

}  // namespace crossfade::verify
