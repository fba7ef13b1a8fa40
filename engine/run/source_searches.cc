#include "engine/run/source_searches.h"

#include "engine/schema/search_plan.h"

namespace crossfade::run {

Result<std::vector<schema::Finding>> find_only_copies(Move& move) {
  sqlite::Connection& source = move.source.connection();
  CROSSFADE_TRY(const auto catalog, schema::read_carried_catalog(source, move.options.naming,
                                                                 move.options.rules.get()));
  CROSSFADE_TRY(const auto searches,
                schema::find_fts_sources(source, catalog, nullptr, &move.stop));
  std::vector<schema::Finding> out;
  for (const schema::FtsSource& each : searches) {
    if (each.only_copy) out.push_back(schema::only_copy_finding(each));
  }
  return out;
}

}  // namespace crossfade::run
