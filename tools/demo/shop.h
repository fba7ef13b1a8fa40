// The demo application: a shop, with the habits that make a move hard.
//
// REPLACE by a primary and by a secondary unique key, cascading deletes, a table without a key, one
// WITHOUT ROWID, blobs, booleans, decimals, and transactions over several tables. What must hold at
// every instant, and demo_check proves: an order's total is the sum of its items; a product's stock
// and what is sold of it make its initial stock; every transaction has one row in `journal`.
#pragma once

#include <cstdint>
#include <deque>
#include <random>
#include <string>

#include "tools/demo/side.h"

namespace crossfade::demo {

// Makes the database, in WAL mode, with its rows. Refuses a file that exists.
bool create_shop(const std::string& path, std::string* message);

enum class Op : uint8_t {
  kPlaceOrder,
  kSetStatus,
  kRemoveOrder,
  kChangeSetting,
  kLogIn,
  kAddCustomer,
};

// One logical transaction, decided before its first attempt, so that each attempt is the same.
struct Task {
  Op op = Op::kPlaceOrder;
  int64_t seq = 0;
  uint64_t seed = 0;
};

// One writer of the shop.
class Clerk {
 public:
  explicit Clerk(int64_t id) : id_(id), random_(static_cast<uint64_t>(id)) {}

  // The highest seq this writer used before (a writer may be started again), and its orders.
  Outcome load(Side& side);
  Task next();
  // The whole transaction, journal row included, without its BEGIN and COMMIT.
  Outcome attempt(Side& side, const Task& task);
  // After the COMMIT of `task`: remembers what it did to this writer's orders.
  void committed(const Task& task);
  // Whether the task's journal row is there.
  Outcome find(Side& side, const Task& task, bool* found) const;

 private:
  Outcome place_order(Side& side, const Task& task, std::string* payload);
  Outcome set_status(Side& side, const Task& task, std::string* payload);
  Outcome remove_order(Side& side, const Task& task, std::string* payload);
  Outcome change_setting(Side& side, const Task& task, std::string* payload) const;
  Outcome log_in(Side& side, const Task& task, std::string* payload) const;
  Outcome add_customer(Side& side, const Task& task, std::string* payload) const;

  const int64_t id_;
  std::mt19937_64 random_;
  int64_t seq_ = 0;
  std::deque<int64_t> orders_;  // this writer's own, oldest first
  int64_t placed_ = 0;          // by the current attempt
};

[[nodiscard]] const char* to_string(Op op);

}  // namespace crossfade::demo
