// Runs the shop's transactions on whichever side is primary, each exactly once.
//
// This is the loop of docs/clients.md: ask the route, run the transaction there; refused because
// the data moved: roll back, wait for the route, run the same transaction again. What was
// acknowledged is what commit() returned for, on either side.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "tools/client/crossfade_client.h"
#include "tools/demo/shop.h"

namespace crossfade::demo {

class Follower {
 public:
  Follower(std::string database, Clerk* clerk) : database_(std::move(database)), clerk_(clerk) {}

  // False, with message(), when there is no database or no route to read.
  bool open();
  // Runs the task until it is committed once. False, with message(), when that cannot be.
  bool run(const Task& task);

  [[nodiscard]] const char* side_name() const { return side_->name(); }
  [[nodiscard]] const std::string& message() const { return message_; }
  [[nodiscard]] int64_t refused() const { return refused_; }
  [[nodiscard]] int64_t retried() const { return retried_; }

 private:
  struct CloseRoute {
    void operator()(crossfade_route* route) const { crossfade_route_close(route); }
  };

  bool follow_route();
  Outcome transaction(const Task& task);

  const std::string database_;
  Clerk* const clerk_;
  std::unique_ptr<crossfade_route, CloseRoute> route_;
  crossfade_route_info info_ = {};
  std::unique_ptr<Side> side_;
  bool check_first_ = false;  // an earlier attempt of this task may have been committed
  std::string message_;
  int64_t refused_ = 0;  // by a fence
  int64_t retried_ = 0;  // for a passing error
};

}  // namespace crossfade::demo
