#include "engine/sqlite/transaction.h"

#include <sqlite3.h>

#include <utility>

#include "engine/sqlite/connection.h"

namespace crossfade::sqlite {

Result<Transaction> Transaction::begin(Connection& connection, Begin kind) {
  CROSSFADE_TRY(connection.exec(kind == Begin::kImmediate ? "BEGIN IMMEDIATE" : "BEGIN"));
  return Transaction(&connection);
}

Transaction::Transaction(Transaction&& other) noexcept
    : connection_(std::exchange(other.connection_, nullptr)) {}

Transaction::~Transaction() {
  rollback();
}

Status Transaction::commit() {
  CROSSFADE_TRY(connection_->exec("COMMIT"));
  connection_ = nullptr;
  return ok();
}

void Transaction::rollback() {
  if (connection_ == nullptr) return;
  // An error may have ended the transaction already; then there is nothing to roll back.
  if (connection_->in_transaction()) {
    sqlite3_exec(connection_->handle(), "ROLLBACK", nullptr, nullptr, nullptr);
  }
  connection_ = nullptr;
}

}  // namespace crossfade::sqlite
