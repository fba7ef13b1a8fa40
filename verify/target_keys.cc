#include "verify/target_keys.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "engine/core/assert.h"
#include "engine/postgres/quote.h"
#include "verify/canonical.h"
#include "verify/formed.h"
#include "verify/variant.h"

namespace crossfade::verify {
namespace {

std::string number_text(const Value& value) {
  if (value.storage() == StorageClass::kInteger) return std::to_string(value.integer());
  if (std::isinf(value.real())) return value.real() > 0 ? "Infinity" : "-Infinity";
  std::array<char, 32> text{};
  // The shortest digits, as numeric columns have them: the plain form may write a whole number out.
  char* const end = std::to_chars(text.data(), text.data() + text.size(), value.real(),
                                  std::chars_format::scientific)
                        .ptr;
  return {text.data(), end};
}

std::string bytea_text(const std::string& bytes) {
  constexpr std::string_view kHexDigits = "0123456789abcdef";
  std::string text = "\\x";
  text.reserve(2 + bytes.size() * 2);
  for (const char c : bytes) {
    text.push_back(kHexDigits[static_cast<unsigned char>(c) >> 4U]);
    text.push_back(kHexDigits[static_cast<unsigned char>(c) & 0xFU]);
  }
  return text;
}

std::string key_column(const Table& table, size_t part) {
  return "t." + postgres::quote(table.columns[table.key[part]].target_name);
}

std::string typed_literal(const Table& table, size_t part, const Value& value) {
  const ColumnType& type = table.columns[table.key[part]].type;
  std::string sql = key_literal(value, type) + "::" + key_cast(type);
  if (type.base == TargetType::kText) sql += " COLLATE \"C\"";
  return sql;
}

// "(t.a, t.b) > ('x', '1')", from the part `first` on.
std::string compare_from(const Table& table, size_t first, const char* comparison,
                         const Row& bound) {
  std::string columns;
  std::string values;
  for (size_t i = first; i < bound.size(); ++i) {
    columns.append(i == first ? "(" : ", ").append(key_column(table, i));
    values.append(i == first ? "(" : ", ").append(typed_literal(table, i, bound[i]));
  }
  return columns + ")" + comparison + values + ")";
}

// How many leading key parts both bounds share, leaving at least one to compare.
size_t shared_parts(const Row& after, const Row& through) {
  size_t shared = 0;
  while (shared + 1 < std::min(after.size(), through.size()) && after[shared] == through[shared]) {
    ++shared;
  }
  return shared;
}

}  // namespace

bool canonical_key(const Table& table, const Row& key, std::string* out) {
  out->clear();
  for (size_t i = 0; i < key.size(); ++i) {
    if (key[i].is_null()) return false;
    if (!append_canonical_source(key[i], table.columns[table.key[i]].type, out)) return false;
  }
  return true;
}

std::string select_target(const Table& table, const std::string& schema) {
  std::string sql = "SELECT ";
  for (size_t i = 0; i < table.columns.size(); ++i) {
    sql.append(i == 0 ? "t." : ", t.").append(postgres::quote(table.columns[i].target_name));
  }
  return sql + " FROM " + postgres::quote(schema, table.target_name) + " AS t";
}

std::string where_in_range(const SourceChunk& chunk) {
  if (!chunk.by_range) return {};
  const Table& table = *chunk.table;
  const size_t shared = shared_parts(chunk.after, chunk.through);
  std::string sql;
  const auto add = [&sql](const std::string& condition) {
    sql.append(sql.empty() ? " WHERE " : " AND ").append(condition);
  };
  // The planner judges a row comparison by its first column alone: where that is one value (a
  // tenant, say), it would read the whole table for each chunk.
  for (size_t i = 0; i < shared; ++i) {
    add(key_column(table, i) + " = " + typed_literal(table, i, chunk.after[i]));
  }
  if (!chunk.after.empty()) add(compare_from(table, shared, " > ", chunk.after));
  if (!chunk.through.empty()) add(compare_from(table, shared, " <= ", chunk.through));
  return sql;
}

std::string order_by_key(const Table& table) {
  std::string sql;
  for (size_t i = 0; i < table.key.size(); ++i) {
    sql.append(i == 0 ? " ORDER BY " : ", ").append(key_column(table, i));
    if (table.columns[table.key[i]].type.base == TargetType::kText) sql += " COLLATE \"C\"";
  }
  return sql;
}

std::string key_literal(const Value& value, const ColumnType& type) {
  if (is_formed(type)) return postgres::quote_literal(formed_text(value, type));
  switch (type.base) {
    case TargetType::kBoolean:
      return value.integer() == 0 ? "'f'" : "'t'";
    case TargetType::kBigint:
    case TargetType::kDouble:
    case TargetType::kNumeric:
      return postgres::quote_literal(number_text(value));
    case TargetType::kText:
      return postgres::quote_literal(value.text());
    case TargetType::kBytea:
      return postgres::quote_literal(bytea_text(value.blob()));
    case TargetType::kVariant:
      return postgres::quote_literal(variant_json(value));
    case TargetType::kTimestamp:
    case TargetType::kTimestamptz:
    case TargetType::kDate:
    case TargetType::kUuid:
    case TargetType::kJson:
    case TargetType::kJsonb:
    case TargetType::kReals:
    case TargetType::kDoubles:
    case TargetType::kVector:
      break;  // formed
  }
  CROSSFADE_ASSERT(false, "no key has target type {}", static_cast<int>(type.base));
  return {};
}

const char* key_cast(const ColumnType& type) {
  return to_string(type.base);
}

}  // namespace crossfade::verify
