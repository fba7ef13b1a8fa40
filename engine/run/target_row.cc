#include "engine/run/target_row.h"

#include <fmt/format.h>

#include <vector>

#include "apply/row_writer.h"
#include "capture/field_decoder.h"
#include "engine/postgres/quote.h"

namespace crossfade::run {
namespace {

constexpr size_t kShownBytesMax = 80;

std::string column_list_sql(const Table& table) {
  std::string out;
  for (const Column& column : table.columns) {
    out += fmt::format("{}t.{}", out.empty() ? "" : ",", postgres::quote(column.target_name));
  }
  return out;
}

}  // namespace

TargetRow decode_target_row(const Table& table, const postgres::QueryResult& rows, int row,
                            int first_field) {
  TargetRow out;
  for (size_t i = 0; i < table.columns.size(); ++i) {
    const Column& column = table.columns[i];
    const int field = static_cast<int>(i) + first_field;
    out.values.emplace_back();
    if (column.generated || rows.is_null(row, field)) continue;
    auto value = capture::FieldDecoder(column.type).decode(rows.bytes(row, field));
    if (value) {
      out.values.back() = *std::move(value);
    } else if (out.misfit.empty()) {
      out.misfit = fmt::format("{} holds '{}'", column.target_name,
                               rows.bytes(row, field).substr(0, kShownBytesMax));
    }
  }
  return out;
}

Result<std::optional<TargetRow>> read_target_row(postgres::Connection& target,
                                                 const std::string& target_schema,
                                                 const Table& table, const Row& key) {
  apply::ArrayParams params(apply::key_codecs_of(table, target.server_version()));
  std::vector<const Value*> values;
  for (const Value& value : key) values.push_back(&value);
  // A key that does not fit the target's types cannot be there.
  if (!params.add(values)) return std::nullopt;
  CROSSFADE_TRY(const auto found,
                target.query(apply::select_sql(target_schema, table, column_list_sql(table)),
                             params.finish()));
  if (found.rows() == 0) return std::nullopt;
  return decode_target_row(table, found, 0, 0);
}

}  // namespace crossfade::run
