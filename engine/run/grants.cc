#include "engine/run/grants.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "engine/postgres/quote.h"

namespace crossfade::run {

using postgres::quote;

std::vector<Grant> grants_for(const GrantOptions& o) {
  const std::string role = quote(o.role);
  std::vector<Grant> out;
  out.push_back({fmt::format("CREATE ROLE {} LOGIN", role),
                 "Give it its password with \\password, or let it in by certificate"});
  out.push_back({fmt::format("GRANT CONNECT, CREATE ON DATABASE {} TO {}", quote(o.database), role),
                 "The schema crossfade, and the publication of the way back"});
  if (o.schema == "public") {
    out.push_back({fmt::format("GRANT USAGE, CREATE ON SCHEMA public TO {}", role),
                   "The tables; another --target-schema is made by the role itself"});
  }
  if (o.schema_from_target) {
    out.push_back({fmt::format("GRANT application_owner TO {}", role),
                   "Put the owner of the application's tables for application_owner: constraints "
                   "are put aside and triggers made, which only an owner may",
                   GrantNeed::kFillIn});
  }
  out.push_back(
      {fmt::format("ALTER ROLE {} REPLICATION", role),
       "The way back by logical decoding, where wal_level is logical; without it triggers "
       "of an outbox do it, which writers pay for (docs/rollback.md). `--mode dual` needs "
       "it",
       GrantNeed::kBetter});
  out.push_back({fmt::format("GRANT SET ON PARAMETER session_replication_role TO {}", role),
                 "PostgreSQL 15 or newer (before, only a superuser may): foreign keys and triggers "
                 "keep still while changes are "
                 "applied, so foreign keys are there while it follows and not only at the cutover",
                 GrantNeed::kBetter, 15});
  return out;
}

nlohmann::json to_json(const GrantOptions& o, const std::vector<Grant>& grants) {
  nlohmann::json out = {{"role", o.role},
                        {"database", o.database},
                        {"schema", o.schema},
                        {"statements", nlohmann::json::array()}};
  for (const Grant& g : grants) {
    out["statements"].push_back({{"sql", g.sql},
                                 {"why", g.why},
                                 {"needed", g.need != GrantNeed::kBetter},
                                 {"fill_in", g.need == GrantNeed::kFillIn},
                                 {"since", g.since}});
  }
  return out;
}

std::string to_text(const GrantOptions& o, const std::vector<Grant>& grants) {
  std::string out = fmt::format(
      "-- Run these as a superuser in the database {}. No superuser is needed afterwards.\n",
      quote(o.database));
  for (const Grant& g : grants) {
    const bool commented = g.need != GrantNeed::kNeeded;
    out += fmt::format("-- {}{}.\n{}{};\n",
                       g.need == GrantNeed::kBetter ? "Not needed, but better. " : "", g.why,
                       commented ? "-- " : "", g.sql);
  }
  return out;
}

}  // namespace crossfade::run
