#include "apply/source_value.h"

#include <fmt/format.h>

#include <cmath>
#include <string_view>

#include "engine/schema/utf8.h"

namespace crossfade::apply {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

size_t take_digits(std::string_view* text) {
  size_t count = 0;
  while (count < text->size() && is_digit((*text)[count])) ++count;
  text->remove_prefix(count);
  return count;
}

void take_sign(std::string_view* text) {
  if (text->starts_with('-') || text->starts_with('+')) text->remove_prefix(1);
}

// A literal that numeric affinity takes for a number: spaces around it do not matter
// (datatype3.html section 3).
bool becomes_number(std::string_view text) {
  constexpr std::string_view kSpaces = " \t\n\v\f\r";
  const size_t begin = text.find_first_not_of(kSpaces);
  if (begin == std::string_view::npos) return false;
  text = text.substr(begin, text.find_last_not_of(kSpaces) + 1 - begin);
  take_sign(&text);
  size_t digits = take_digits(&text);
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    digits += take_digits(&text);
  }
  if (digits == 0) return false;
  if (text.empty()) return true;
  if (!text.starts_with('e') && !text.starts_with('E')) return false;
  text.remove_prefix(1);
  take_sign(&text);
  return take_digits(&text) != 0 && text.empty();
}

// All 64-bit integers that a REAL holds are those it comes back from.
bool is_exact_real(int64_t value) {
  constexpr double kBeyond = 9223372036854775808.0;
  const auto real = static_cast<double>(value);
  return real < kBeyond && static_cast<int64_t>(real) == value;
}

}  // namespace

std::optional<std::string> why_not_kept(const Column& column, const Value& value) {
  const auto differs = [&](const char* becomes) {
    return fmt::format("{} would be stored as {}: the column's type in SQLite is \"{}\"",
                       schema::printable(to_literal(value)), becomes, column.declared_type);
  };
  switch (value.storage()) {
    case StorageClass::kNull:
    case StorageClass::kBlob:
      return std::nullopt;
    case StorageClass::kInteger:
      if (column.affinity == Affinity::kText) return differs("text");
      if (column.affinity == Affinity::kReal && !is_exact_real(value.integer())) {
        return differs("another number");
      }
      return std::nullopt;
    case StorageClass::kReal:
      if (std::isnan(value.real())) return "SQLite has no NaN";
      if (column.affinity == Affinity::kText) return differs("text");
      return std::nullopt;
    case StorageClass::kText:
      if (is_numeric(column.affinity) && becomes_number(value.text())) return differs("a number");
      return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace crossfade::apply
