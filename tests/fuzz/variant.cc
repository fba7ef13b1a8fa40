// Promise: a value as a variant is the same for apply, which writes it, and verify, which reads it;
// and any text in its place is read as something.
//
// Input: the storage class, the value.
#include <algorithm>

#include "apply/variant.h"
#include "tests/fuzz/input.h"
#include "verify/canonical.h"
#include "verify/variant.h"

using namespace crossfade;

namespace {

// The space that jsonb_out() writes after the colon of crossfade's objects.
std::string as_server_has_it(std::string json) {
  if (json.compare(0, 2, "{\"") == 0) json.insert(json.find("\":\"") + 2, " ");
  return json;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input input(data, size);
  const uint8_t storage = input.byte();
  std::string anything;
  verify::append_variant(input.rest(), &anything);
  fuzz::require(!anything.empty(), "any text has a form");

  const Value value = input.value(storage, size);
  if (value.is_null()) return 0;
  std::string written;
  apply::append_variant(value, &written);
  const std::string json = as_server_has_it(written);
  fuzz::require(json == verify::variant_json(value), "both sides write the same", json);
  std::string read;
  verify::append_variant(json, &read);
  std::string expected;
  fuzz::require(verify::append_canonical_source(value, TargetType::kVariant, &expected),
                "a variant holds any value", json);
  fuzz::require(read == expected, "what was written is what is read", json);
  return 0;
}
