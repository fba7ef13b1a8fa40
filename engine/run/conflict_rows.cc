#include "engine/run/conflict_rows.h"

#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "apply/variant.h"
#include "engine/schema/utf8.h"

namespace crossfade::run {
namespace {

std::optional<int> hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return std::nullopt;
}

std::optional<std::string> bytes_of_hex(const std::string& hex) {
  if (hex.size() % 2 != 0) return std::nullopt;
  std::string out;
  out.reserve(hex.size() / 2);
  for (size_t i = 0; i < hex.size(); i += 2) {
    const auto high = hex_digit(hex[i]);
    const auto low = hex_digit(hex[i + 1]);
    if (!high || !low) return std::nullopt;
    out.push_back(static_cast<char>(*high * 16 + *low));
  }
  return out;
}

std::optional<Value> value_of_object(const std::string& form, const std::string& content) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (form == "$real") {
    if (content == "Infinity") return Value(kInfinity);
    if (content == "-Infinity") return Value(-kInfinity);
    return content == "-0.0" ? std::optional(Value(-0.0)) : std::nullopt;
  }
  auto bytes = bytes_of_hex(content);
  if (!bytes) return std::nullopt;
  if (form == "$blob") return Value(Blob{std::move(*bytes)});
  if (form == "$text") return Value(Text{std::move(*bytes)});
  return std::nullopt;
}

}  // namespace

std::string row_to_jsonb(const Table& table, const Row& row) {
  std::string out = "{";
  for (size_t i = 0; i < row.size(); ++i) {
    if (i != 0) out += ',';
    apply::append_variant_text(schema::printable(table.columns[i].name), &out);
    out += ':';
    apply::append_variant(row[i], &out);
  }
  return out + "}";
}

std::optional<Value> value_from_jsonb(const nlohmann::json& value) {
  if (value.is_null()) return Value();
  if (value.is_string()) return Value(Text{value.get<std::string>()});
  if (value.is_number_float()) return Value(value.get<double>());
  if (value.is_number_unsigned()) {
    const auto number = value.get<uint64_t>();
    if (number > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) return std::nullopt;
  }
  if (value.is_number_integer()) return Value(value.get<int64_t>());
  if (!value.is_object() || value.size() != 1) return std::nullopt;
  const auto form = value.begin();
  if (!form.value().is_string()) return std::nullopt;
  return value_of_object(form.key(), form.value().get<std::string>());
}

std::optional<Row> row_from_jsonb(const Table& table, const nlohmann::json& row) {
  if (!row.is_object()) return std::nullopt;
  Row out;
  for (const Column& column : table.columns) {
    const auto at = row.find(schema::printable(column.name));
    if (at == row.end()) return std::nullopt;
    auto value = value_from_jsonb(*at);
    if (!value) return std::nullopt;
    out.push_back(std::move(*value));
  }
  return out;
}

std::string shown_value(const nlohmann::json& value) {
  const auto read = value_from_jsonb(value);
  if (!read) return value.dump();
  if (read->storage() != StorageClass::kText || apply::is_target_text(read->text())) {
    return to_literal(*read);
  }
  return to_literal(Value(Blob{read->text()})) + " as text";
}

}  // namespace crossfade::run
