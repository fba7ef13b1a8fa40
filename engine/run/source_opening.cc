#include "engine/run/source_opening.h"

#include <fmt/format.h>

#include "capture/change_log.h"
#include "engine/observe/log.h"
#include "engine/schema/catalog.h"
#include "engine/schema/fts_declaration.h"

namespace crossfade::run {

Result<std::vector<std::string>> refresh_searches(Move& move) {
  sqlite::Connection& source = move.source.connection();
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
    const auto rebuilt = source.exec(fmt::format("INSERT INTO {0}({0}) VALUES('rebuild')", name));
    if (!rebuilt) {
      log::warn(describe(rebuilt.error()));
      behind.push_back(table.name);
    }
  }
  return behind;
}

Status open_source(Move& move, std::optional<int64_t> schema_version) {
  sqlite::Connection& source = move.source.connection();
  CROSSFADE_TRY(const int64_t before, source.query_int("PRAGMA schema_version"));
  CROSSFADE_TRY(capture::lower_fence(source));
  if (before != schema_version) return ok();
  CROSSFADE_TRY(const int64_t after, source.query_int("PRAGMA schema_version"));
  // Without it tables whose rows are known by their rowid alone are copied anew.
  if (auto told = move.target.set_schema_version(after); !told) log::warn(describe(told.error()));
  return ok();
}

}  // namespace crossfade::run
