// Writers that follow the route, and how long a change of sides keeps them from writing.
//
// Each keeps to a schedule of its own. A write that is refused is tried again where the route then
// says. What a change costs a writer is the time from the moment the first write that was to go to
// the new side was due until it was acknowledged there; the pause is that of the writer that waited
// longest.
#include <algorithm>
#include <atomic>
#include <csignal>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "bench/load/item_writer.h"
#include "bench/load/loads.h"
#include "bench/load/sides.h"
#include "tools/client/crossfade_client.h"

namespace crossfade::bench {
namespace {

constexpr int kRouteWaitMs = 50;
constexpr std::chrono::milliseconds kRetryPause{1};
constexpr std::chrono::seconds kWritePatience{60};

std::atomic<bool> stop_requested = false;
static_assert(std::atomic<bool>::is_always_lock_free);
extern "C" void request_stop(int /*signal*/) {
  stop_requested = true;
}

// One writer's view of one change of sides.
struct Flip {
  uint64_t epoch = 0;
  bool to_postgres = false;
  double waited_ms = 0;
};

struct CloseRoute {
  void operator()(crossfade_route* route) const { crossfade_route_close(route); }
};

class Follower {
 public:
  explicit Follower(const std::string& database) : database_(database) {
    crossfade_route* raw = nullptr;
    if (const int code = crossfade_route_open(database.c_str(), &raw); code != CROSSFADE_OK) {
      give_up(crossfade_client_error(code));
    }
    route_.reset(raw);
    follow();
  }

  // Returns when the write is acknowledged.
  void write(int64_t key) {
    const auto give_up_at = Clock::now() + kWritePatience;
    while (true) {
      follow();
      switch (writer_->write(key)) {
        case Written::kDone:
          return;
        case Written::kMoved:
          (void)crossfade_route_wait(route_.get(), info_.epoch, kRouteWaitMs, &info_);
          break;
        case Written::kAgain:
          std::this_thread::sleep_for(kRetryPause);
          break;
      }
      if (Clock::now() > give_up_at) give_up("a write was refused for a minute");
    }
  }

  [[nodiscard]] bool on_postgres() const { return on_postgres_; }
  [[nodiscard]] uint64_t epoch() const { return info_.epoch; }

 private:
  void follow() {
    if (const int code = crossfade_route_read(route_.get(), &info_); code != CROSSFADE_OK) {
      give_up(crossfade_client_error(code));
    }
    const bool postgres = info_.primary == CROSSFADE_PRIMARY_POSTGRES;
    if (writer_ && postgres == on_postgres_) return;
    on_postgres_ = postgres;
    writer_ = postgres ? postgres_writer(info_.url) : sqlite_writer(database_);
  }

  const std::string database_;
  std::unique_ptr<crossfade_route, CloseRoute> route_;
  crossfade_route_info info_ = {};
  std::unique_ptr<ItemWriter> writer_;
  bool on_postgres_ = false;
};

struct Tally {
  std::vector<Flip> flips;
  std::vector<double> usual_ms;  // what a write takes while sides do not change
};

Tally write_until_told(const PauseOptions& options, int number) {
  Tally tally;
  Follower follower(options.database);
  const auto interval =
      std::chrono::nanoseconds(std::chrono::seconds(1)) * options.writers / options.rate;
  auto due = Clock::now() + interval * number / options.writers;
  bool before = follower.on_postgres();
  for (int64_t i = 0; !stop_requested; ++i) {
    std::this_thread::sleep_until(due);
    follower.write(key_of(number, options.base + i));
    const auto now = Clock::now();
    if (follower.on_postgres() == before) {
      tally.usual_ms.push_back(milliseconds(now - due));
    } else {
      before = follower.on_postgres();
      tally.flips.push_back({follower.epoch(), before, milliseconds(now - due)});
    }
    due = std::max(due + interval, now);  // no burst after a wait
  }
  return tally;
}

}  // namespace

nlohmann::json measure_pause(const PauseOptions& options) {
  struct sigaction action = {};
  action.sa_handler = request_stop;
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGINT, &action, nullptr);
  std::vector<Tally> tallies(static_cast<size_t>(options.writers));
  std::vector<std::thread> threads;
  for (int w = 0; w < options.writers; ++w) {
    threads.emplace_back(
        [&, w] { tallies[static_cast<size_t>(w)] = write_until_told(options, w); });
  }
  for (std::thread& thread : threads) thread.join();
  std::vector<double> usual;
  nlohmann::json flips = nlohmann::json::object();
  for (const Tally& tally : tallies) {
    usual.insert(usual.end(), tally.usual_ms.begin(), tally.usual_ms.end());
    for (const Flip& flip : tally.flips) {
      nlohmann::json& out = flips[std::to_string(flip.epoch)];
      out["to"] = flip.to_postgres ? "postgres" : "sqlite";
      out["writers"] = out.value("writers", 0) + 1;
      out["longest_ms"] = std::max(out.value("longest_ms", 0.0), flip.waited_ms);
    }
  }
  return {{"acknowledged", usual.size()},
          {"usual_p50_ms", quantile(usual, 0.5)},
          {"usual_p99_ms", quantile(usual, 0.99)},
          {"flips", flips}};
}

}  // namespace crossfade::bench
