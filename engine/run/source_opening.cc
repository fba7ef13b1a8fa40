#include "engine/run/source_opening.h"

#include <fmt/format.h>

#include <algorithm>

#include "apply/source_writer.h"
#include "capture/change_log.h"
#include "capture/undo.h"
#include "engine/observe/fault.h"
#include "engine/observe/log.h"
#include "engine/schema/catalog.h"
#include "engine/schema/fts_declaration.h"
#include "engine/schema/utf8.h"

namespace crossfade::run {
namespace {

template <typename Items, typename NameOf>
bool has_name(const Items& items, const std::string& name, NameOf name_of) {
  return std::any_of(items.begin(), items.end(),
                     [&](const auto& each) { return schema::same_name(name_of(each), name); });
}

// `written` null: any table.
Result<std::vector<std::string>> rebuild_searches(sqlite::Connection& source,
                                                  const std::vector<std::string>* written) {
  CROSSFADE_TRY(const auto catalog, schema::read_catalog(source));
  std::vector<std::string> behind;
  for (const schema::VirtualTable& table : catalog.virtual_tables) {
    const auto declared = schema::parse_fts(table);
    if (!declared) continue;
    const std::string name = sqlite::quote(table.name);
    if (!declared->content || declared->content->empty()) {
      behind.push_back(table.name);
      continue;
    }
    // The text may come from a view, of any tables.
    const bool of_table =
        has_name(catalog.tables, *declared->content, [](const Table& each) { return each.name; });
    if (written != nullptr && of_table &&
        !has_name(*written, *declared->content, [](const std::string& each) { return each; })) {
      continue;
    }
    const auto rebuilt = source.exec(fmt::format("INSERT INTO {0}({0}) VALUES('rebuild')", name));
    if (!rebuilt) {
      log::warn(describe(rebuilt.error()));
      behind.push_back(table.name);
    }
  }
  return behind;
}

}  // namespace

Result<std::vector<std::string>> refresh_searches(Move& move) {
  return rebuild_searches(move.source.connection(), nullptr);
}

Result<std::vector<std::string>> refresh_searches_of(sqlite::Connection& source,
                                                     const std::vector<std::string>& written) {
  if (written.empty()) return std::vector<std::string>();
  return rebuild_searches(source, &written);
}

Status mark_reopened(sqlite::Connection& source) {
  CROSSFADE_TRY(const auto way_back, apply::read_reverse_state(source));
  if (!way_back || !way_back->live) return ok();
  return capture::log_reopened(source);
}

Result<bool> open_source(Move& move, int64_t known, std::optional<int64_t> schema_version) {
  sqlite::Connection& source = move.source.connection();
  CROSSFADE_TRY(const auto lowered, capture::lower_fence_of(source, known, [&]() -> Status {
                  CROSSFADE_TRY(mark_reopened(source));
                  fault_point("source.open.marked");
                  return ok();
                }));
  if (!lowered) return false;
  fault_point("source.open.lowered");
  if (known != schema_version) return true;
  CROSSFADE_TRY(const int64_t after, source.query_int("PRAGMA schema_version"));
  // Without it tables whose rows are known by their rowid alone are copied anew.
  if (auto told = move.target.set_schema_version(after); !told) log::warn(describe(told.error()));
  return true;
}

}  // namespace crossfade::run
