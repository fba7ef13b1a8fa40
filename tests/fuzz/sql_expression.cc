// Promise: any bytes are translated as an expression or refused, with the part that has no equal.
#include "engine/schema/expression/parser.h"
#include "engine/schema/expression/split.h"
#include "tests/fuzz/scope.h"

using namespace crossfade;
using namespace crossfade::schema::expression;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Scope scope = fuzz::make_scope();
  fuzz::Input input(data, size);
  const auto use = static_cast<Use>(input.byte() % 5);
  const size_t column = input.byte() % scope.columns.size();
  const std::string_view sql = input.rest();
  const auto parsed = parse_expression(sql);
  fuzz::check_refusal(parsed, sql);
  const auto translated = translate_expression(sql, scope, use);
  fuzz::check_refusal(translated, sql);
  fuzz::require(parsed || !translated, "what cannot be parsed is not translated", sql);
  if (translated) fuzz::require(!translated.value().sql.empty(), "a translation is SQL", sql);
  if (use == Use::kDefault || use == Use::kGenerated) {
    fuzz::check_refusal(translate_value(sql, scope, use, scope.columns[column]), sql);
  }
  return 0;
}
