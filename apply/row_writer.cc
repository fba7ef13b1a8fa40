#include "apply/row_writer.h"

#include <fmt/format.h>

#include "engine/postgres/quote.h"

namespace crossfade::apply {
namespace {

using postgres::quote;

// Keys per DELETE: keeps one parameter well below libpq's and the server's message limits.
constexpr size_t kKeysPerStatement = 10'000;

// The element type of the array that array_oid() names.
const char* element_type(TargetType type) {
  return holds_floats(type) ? "text" : to_string(type);
}

// What an element is cast to. A vector is assigned from real[], so that its type, which is in
// whichever schema the extension is, need not be named. Text is not assigned to an enum by itself.
std::string element_cast(const ColumnType& type) {
  if (!type.labels.empty()) return "::" + type.spelling;
  if (!holds_floats(type.base)) return "";
  return type.base == TargetType::kDoubles ? "::double precision[]" : "::real[]";
}

// Of the column's order, so that its index serves; a column of somebody else's has its own, under
// which equal texts are the same bytes too.
const char* key_collation(const ColumnType& type) {
  return type.base == TargetType::kText && type.spelling.empty() ? " COLLATE \"C\"" : "";
}

// Of the columns that are written.
std::string column_list(const Table& table) {
  std::string out;
  for (const Column& column : table.columns) {
    if (column.target_generated) continue;
    out += (out.empty() ? "" : ",") + quote(column.target_name);
  }
  return out;
}

}  // namespace

bool ArrayParams::add(const std::vector<const Value*>& values) {
  for (size_t i = 0; i < values.size(); ++i) {
    const size_t before = elements_[i].size();
    if (!append_element(view_of(*values[i]), codecs_[i], &elements_[i])) {
      for (size_t j = 0; j < i; ++j) {
        std::string undo;
        if (!codecs_[j].written) continue;
        (void)append_element(view_of(*values[j]), codecs_[j], &undo);
        elements_[j].resize(elements_[j].size() - undo.size());
      }
      elements_[i].resize(before);
      return false;
    }
    if (!codecs_[i].written) {
      elements_[i].clear();
      continue;
    }
    if (values[i]->is_null()) has_nulls_ = true;
  }
  ++rows_;
  return true;
}

size_t ArrayParams::size_bytes() const {
  size_t total = 0;
  for (const std::string& column : elements_) total += column.capacity();
  return total;
}

std::vector<postgres::Param> ArrayParams::finish() {
  arrays_.assign(codecs_.size(), {});
  std::vector<postgres::Param> params;
  for (size_t i = 0; i < codecs_.size(); ++i) {
    if (!codecs_[i].written) continue;
    const TargetType type = codecs_[i].type->base;
    postgres::append_array_header(element_oid(type), static_cast<int32_t>(rows_), has_nulls_,
                                  &arrays_[i]);
    arrays_[i] += elements_[i];
    params.push_back({array_oid(type), arrays_[i], false});
  }
  return params;
}

std::string copy_sql(const std::string& target_schema, const Table& table) {
  return fmt::format("COPY {}({}) FROM STDIN (FORMAT binary)",
                     quote(target_schema, table.target_name), column_list(table));
}

namespace {

// " AS t ... WHERE ...": the rows of the keys that the parameters hold.
std::string of_keys(const Table& table, const char* join) {
  std::string arrays;
  std::string names;
  std::string where;
  for (size_t i = 0; i < table.key.size(); ++i) {
    const Column& column = table.columns[table.key[i]];
    arrays += fmt::format("{}${}::{}[]", i == 0 ? "" : ",", i + 1, element_type(column.type.base));
    names += fmt::format("{}k{}", i == 0 ? "" : ",", i);
    where += fmt::format("{}t.{}=k.k{}{}", i == 0 ? "" : " AND ", quote(column.target_name), i,
                         key_collation(column.type));
  }
  return fmt::format(" AS t{} unnest({}) AS k({}) WHERE {}", join, arrays, names, where);
}

}  // namespace

std::string delete_sql(const std::string& target_schema, const Table& table) {
  return fmt::format("DELETE FROM {}{}", quote(target_schema, table.target_name),
                     of_keys(table, " USING"));
}

std::string select_sql(const std::string& target_schema, const Table& table,
                       const std::string& columns) {
  return fmt::format("SELECT {} FROM {}{}", columns, quote(target_schema, table.target_name),
                     of_keys(table, ","));
}

std::string row_source_sql(const Table& table) {
  std::string arrays;
  std::string names;
  std::string values;
  size_t count = 0;
  for (const Column& column : table.columns) {
    if (column.target_generated) continue;
    const ColumnType& type = column.type;
    const bool collated = type.base == TargetType::kText && type.labels.empty();
    const char* comma = count == 0 ? "" : ",";
    arrays += fmt::format("{}${}::{}[]", comma, count + 1, element_type(type.base));
    names += fmt::format("{}v{}", comma, count);
    values += fmt::format("{}v{}{}{} AS {}", comma, count, element_cast(type),
                          collated ? " COLLATE \"C\"" : "", quote(column.target_name));
    ++count;
  }
  return fmt::format("(SELECT {} FROM unnest({}) AS r({})) AS given", values, arrays, names);
}

std::string insert_sql(const std::string& target_schema, const Table& table) {
  // COPY takes values for an identity column that is generated always; INSERT must be told to.
  return fmt::format("INSERT INTO {}({}){} SELECT * FROM {}",
                     quote(target_schema, table.target_name), column_list(table),
                     table.adopted ? " OVERRIDING SYSTEM VALUE" : "", row_source_sql(table));
}

Status copy_rows(postgres::Connection& target, const std::string& target_schema, const Table& table,
                 const EncodedRows& rows, size_t from, size_t to) {
  if (from == to) return ok();
  CROSSFADE_TRY(target.copy_in_begin(copy_sql(target_schema, table)));
  CROSSFADE_TRY(target.copy_in_put(postgres::copy_header()));
  CROSSFADE_TRY(target.copy_in_put(rows.rows(from, to)));
  CROSSFADE_TRY(target.copy_in_put(postgres::copy_trailer()));
  CROSSFADE_TRY(target.copy_in_end());
  return ok();
}

size_t EncodedKeys::size_bytes() const {
  size_t total = 0;
  for (const ArrayParams& params : statements) total += params.size_bytes();
  return total;
}

EncodedKeys encode_keys(const Table& table, const std::vector<const Row*>& keys,
                        int server_version) {
  EncodedKeys out;
  std::vector<const Value*> values;
  for (const Row* key : keys) {
    if (out.statements.empty() || out.statements.back().rows() == kKeysPerStatement) {
      out.statements.emplace_back(key_codecs_of(table, server_version));
    }
    values.clear();
    for (const Value& value : *key) values.push_back(&value);
    (void)out.statements.back().add(values);
  }
  return out;
}

Result<int64_t> delete_keys(postgres::Connection& target, const std::string& target_schema,
                            const Table& table, EncodedKeys keys) {
  int64_t deleted = 0;
  const std::string sql = delete_sql(target_schema, table);
  for (ArrayParams& params : keys.statements) {
    CROSSFADE_TRY(const auto result, target.query(sql, params.finish()));
    deleted += result.affected();
  }
  return deleted;
}

}  // namespace crossfade::apply
