// One row of the target as the values it stands for on the source.
#pragma once

#include <optional>
#include <string>

#include "engine/core/result.h"
#include "engine/core/schema.h"
#include "engine/core/value.h"
#include "engine/postgres/connection.h"

namespace crossfade::run {

struct TargetRow {
  // In Table::columns' order; columns that the source computes, and fields that stand for no value
  // of it, are NULL.
  Row values;
  std::string misfit;  // the first such field, for a person: "price holds 'NaN'"; empty: none
};

// A row of what was selected; the table's columns stand from `first_field` on, in their order.
[[nodiscard]] TargetRow decode_target_row(const Table& table, const postgres::QueryResult& rows,
                                          int row, int first_field);

// Nothing: there is no row of that key. Inside or outside a transaction.
Result<std::optional<TargetRow>> read_target_row(postgres::Connection& target,
                                                 const std::string& target_schema,
                                                 const Table& table, const Row& key);

}  // namespace crossfade::run
