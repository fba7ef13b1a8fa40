// Promise: any value in any type is a misfit, for apply and for verify alike, or it comes back from
// the target's binary field bit for bit (one-way forms: as what the rule makes of it).
//
// Input: the type, the storage class, the value.
#include "apply/encoder.h"
#include "tests/fuzz/input.h"
#include "tests/support/typed_values.h"
#include "verify/canonical.h"

using namespace crossfade;

namespace {

bool is_one_way(SourceForm form) {
  return form == SourceForm::kTextEscaped || form == SourceForm::kTextStripped ||
         form == SourceForm::kTextLatin1;
}

std::vector<ColumnType> all_types() {
  std::vector<ColumnType> out = testing::all_column_types();
  const auto add = [&out](TargetType base, SourceForm form) {
    out.emplace_back(base);
    out.back().form = form;
  };
  add(TargetType::kBytea, SourceForm::kTextBytes);
  add(TargetType::kText, SourceForm::kTextEscaped);
  add(TargetType::kText, SourceForm::kTextStripped);
  add(TargetType::kText, SourceForm::kTextLatin1);
  add(TargetType::kTimestamptz, SourceForm::kPattern);
  out.back().pattern = "%Y-%m-%d %H:%M:%S%tf%{+02:00}";
  return out;
}

// jsonb_out() writes a space where apply leaves it out.
std::string as_server_has_it(std::string field, const ColumnType& type) {
  if (type.base != TargetType::kVariant || field.empty() || field.compare(1, 2, "{\"") != 0)
    return field;
  return field.insert(field.find("\":\"") + 2, " ");
}

// numeric tells classes by the number alone.
bool is_same(const Value& value, const Value& back, const ColumnType& type) {
  if (value == back) return true;
  return type.base == TargetType::kNumeric && value.storage() == StorageClass::kReal &&
         back.storage() == StorageClass::kInteger &&
         static_cast<double>(back.integer()) == value.real();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::vector<ColumnType> types = all_types();
  fuzz::Input input(data, size);
  const ColumnType& type = types[input.byte() % types.size()];
  const uint8_t storage = input.byte();
  const Value value = input.value(storage, size);
  const std::string shown = to_string(type) + describe_form(type) + " of " + to_literal(value);

  std::string sent;
  std::string expected;
  const bool fits = apply::append_field(view_of(value), apply::Codec(type), &sent);
  const bool seen = verify::append_canonical_source(value, type, &expected);
  fuzz::require(fits == seen, "apply and verify agree on what fits", shown);
  if (!fits) {
    fuzz::require(sent.empty() && expected.empty(), "a misfit leaves nothing behind", shown);
    return 0;
  }
  const auto length = postgres::read_be<int32_t>(sent);
  fuzz::require(length == (value.is_null() ? -1 : static_cast<int64_t>(sent.size()) - 4),
                "the length is the field's", shown);
  const std::string field = as_server_has_it(sent.substr(4), type);
  std::string canonical;
  const Status read = verify::append_canonical_target(field, value.is_null(), type, &canonical);
  fuzz::require(read && canonical == expected, "both sides have one canonical form", shown);
  const auto back = verify::value_from_target(field, value.is_null(), type);
  fuzz::require(back.has_value(), "a field stands for a value", shown);
  fuzz::require(is_one_way(type.form) || is_same(value, back.value(), type), "it comes back",
                shown);
  return 0;
}
