#include "engine/run/source_ddl.h"

#include <algorithm>
#include <map>
#include <utility>

#include "capture/change_log.h"
#include "capture/names.h"
#include "engine/schema/catalog.h"
#include "engine/sqlite/connection.h"
#include "engine/sqlite/transaction.h"

namespace crossfade::run {
namespace {

std::map<std::string, std::string> shapes_of(const schema::Catalog& catalog) {
  std::map<std::string, std::string> out;
  for (const Table& table : catalog.tables) out[table.name] = table.shape;
  return out;
}

Error left_transaction(const std::string& path) {
  Error error;
  error.code = ErrorCode::kUsage;
  error.op = "ddl";
  error.object = path;
  error.native = "the statements ended the transaction that they were to run in";
  error.hint =
      "leave BEGIN and COMMIT out. What ran so far is there, and capture is not: `crossfade run` "
      "installs it anew and copies what it missed";
  return error;
}

Error is_fenced(const std::string& path) {
  Error error;
  error.code = ErrorCode::kBlocked;
  error.remedy = Remedy::kDecide;
  error.op = "ddl";
  error.object = path;
  error.native = "the data has moved to PostgreSQL, and this file takes no more changes";
  error.hint = "change the schema on PostgreSQL";
  return error;
}

}  // namespace

Result<DdlReport> change_source_schema(sqlite::Connection& source, const std::string& sql) {
  CROSSFADE_TRY(const bool fenced, capture::fence_is_up(source));
  if (fenced) return fail(is_fenced(source.path()));
  CROSSFADE_TRY(auto transaction, sqlite::Transaction::begin(source, sqlite::Begin::kImmediate));
  CROSSFADE_TRY(const auto before, schema::read_catalog(source));
  std::vector<schema::Trigger> ours;
  for (const schema::Trigger& trigger : before.triggers) {
    if (!trigger.name.starts_with(capture::kPrefix)) continue;
    CROSSFADE_TRY(source.exec("DROP TRIGGER main." + sqlite::quote(trigger.name)));
    ours.push_back(trigger);
  }
  CROSSFADE_TRY(source.exec(sql));
  if (!source.in_transaction()) return fail(left_transaction(source.path()));
  CROSSFADE_TRY(const auto after, schema::read_catalog(source));
  const auto old_shapes = shapes_of(before);
  const auto new_shapes = shapes_of(after);
  const auto same = [&](const std::string& table) {
    const auto found = new_shapes.find(table);
    return found != new_shapes.end() && found->second == old_shapes.at(table);
  };
  // In the order they were made: that is the order in which they fire.
  std::sort(ours.begin(), ours.end(),
            [](const auto& a, const auto& b) { return a.schema_rowid < b.schema_rowid; });
  for (const schema::Trigger& trigger : ours) {
    if (old_shapes.contains(trigger.table) && same(trigger.table)) {
      CROSSFADE_TRY(source.exec(trigger.sql));
    }
  }
  DdlReport report;
  for (const auto& [table, shape] : old_shapes) {
    if (!same(table)) report.changed.push_back(table);
  }
  CROSSFADE_TRY(transaction.commit());
  return report;
}

}  // namespace crossfade::run
