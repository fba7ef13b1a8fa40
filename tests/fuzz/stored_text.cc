// Promise: positions and keys that were kept as bytes are read back as they were or refused.
#include "apply/snapshot_reader.h"
#include "engine/core/value.h"
#include "tests/fuzz/input.h"

using namespace crossfade;

namespace {

std::string identity_of(const Row& row) {
  std::string out;
  for (const Value& value : row) append_identity(value, &out);
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(fuzz::Input(data, size).rest());
  if (const auto row = parse_identity(text)) {
    fuzz::require(identity_of(*row) == text, "an identity comes back");
  }
  if (const auto position = apply::CopyPosition::from_text(text)) {
    const auto again = apply::CopyPosition::from_text(position->to_text());
    fuzz::require(again && again->started == position->started && again->rowid == position->rowid &&
                      again->rowid_end == position->rowid_end &&
                      again->rowid_done == position->rowid_done && again->key == position->key,
                  "a position comes back", text);
  }
  return 0;
}
