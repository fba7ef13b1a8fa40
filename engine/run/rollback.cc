#include "engine/run/rollback.h"

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
  return out;
}

}  // namespace crossfade::run
