// What the campaign's tests share: lives side by side, and the counts that are told at the end.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "tests/support/fault_life.h"

namespace crossfade::testing {

// Of all tests of this program. Told when it ends.
struct CampaignTotals {
  FaultTrace trace;
  std::set<std::pair<PointInPhase, PointInPhase>> pairs;
  int lives = 0;
  int processes = 0;
  size_t operations = 0;
  int violations = 0;  // lives with one at least
  std::set<uint64_t> seeds;
};

// Threads: run_lives() fills it in under a lock; read it while no life runs.
[[nodiscard]] CampaignTotals& campaign_totals();

// One that was no fault point's: a kill, a lock. Threads: any.
void note_real_fault(const std::string& what);

// CROSSFADE_FAULT_SEED, _SEEDS, _SECONDS, _JOBS: a number, or what is there without it.
[[nodiscard]] uint64_t campaign_setting(const char* name, uint64_t otherwise);

// Each on a database of its own, several at once. What was amiss is a failure of the test.
// `trace` gets what they passed.
void run_lives(const std::vector<FaultLifeOptions>& lives, FaultTrace* trace = nullptr);
// The same of at most `count`, of which each is drawn when its turn has come, while `going_on`.
// Threads: both functions are called from several.
void run_drawn_lives(size_t count, const std::function<FaultLifeOptions(size_t)>& draw,
                     const std::function<bool()>& going_on, FaultTrace* trace = nullptr);

// Where undisturbed lives pass, with an engine beside the commands and without. `outbox`: those
// whose way back is by triggers, else by logical decoding.
[[nodiscard]] const FaultTrace& undisturbed_trace(bool outbox = false);

}  // namespace crossfade::testing
