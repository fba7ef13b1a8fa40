// A transaction that rolls back unless it is committed.
//
// Threads and lifetime: its connection's. The destructor rolls back and never throws.
#pragma once

#include <cstdint>

#include "engine/core/result.h"

namespace crossfade::sqlite {

class Connection;

enum class Begin : uint8_t {
  kDeferred,   // a read snapshot from the first SELECT on
  kImmediate,  // takes the write lock now, waiting for it as long as the busy timeout says
};

class Transaction {
 public:
  static Result<Transaction> begin(Connection& connection, Begin kind);
  ~Transaction();
  Transaction(Transaction&& other) noexcept;
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  Transaction& operator=(Transaction&&) = delete;

  Status commit();
  void rollback();

 private:
  explicit Transaction(Connection* connection) : connection_(connection) {}
  Connection* connection_;  // null once ended
};

}  // namespace crossfade::sqlite
