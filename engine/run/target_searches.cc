#include "engine/run/target_searches.h"

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "engine/observe/log.h"
#include "engine/run/target_ddl.h"
#include "engine/schema/search_plan.h"

namespace crossfade::run {
namespace {

Result<Attempt> add_search(postgres::Connection& target, const Search& search) {
  if (search.add_ddl.empty()) return attempt_ddl(target, search.index_ddl, Outcome::kUndone);
  CROSSFADE_TRY(auto both,
                attempt_ddl(target, search.add_ddl + "; " + search.index_ddl, Outcome::kUndone));
  if (both.refusal) return both;
  return attempt_ddl(target, search.add_ddl, Outcome::kKept);
}

}  // namespace

Result<std::vector<schema::Finding>> add_searches(postgres::Connection& target, Table* table) {
  std::vector<schema::Finding> findings;
  std::vector<Search> accepted;
  for (Search& search : table->searches) {
    CROSSFADE_TRY(const auto attempt, add_search(target, search));
    if (!attempt.refusal) {
      accepted.push_back(std::move(search));
      continue;
    }
    const std::string ddl =
        search.add_ddl.empty() ? search.index_ddl : search.add_ddl + "; " + search.index_ddl;
    findings.push_back(schema::search_finding(
        search.source, fmt::format("the target refuses it ({})", attempt.refusal->native),
        "find out what the target has against it, and run there: " + ddl));
    log::warn(fmt::format("{}: {}", table->name, findings.back().message));
  }
  table->searches = std::move(accepted);
  return findings;
}

}  // namespace crossfade::run
