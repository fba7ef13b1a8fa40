// Promise: the three readers of JSON take the same texts, as json and as jsonb's own spelling.
#include "apply/json_text.h"
#include "engine/schema/evidence_json.h"
#include "engine/schema/utf8.h"
#include "tests/fuzz/input.h"
#include "verify/json_form.h"

using namespace crossfade;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static schema::JsonReader reader;
  const std::string_view text = fuzz::Input(data, size).rest();
  const bool json = apply::is_json(text);
  const bool jsonb = apply::is_jsonb_spelling(text);
  fuzz::require(json == verify::is_json_text(text), "apply and verify agree on json", text);
  fuzz::require(jsonb == verify::is_jsonb_text(text), "apply and verify agree on jsonb", text);
  fuzz::require(json || !jsonb, "jsonb's spelling is json", text);
  const schema::TextFlaws flaws = schema::find_flaws(text);
  if (flaws.nul || flaws.invalid) {
    fuzz::require(!json, "json is UTF-8 without NUL", text);
    return 0;
  }
  const schema::JsonText read = reader.read(text);
  fuzz::require(read.valid == json, "the evidence agrees on json", text);
  fuzz::require(!json || read.normal == jsonb, "the evidence agrees on jsonb", text);
  fuzz::require(!jsonb || (!read.duplicate_keys && !read.nul_escape), "jsonb has neither", text);
  (void)reader.is_json5(text);
  return 0;
}
