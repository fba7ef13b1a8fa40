// Promise: any bytes as a field of any type are a value, a misfit or an error; and a value that
// they are taken for fits the type again.
#include "tests/fuzz/input.h"
#include "tests/support/typed_values.h"
#include "verify/canonical.h"

using namespace crossfade;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::vector<ColumnType> types = testing::all_column_types();
  fuzz::Input input(data, size);
  const ColumnType& type = types[input.byte() % types.size()];
  const std::string_view field = input.rest();
  std::string canonical;
  const Status read = verify::append_canonical_target(field, false, type, &canonical);
  fuzz::require(read || canonical.empty(), "an error leaves nothing behind", to_string(type));
  const auto value = verify::value_from_target(field, false, type);
  fuzz::require(read || !value, "what is no field is no value", to_string(type));
  return 0;
}
