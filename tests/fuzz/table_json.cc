// Promise: any text is a plan or an error; a plan that was read is written and read as the same.
#include "engine/run/table_json.h"
#include "tests/fuzz/input.h"

using namespace crossfade;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(fuzz::Input(data, size).rest());
  const auto table = run::table_from_json(text);
  if (!table) return 0;
  const std::string written = run::table_to_json(table.value());
  const auto again = run::table_from_json(written);
  fuzz::require(again.has_value(), "what is written can be read", written);
  fuzz::require(run::table_to_json(again.value()) == written, "a plan comes back", written);
  return 0;
}
