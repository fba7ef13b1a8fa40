#include "apply/source_tables.h"

#include <utility>

namespace crossfade::apply {
namespace {

// A plan may choose another key for the same shape.
bool is_same_plan(const Table& a, const Table& b) {
  return !a.shape.empty() && a.shape == b.shape && a.identity == b.identity && a.key == b.key &&
         a.columns.size() == b.columns.size();
}

}  // namespace

Result<std::shared_ptr<SourceStatements>> SourceTables::of(
    const std::shared_ptr<const Table>& table) {
  const auto at = known_.find(table->name);
  if (at != known_.end() && at->second.table == table) return at->second.statements;
  CROSSFADE_TRY(auto prepared, SourceStatements::prepare(*source_, table));
  auto statements = std::make_shared<SourceStatements>(std::move(prepared));
  known_.insert_or_assign(table->name, Known{table, statements});
  return statements;
}

std::shared_ptr<const Table> SourceTables::share(const Table& table) const {
  const auto at = known_.find(table.name);
  if (at != known_.end() && is_same_plan(*at->second.table, table)) return at->second.table;
  return std::make_shared<const Table>(table);
}

}  // namespace crossfade::apply
