#include "verify/key_text.h"

#include <fmt/core.h>

#include <bit>
#include <vector>

#include "engine/core/assert.h"
#include "engine/postgres/binary.h"
#include "verify/canonical_form.h"
#include "verify/decimal.h"

namespace crossfade::verify {
namespace {

constexpr size_t kForeignBytesShown = 200;

std::string name_values(const Table& table, const std::vector<std::string>& values) {
  if (values.size() == 1) return table.columns[table.key[0]].name + "=" + values[0];
  std::string names;
  std::string literals;
  for (size_t i = 0; i < values.size(); ++i) {
    names.append(i == 0 ? "" : ", ").append(table.columns[table.key[i]].name);
    literals.append(i == 0 ? "" : ", ").append(values[i]);
  }
  return "(" + names + ")=(" + literals + ")";
}

std::string_view take_sized(std::string_view* form) {
  const auto size = postgres::read_be<uint32_t>(*form, 1);
  const std::string_view bytes = form->substr(5, size);
  form->remove_prefix(5 + size);
  return bytes;
}

std::string_view take_fixed(std::string_view* form) {
  const std::string_view bytes = form->substr(1, sizeof(uint64_t));
  form->remove_prefix(1 + sizeof(uint64_t));
  return bytes;
}

std::string take_literal(std::string_view* form) {
  CROSSFADE_ASSERT(!form->empty(), "a key form ends early");
  switch (form->front()) {
    case form::kNull:
      form->remove_prefix(1);
      return "NULL";
    case form::kInteger:
      return to_literal(Value(postgres::read_be<int64_t>(take_fixed(form))));
    case form::kReal:
      return to_literal(
          Value(std::bit_cast<double>(postgres::read_be<uint64_t>(take_fixed(form)))));
    case form::kDecimal:
      return take_decimal_text(form);
    case form::kText:
      return to_literal(Value(Text{std::string(take_sized(form))}));
    case form::kBytes:
      return to_literal(Value(Blob{std::string(take_sized(form))}));
    case form::kForeign:
      return "(foreign) " +
             to_literal(Value(Blob{std::string(take_sized(form))}), kForeignBytesShown);
    default:
      break;
  }
  CROSSFADE_ASSERT(false, "no canonical form has tag {}", static_cast<int>(form->front()));
  return {};
}

}  // namespace

std::string key_text(const Table& table, const Row& key) {
  std::vector<std::string> values;
  values.reserve(key.size());
  for (const Value& value : key) values.push_back(to_literal(value));
  return name_values(table, values);
}

std::string key_text(const Table& table, std::string_view canonical_key) {
  std::vector<std::string> values;
  values.reserve(table.key.size());
  for (size_t i = 0; i < table.key.size(); ++i) values.push_back(take_literal(&canonical_key));
  return name_values(table, values);
}

}  // namespace crossfade::verify
