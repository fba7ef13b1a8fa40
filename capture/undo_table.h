// One table's statements for undo: a row by its key, removing it, and putting one in as it was.
//
// Bit by bit: a row is found under the key's collation, and counts only if its key is the very
// same. Threads: the connection's, which it borrows. In the caller's transaction.
#pragma once

#include <memory>
#include <optional>

#include "engine/core/result.h"
#include "engine/core/schema.h"
#include "engine/core/value.h"
#include "engine/sqlite/statement.h"

namespace crossfade::sqlite {
class Connection;
}

namespace crossfade::capture {

// A rowid that is no column of the table's. It is kept where a row is changed.
using HiddenRowid = std::optional<int64_t>;

struct StoredRow {
  Row row;  // Table::columns, what is computed included
  HiddenRowid rowid;
};

class UndoTable {
 public:
  static Result<UndoTable> prepare(sqlite::Connection& source, std::shared_ptr<const Table> table);

  Result<std::optional<StoredRow>> read(const Row& key);
  // Only after read() has found it.
  Status remove(const Row& key);
  // Then reads it back: kBlocked when SQLite did not take it, or not as it is.
  Result<Row> insert(const Row& row, HiddenRowid rowid);

  [[nodiscard]] const Table& table() const { return *table_; }
  // The same values in all columns that are not computed.
  [[nodiscard]] bool same_row(const Row& a, const Row& b) const;

 private:
  UndoTable(sqlite::Connection& source, std::shared_ptr<const Table> table,
            sqlite::Statement select, sqlite::Statement remove, sqlite::Statement insert)
      : source_(&source),
        table_(std::move(table)),
        select_(std::move(select)),
        remove_(std::move(remove)),
        insert_(std::move(insert)) {}

  sqlite::Connection* source_;
  std::shared_ptr<const Table> table_;
  sqlite::Statement select_;
  sqlite::Statement remove_;
  sqlite::Statement insert_;
};

// kBlocked, about a row of `table`.
[[nodiscard]] Error undo_refused(std::string object, std::string native, std::string hint);
[[nodiscard]] std::string row_name(const Table& table, const Row& key);

}  // namespace crossfade::capture
