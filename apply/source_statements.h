// The statements that read and write one table of the source's by key, prepared once.
//
// They say OR ABORT, whatever the table's own ON CONFLICT clauses say: nothing is replaced or
// passed over in silence. A row is found by its key under the key's own collation, through its
// index, and then is the very key: bytes under BINARY, text for text, though NOCASE or an affinity
// would take another for it. 1 and 1.0 are one key, as they are to every index.
// Threads: the connection's, which it borrows.
#pragma once

#include <cstddef>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/core/result.h"
#include "engine/core/schema.h"
#include "engine/core/value.h"
#include "engine/sqlite/connection.h"
#include "engine/sqlite/statement.h"

namespace crossfade::apply {

// A row in Table::columns' order. Nothing: the source computes it, or it is not known, or an update
// leaves it as it is.
using Image = std::vector<std::optional<Value>>;

// What SQLite said to a row. An error is about more than the row.
struct Answer {
  enum class Kind : uint8_t { kDone, kAbsent, kRefused };
  Kind kind = Kind::kDone;
  bool occupied = false;  // refused: another row has what must be unique
  std::string reason;     // refused: SQLite's own words
};

class SourceStatements {
 public:
  // An error names the table, and what in its schema this SQLite does not know, if that is why.
  static Result<SourceStatements> prepare(sqlite::Connection& source,
                                          std::shared_ptr<const Table> table);

  // Every column that is not computed has a value.
  Result<Answer> insert(const Image& row);
  // Sets the columns that have a value; those of indexes only where it is another, as writing an
  // index anew costs more than looking (measured: docs/architecture.md).
  Result<Answer> update(const Row& key, const Image& after);
  Result<Answer> remove(const Row& key);  // done or absent
  Result<bool> contains(const Row& key);
  Result<std::optional<Image>> read(const Row& key);
  Status clear();  // all rows

 private:
  struct Update {
    std::vector<bool> sets;
    sqlite::Statement statement;
  };

  SourceStatements(sqlite::Connection& source, std::shared_ptr<const Table> table,
                   sqlite::Statement insert, sqlite::Statement remove, sqlite::Statement read)
      : source_(&source),
        table_(std::move(table)),
        insert_(std::move(insert)),
        remove_(std::move(remove)),
        read_(std::move(read)),
        indexed_(indexed_columns(*table_)) {}

  static std::vector<bool> indexed_columns(const Table& table);
  // Which columns of the row an update sets; nothing: there is no such row.
  Result<std::optional<std::vector<bool>>> columns_to_set(const Row& key, const Image& after);

  Result<sqlite::Statement*> update_statement(const std::vector<bool>& sets);
  [[nodiscard]] bool may_be_there(const Row& key) const;
  // Runs what is bound, and clears it in any case.
  Result<Answer> run(sqlite::Statement& statement);
  // Of the statement that ran last.
  [[nodiscard]] Result<Answer> changed_one() const;
  Result<Answer> refused_or_error(Error error, const sqlite::Statement& statement);

  sqlite::Connection* source_;
  std::shared_ptr<const Table> table_;
  sqlite::Statement insert_;
  sqlite::Statement remove_;
  sqlite::Statement read_;
  std::vector<bool> indexed_;  // columns of an index that is not the key's
  std::list<Update> updates_;  // the newest first
};

}  // namespace crossfade::apply
