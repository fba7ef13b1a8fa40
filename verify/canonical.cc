#include "verify/canonical.h"

#include <fmt/core.h>

#include <bit>

#include "engine/postgres/binary.h"
#include "verify/canonical_form.h"
#include "verify/decimal.h"
#include "verify/utf8.h"
#include "verify/variant.h"

namespace crossfade::verify {
namespace {

constexpr char kJsonbVersion = 1;

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

bool append_source_numeric(const ValueView& value, std::string* out) {
  if (value.storage == StorageClass::kInteger) return append_decimal(value.integer, out), true;
  if (value.storage == StorageClass::kReal) return append_decimal(value.real, out), true;
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

}  // namespace

bool append_canonical_source(const ValueView& value, TargetType type, std::string* out) {
  if (value.storage == StorageClass::kNull) return out->push_back(form::kNull), true;
  switch (type) {
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
      return append_source_numeric(value, out);
    case TargetType::kText:
      if (value.storage != StorageClass::kText || !is_storable_text(value.bytes)) return false;
      return form::append_sized(form::kText, value.bytes, out), true;
    case TargetType::kBytea:
      if (value.storage != StorageClass::kBlob) return false;
      return form::append_sized(form::kBytes, value.bytes, out), true;
    case TargetType::kVariant:
      return append_source_variant(value, out);
  }
  return false;
}

bool append_canonical_source(const Value& value, TargetType type, std::string* out) {
  ValueView view{value.storage()};
  switch (value.storage()) {
    case StorageClass::kNull:
      break;
    case StorageClass::kInteger:
      view.integer = value.integer();
      break;
    case StorageClass::kReal:
      view.real = value.real();
      break;
    case StorageClass::kText:
      view.bytes = value.text();
      break;
    case StorageClass::kBlob:
      view.bytes = value.blob();
      break;
  }
  return append_canonical_source(view, type, out);
}

Status append_canonical_target(std::string_view field, bool null, TargetType type,
                               std::string* out) {
  if (null) {
    out->push_back(form::kNull);
    return ok();
  }
  switch (type) {
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
      if (field.empty() || field[0] != kJsonbVersion) return not_of_type(field);
      append_variant(field.substr(1), out);
      return ok();
  }
  return not_of_type(field);
}

}  // namespace crossfade::verify
