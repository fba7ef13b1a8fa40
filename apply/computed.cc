#include "apply/computed.h"

#include <fmt/format.h>

#include <vector>

#include "apply/row_writer.h"

namespace crossfade::apply {
namespace {

// The values are sent anew each time: a refusal aborts whatever came before it.
Result<bool> can_compute(postgres::Connection& target, const Table& table, const Column& column,
                         const Row& row) {
  ArrayParams params(codecs_of(table, target.server_version()));
  std::vector<const Value*> values;
  for (const Value& value : row) values.push_back(&value);
  if (!params.add(values)) return true;  // it never came to be computed
  CROSSFADE_TRY(target.exec("SAVEPOINT computed"));
  const auto made = target.query(
      fmt::format("SELECT {} FROM {}", *column.target_generated, row_source_sql(table)),
      params.finish());
  if (!made && made.error().remedy != Remedy::kQuarantine) return fail(made.error());
  CROSSFADE_TRY(target.exec("ROLLBACK TO SAVEPOINT computed; RELEASE SAVEPOINT computed"));
  return made.has_value();
}

}  // namespace

Result<std::string> find_not_computable(postgres::Connection& target, const Table& table,
                                        const Row& row) {
  for (const Column& column : table.columns) {
    if (!column.target_generated) continue;
    CROSSFADE_TRY(const bool can, can_compute(target, table, column, row));
    if (!can) return column.name;
  }
  return std::string();
}

}  // namespace crossfade::apply
