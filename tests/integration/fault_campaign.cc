#include "tests/integration/fault_campaign.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <map>
#include <mutex>
#include <thread>

#include "tests/support/cluster.h"

namespace crossfade::testing {
namespace {

std::mutex& campaign_mutex() {
  static std::mutex mutex;
  return mutex;
}

std::string new_database() {
  const std::lock_guard lock(campaign_mutex());
  return TestCluster::create_database();
}

void run_one(const FaultLifeOptions& drawn, FaultTrace* trace) {
  const std::string url = new_database();
  FaultLifeOptions options = drawn;
  const auto line = options.line ? options.line(url, &options) : nullptr;
  FaultLife life(url, options);
  const std::string wrong = life.run();
  const std::lock_guard lock(campaign_mutex());
  TestCluster::drop_database(url);
  CampaignTotals& totals = campaign_totals();
  totals.trace.add(life.trace());
  if (trace != nullptr) trace->add(life.trace());
  ++totals.lives;
  totals.processes += life.processes();
  totals.operations += life.operations();
  totals.seeds.insert(options.seed);
  if (wrong.empty()) return;
  ++totals.violations;
  ADD_FAILURE() << wrong;
}

class CampaignReport : public ::testing::Environment {
 public:
  void TearDown() override {
    const CampaignTotals& t = campaign_totals();
    if (t.lives == 0) return;
    const std::set<PointInPhase> died(t.trace.deaths.begin(), t.trace.deaths.end());
    std::set<std::string> points;
    for (const auto& [point, phase] : t.trace.passed) points.insert(point);
    std::string fired;
    for (const auto& [action, n] : t.trace.fired) fired += fmt::format(" {} {}", action, n);
    fmt::print(
        "campaign: {} points, {} in a phase, died at {} of them, failed at {} of {}\n"
        "campaign: {} pairs of deaths in cutover and rollback\n"
        "campaign: {} faults fired ({} ), {} lives, {} seeds, {} processes, {} operations, {} "
        "violations\n",
        points.size(), t.trace.passed.size(), died.size(), t.trace.failed_at.size(),
        t.trace.can_fail.size(), t.pairs.size(), t.trace.fired_in_all(), fired, t.lives,
        t.seeds.size(), t.processes, t.operations, t.violations);
  }
};

// NOLINTNEXTLINE(cert-err58-cpp): GoogleTest takes it before main() or not at all
const ::testing::Environment* const kCampaignReport =
    ::testing::AddGlobalTestEnvironment(new CampaignReport);

}  // namespace

CampaignTotals& campaign_totals() {
  static CampaignTotals totals;
  return totals;
}

void note_real_fault(const std::string& what) {
  const std::lock_guard lock(campaign_mutex());
  ++campaign_totals().trace.fired[what];
}

uint64_t campaign_setting(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

void run_lives(const std::vector<FaultLifeOptions>& lives, FaultTrace* trace) {
  run_drawn_lives(
      lives.size(), [&](size_t i) { return lives[i]; }, [] { return true; }, trace);
}

void run_drawn_lives(size_t count, const std::function<FaultLifeOptions(size_t)>& draw,
                     const std::function<bool()>& going_on, FaultTrace* trace) {
  std::atomic<size_t> next{0};
  const auto work = [&] {
    for (size_t i = next++; i < count && going_on(); i = next++) run_one(draw(i), trace);
  };
  // More than there are cores: they wait for databases half of the time.
  std::vector<std::thread> threads;
  for (uint64_t i = 0; i < campaign_setting("CROSSFADE_FAULT_JOBS", 4); ++i) {
    threads.emplace_back(work);
  }
  for (std::thread& thread : threads) thread.join();
}

const FaultTrace& undisturbed_trace(bool outbox) {
  static std::map<bool, FaultTrace> known;
  const auto [trace, fresh] = known.try_emplace(outbox);
  if (!fresh) return trace->second;
  FaultLifeOptions beside;
  beside.outbox = outbox;
  FaultLifeOptions alone = beside;
  alone.engine_beside = false;
  run_lives({beside, alone}, &trace->second);
  return trace->second;
}

}  // namespace crossfade::testing
