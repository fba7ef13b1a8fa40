// Promise: any bytes as the text of a field of any type are a value that apply can write into that
// type, or none; and nothing is read beyond them.
//
// Input: the type, the field.
#include "capture/field_decoder.h"
#include "apply/encoder.h"
#include "tests/fuzz/input.h"
#include "tests/support/typed_values.h"

using namespace crossfade;

namespace {

// Whose fields the server has checked: bytes that it would never send need not fit again.
bool is_checked_by_server(const ColumnType& type) {
  return !type.spelling.empty() || type.base == TargetType::kText ||
         type.base == TargetType::kJson || type.base == TargetType::kJsonb ||
         type.base == TargetType::kVector || type.base == TargetType::kNumeric;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::vector<ColumnType> types = testing::all_column_types();
  fuzz::Input input(data, size);
  const ColumnType& type = types[input.byte() % types.size()];
  const std::string field(input.rest());
  const auto value = capture::FieldDecoder(type).decode(field);
  if (!value || is_checked_by_server(type)) return 0;
  std::string sent;
  fuzz::require(apply::append_field(view_of(*value), apply::Codec(type), &sent),
                "a field stands for a value that fits its type",
                to_string(type) + describe_form(type) + ": " + field);
  return 0;
}
