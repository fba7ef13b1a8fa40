// Promise: any bytes are taken apart as a CREATE statement, and as a view translated, or refused.
#include "engine/schema/expression/parser.h"
#include "engine/schema/expression/split.h"
#include "tests/fuzz/scope.h"

using namespace crossfade;
using namespace crossfade::schema::expression;

namespace {

std::optional<Relation> resolve(std::string_view name) {
  static const Scope scope = fuzz::make_scope();
  if (name != "t" && name != "x") return std::nullopt;
  Relation out;
  out.schema = "s";
  out.target_name = std::string(name);
  out.columns = scope.columns;
  out.primary_key = {"id"};
  out.rowid_column = "id";
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view sql = fuzz::Input(data, size).rest();
  fuzz::check_refusal(split_create_table(sql), sql);
  fuzz::check_refusal(split_create_index(sql), sql);
  const auto parsed = parse_create_view(sql);
  fuzz::check_refusal(parsed, sql);
  ViewNames names;
  names.schema = "s";
  names.to_target = [](std::string_view name) { return std::string(name); };
  const auto translated = translate_view(sql, resolve, names);
  fuzz::check_refusal(translated, sql);
  fuzz::require(parsed || !translated, "what cannot be parsed is not translated", sql);
  return 0;
}
