// A row that a person made up for both sides.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "apply/encoder.h"
#include "apply/source_value.h"
#include "engine/run/conflict_rows.h"
#include "engine/run/conflicts.h"
#include "engine/schema/find_column.h"
#include "engine/schema/rules.h"
#include "engine/schema/utf8.h"

namespace crossfade::run {
namespace {

using nlohmann::json;

Error no_row(std::string native, std::string hint) {
  Error error;
  error.code = ErrorCode::kUsage;
  error.op = "conflicts.resolve";
  error.native = std::move(native);
  error.hint = std::move(hint);
  return error;
}

// The two names that a person may use where crossfade writes the longer one.
json with_full_names(const json& value) {
  if (!value.is_object() || value.size() != 1) return value;
  const std::string form = value.begin().key();
  return form == "blob" || form == "text" || form == "real"
             ? json{{"$" + form, value.begin().value()}}
             : value;
}

std::optional<std::string> why_not(const Table& table, size_t column, const Value& value) {
  const Column& c = table.columns[column];
  if (std::find(table.key.begin(), table.key.end(), column) != table.key.end()) {
    return "it is in the key, which stays";
  }
  if (c.generated) return "it is computed from the other columns";
  if (value.is_null()) {
    return c.not_null ? std::optional<std::string>("it is NOT NULL") : std::nullopt;
  }
  if (auto why = apply::why_not_kept(c, value)) return why;
  const apply::Codec codec(c.type);
  std::string field;
  if (apply::append_field(view_of(value), codec, &field)) return std::nullopt;
  return apply::misfit_reason(value, c.type);
}

// A row to begin with: all columns, or those missing that the operator gives.
Result<Row> row_to_change(const Table& table, const ConflictEntry& entry) {
  const std::string& text = entry.source.empty() ? entry.target : entry.source;
  const json there = json::parse(text, nullptr, /*allow_exceptions=*/false);
  auto row = row_from_jsonb(table, there);
  if (row) return std::move(*row);
  return fail(
      no_row(fmt::format("conflict {} has no row of the table as it is now to change", entry.id),
             "take one side's with --take, or give the table its row on one side first"));
}

}  // namespace

Result<Row> row_with_changes(const Table& table, const ConflictEntry& entry,
                             const std::string& changes) {
  CROSSFADE_TRY(Row row, row_to_change(table, entry));
  const json given = json::parse(changes, nullptr, /*allow_exceptions=*/false);
  if (!given.is_object()) {
    return fail(no_row("--row takes a JSON object of columns and values",
                       R"(for instance --row '{"name": "Ann", "photo": {"blob": "00ff"}}')"));
  }
  for (const auto& [name, content] : given.items()) {
    const auto column = schema::find_column(table, name);
    if (!column) {
      std::vector<std::string> known;
      for (const Column& each : table.columns) known.push_back(each.name);
      return fail(no_row(fmt::format("table {} has no column '{}'{}", schema::printable(table.name),
                                     schema::printable(name), schema::did_you_mean(name, known)),
                         "`crossfade conflicts show` lists the columns"));
    }
    auto value = value_from_jsonb(with_full_names(content));
    if (!value) {
      return fail(no_row(
          fmt::format("{} is no value for column '{}'", content.dump(), schema::printable(name)),
          R"(values are 1, 1.0, "text", null, {"blob": "00ff"} or {"text": "6100"})"));
    }
    if (const auto why = why_not(table, *column, *value)) {
      return fail(no_row(fmt::format("column '{}' cannot get {}: {}", schema::printable(name),
                                     schema::printable(to_literal(*value, 80)), *why),
                         "give another value, or take one side's row with --take"));
    }
    row[*column] = std::move(*value);
  }
  return row;
}

}  // namespace crossfade::run
