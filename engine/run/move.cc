#include "engine/run/move.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "engine/observe/fault.h"
#include "engine/observe/log.h"

namespace crossfade::run {

void Move::set_phase(const std::string& phase) {
  bool changed = false;
  board.update([&](StatusReport& r) {
    changed = r.phase != phase;
    r.phase = phase;
  });
  fault_phase(phase);
  if (!changed) return;
  log::info(fmt::format("phase: {}", phase));
  audit.record("phase", {{"phase", phase}});
}

std::vector<std::shared_ptr<const Table>> tables_of(const Move& move) {
  std::vector<std::shared_ptr<const Table>> out;
  out.reserve(move.tables.size());
  for (const TargetTable& t : move.tables) out.push_back(t.table);
  return out;
}

}  // namespace crossfade::run
