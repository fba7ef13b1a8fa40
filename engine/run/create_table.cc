#include "engine/run/create_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "engine/observe/log.h"
#include "engine/run/target_ddl.h"
#include "engine/schema/generated_plan.h"
#include "engine/schema/table_ddl.h"

namespace crossfade::run {
namespace {

std::vector<size_t> computed_columns(const Table& table) {
  std::vector<size_t> out;
  for (size_t i = 0; i < table.columns.size(); ++i) {
    if (table.columns[i].target_generated) out.push_back(i);
  }
  return out;
}

struct Refused {
  size_t column;
  std::string native;
};

// Each column by itself, with the others plain. When it takes them one by one, but not together,
// all are refused.
Result<std::vector<Refused>> find_refused(postgres::Connection& target,
                                          const std::string& target_schema, const Table& table,
                                          const Error& together) {
  const std::vector<size_t> computed = computed_columns(table);
  std::vector<Refused> refused;
  for (const size_t tried : computed) {
    Table alone = table;
    for (const size_t other : computed) {
      if (other != tried) alone.columns[other].target_generated.reset();
    }
    CROSSFADE_TRY(
        const auto attempt,
        attempt_ddl(target, schema::create_table_ddl(alone, target_schema), Outcome::kUndone));
    if (attempt.refusal) refused.push_back({tried, attempt.refusal->native});
  }
  if (!refused.empty()) return refused;
  for (const size_t each : computed) refused.push_back({each, together.native});
  return refused;
}

}  // namespace

Result<std::vector<schema::Finding>> create_table(postgres::Connection& target,
                                                  const std::string& target_schema, Table* table) {
  std::vector<schema::Finding> findings;
  if (computed_columns(*table).empty()) {
    CROSSFADE_TRY(target.exec(table->create_table_ddl));
    return findings;
  }
  CROSSFADE_TRY(const auto attempt, attempt_ddl(target, table->create_table_ddl, Outcome::kKept));
  if (!attempt.refusal) return findings;
  CROSSFADE_TRY(const auto refused, find_refused(target, target_schema, *table, *attempt.refusal));
  for (const Refused& each : refused) {
    Column& column = table->columns[each.column];
    const std::string why = fmt::format("the target refuses to compute it by {} ({})",
                                        *column.target_generated, each.native);
    column.target_generated.reset();
    findings.push_back(schema::generated_finding(*table, column, why));
  }
  table->create_table_ddl = schema::create_table_ddl(*table, target_schema);
  CROSSFADE_TRY(target.exec(table->create_table_ddl));
  for (const schema::Finding& finding : findings) {
    log::warn(fmt::format("{}.{}: {}", finding.table, finding.column, finding.message));
  }
  return findings;
}

}  // namespace crossfade::run
