#include "tools/demo/follower.h"

#include <fmt/core.h>

#include <chrono>
#include <thread>
#include <utility>

namespace crossfade::demo {
namespace {

constexpr auto kGiveUpAfter = std::chrono::seconds(60);
constexpr auto kRetryPause = std::chrono::milliseconds(20);
// A cutover that steps back names no new side: then the old one is tried again.
constexpr int kRouteWaitMs = 100;

}  // namespace

bool Follower::open() {
  crossfade_route* route = nullptr;
  const int code = crossfade_route_open(database_.c_str(), &route);
  route_.reset(route);
  if (code != CROSSFADE_OK) {
    message_ = crossfade_client_error(code);
    return false;
  }
  if (!follow_route()) return false;
  const Outcome loaded = clerk_->load(*side_);
  if (loaded != Outcome::kDone) message_ = side_->message();
  return loaded == Outcome::kDone;
}

bool Follower::follow_route() {
  const int code = crossfade_route_read(route_.get(), &info_);
  if (code != CROSSFADE_OK) {
    message_ = crossfade_client_error(code);
    return false;
  }
  const bool wants_sqlite = info_.primary != CROSSFADE_PRIMARY_POSTGRES;
  if (side_ && side_->is_sqlite() == wants_sqlite) return true;
  side_ = wants_sqlite ? open_sqlite(database_, &message_) : open_postgres(info_.url);
  return side_ != nullptr;
}

Outcome Follower::transaction(const Task& task) {
  Outcome outcome = side_->begin();
  if (outcome != Outcome::kDone) return outcome;
  if (check_first_) {
    bool found = false;
    outcome = clerk_->find(*side_, task, &found);
    if (outcome != Outcome::kDone) return outcome;
    if (found) {
      side_->rollback();
      return Outcome::kDone;
    }
  }
  outcome = clerk_->attempt(*side_, task);
  return outcome == Outcome::kDone ? side_->commit() : outcome;
}

bool Follower::run(const Task& task) {
  const auto give_up_at = std::chrono::steady_clock::now() + kGiveUpAfter;
  check_first_ = false;
  while (std::chrono::steady_clock::now() < give_up_at) {
    if (!follow_route()) return false;
    const Outcome outcome = transaction(task);
    if (outcome == Outcome::kDone) {
      clerk_->committed(task);
      return true;
    }
    side_->rollback();
    message_ = fmt::format("{}: {}", side_->name(), side_->message());
    switch (outcome) {
      case Outcome::kDone:
        break;
      case Outcome::kMoved:
        ++refused_;
        crossfade_route_wait(route_.get(), info_.epoch, kRouteWaitMs, &info_);
        break;
      case Outcome::kInDoubt:
        check_first_ = true;
        [[fallthrough]];
      case Outcome::kRetry:
        ++retried_;
        std::this_thread::sleep_for(kRetryPause);
        break;
      case Outcome::kFailed:
        return false;
    }
  }
  message_ = fmt::format("gave up after {} s; last: {}", kGiveUpAfter.count(), message_);
  return false;
}

}  // namespace crossfade::demo
