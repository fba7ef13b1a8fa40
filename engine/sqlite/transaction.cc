#include "engine/sqlite/transaction.h"

#include <sqlite3.h>

#include <utility>

#include "engine/observe/fault.h"
#include "engine/sqlite/connection.h"
#include "engine/sqlite/sqlite_error_map.h"

namespace crossfade::sqlite {

Result<Transaction> Transaction::begin(Connection& connection, Begin kind) {
  if (fault_fails("source.begin")) {
    return fail(make_error(SQLITE_BUSY, connection.handle(), "source.exec", "BEGIN"));
  }
  CROSSFADE_TRY(connection.exec(kind == Begin::kImmediate ? "BEGIN IMMEDIATE" : "BEGIN"));
  return Transaction(&connection);
}

Transaction::Transaction(Transaction&& other) noexcept
    : connection_(std::exchange(other.connection_, nullptr)) {}

Transaction::~Transaction() {
  rollback();
}

Status Transaction::commit() {
  if (fault_fails("source.commit.before")) {
    return fail(make_error(SQLITE_IOERR, connection_->handle(), "source.exec", "COMMIT"));
  }
  CROSSFADE_TRY(connection_->exec("COMMIT"));
  connection_ = nullptr;
  fault_point("source.commit.after");
  return ok();
}

void Transaction::rollback() {
  if (connection_ == nullptr) return;
  std::exchange(connection_, nullptr)->rollback();
}

}  // namespace crossfade::sqlite
