#include "engine/run/rollback.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace crossfade::run {

nlohmann::json to_json(const RollbackReport& r) {
  nlohmann::json out = {{"primary", to_string(r.primary)},
                        {"epoch", r.epoch.value},
                        {"write_pause_ms", static_cast<double>(r.write_pause.count()) / 1000.0},
                        {"verified_rows", r.verified_rows},
                        {"drained_lsn", postgres::to_string(r.drained_lsn)},
                        {"dry_run", r.dry_run}};
  if (!r.route_file_error.empty()) out["route_file_error"] = r.route_file_error;
  if (!r.stale_searches.empty()) out["stale_searches"] = r.stale_searches;
  return out;
}

std::string to_text(const RollbackReport& r) {
  const double pause_ms = static_cast<double>(r.write_pause.count()) / 1000;
  std::string out =
      r.dry_run
          ? fmt::format("dry run: the rollback would succeed; writers waited {:.1f} ms\n", pause_ms)
          : fmt::format("SQLite is primary (epoch {}); writers waited {:.1f} ms\n", r.epoch.value,
                        pause_ms);
  if (!r.route_file_error.empty()) {
    out += fmt::format(
        "the route file could not be written: {}\nany crossfade command writes it again\n",
        r.route_file_error);
  }
  for (const std::string& name : r.stale_searches) {
    out += fmt::format(
        "{} has text of its own and lacks what was written to PostgreSQL: have the application "
        "fill it again\n",
        name);
  }
  return out;
}

}  // namespace crossfade::run
