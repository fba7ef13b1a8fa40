// Applies PostgreSQL's transactions to SQLite, each exactly once in effect: the way back.
//
// Rows, what is set aside, and the position move in one SQLite transaction, synced to disk when
// commit() returns. Its connection has triggers and foreign keys off (docs/decisions/0006): the
// fence lets it pass, capture does not see it.
// Rows are matched by key, and put in the order PostgreSQL did it; what SQLite refuses in that
// order (values of a unique key that change places) is tried again at the end of PostgreSQL's
// transaction, when it must fit. What does not fit then is set aside by key, never dropped: later
// changes move its entry along, until one tells the whole row and it fits, or settle() is given the
// row as it is. Until then SQLite keeps the old version of the row if its key is the same and
// nothing needs its unique values; else it has no row there.
// While two rows have one key within a transaction (a deferred primary key whose values change
// places), a change that moves or deletes one is taken for that of the row that was there first;
// after one that does neither, the key is set aside.
// Threads: one at a time. Owns its connection.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/core/deadline.h"
#include "engine/core/result.h"
#include "engine/core/target_change.h"
#include "engine/core/way_back_kind.h"
#include "engine/postgres/pg_lsn.h"
#include "engine/sqlite/connection.h"

namespace crossfade::apply {

// What SQLite remembers of the way back; one row.
struct ReverseState {
  WayBackKind kind = WayBackKind::kSlot;
  std::string slot;          // of kSlot
  std::string snapshot;      // of kOutbox: what SQLite has, as OutboxStream says it; empty: nothing
  bool live = false;         // the flip was seen: what comes is the application's
  postgres::PgLsn applied;   // everything that was committed up to here is in SQLite
  int64_t committed_us = 0;  // since 1970: when the newest transaction in it was committed there
  std::string probe;         // the newest probe that came through

  bool operator==(const ReverseState&) const = default;
};

// A row that could not go back.
struct SetAside {
  std::string table;
  Row key;
  std::string column;  // empty: not of one column
  std::string reason;
};

class SourceWriter {
 public:
  // Makes what it keeps in the file if it is absent.
  static Result<SourceWriter> open(const std::string& path);
  ~SourceWriter();
  SourceWriter(SourceWriter&&) noexcept;
  SourceWriter(const SourceWriter&) = delete;
  SourceWriter& operator=(const SourceWriter&) = delete;
  SourceWriter& operator=(SourceWriter&&) = delete;

  [[nodiscard]] const ReverseState& state() const;

  // Whether this SQLite can write rows of the table at all. An error names the table, and what its
  // schema uses that only the application's SQLite has (functions, collations); remedy kDecide. To
  // be asked before the way back is needed: apply() fails with the same.
  Status check(const Table& table);

  // Takes SQLite's write lock, waiting for it until the deadline (remedy kRetry then). A
  // transaction of SQLite's holds one or more of PostgreSQL's, whole.
  Status begin(Deadline deadline);
  [[nodiscard]] bool in_transaction() const;
  // Between begin() and commit(), in the order of the stream. An update or delete of a row that is
  // not there, and an insert of one that is, mean that the two sides were not equal: an error that
  // names the row; roll back.
  Status apply(const TargetChange& change);
  // PostgreSQL's transaction is complete: what was put off must fit now or is set aside.
  Status end_transaction();
  // Durable when OK.
  Status commit(const ReverseState& state);
  void rollback();

  // The table's row of `key` on PostgreSQL is `row`, or there is none: done here, in a transaction
  // of its own or the open one. OK and false: it still does not fit, and stays set aside with the
  // reason of now.
  Result<bool> settle(const Table& table, const Row& key, const std::optional<Row>& row);
  // SQLite's row of the key, if there is one; columns that SQLite computes are NULL.
  Result<std::optional<Row>> read(const Table& table, const Row& key);
  // Of all rows that SQLite has.
  Result<std::vector<Row>> keys(const Table& table);
  [[nodiscard]] Result<std::vector<SetAside>> set_aside(int64_t rows_max);
  [[nodiscard]] Result<int64_t> set_aside_count();
  [[nodiscard]] Result<bool> is_set_aside(const Table& table, const Row& key);
  // After a savepoint of the caller's was rolled back to.
  Status recount();

  sqlite::Connection& connection();

 private:
  struct Impl;
  explicit SourceWriter(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Nothing: no way back was ever made here.
Result<std::optional<ReverseState>> read_reverse_state(sqlite::Connection& source);
// How many rows are set aside in the file, for whoever only reads it.
Result<int64_t> set_aside_count(sqlite::Connection& source);
// Inside the caller's write transaction: there is no way back any more. The tables stay, since the
// schema is best left alone while a move is on.
Status clear_reverse_state(sqlite::Connection& source);
// Inside the caller's write transaction: takes away what is kept here. Returns the names.
Result<std::vector<std::string>> remove_reverse_state(sqlite::Connection& source);

}  // namespace crossfade::apply
