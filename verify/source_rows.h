// Rows of one source table, as digests: which statement reads them, and what becomes of each.
//
// Threads: the connection's. Borrows the connection and the table.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/core/result.h"
#include "engine/core/schema.h"
#include "engine/sqlite/statement.h"
#include "verify/chunk.h"
#include "verify/row_form.h"

namespace crossfade::verify {

// "SELECT every carried column FROM the table AS t". Columns are qualified, because SQLite takes
// a quoted name that no column bears for a text literal.
[[nodiscard]] std::string select_source(const Table& table);
// "t.column" of the key's part.
[[nodiscard]] std::string source_key_column(const Table& table, size_t part);

class SourceDigester {
 public:
  explicit SourceDigester(const Table& table, DigestKind digest = DigestKind::kXxh3)
      : table_(table), form_(table) {
    if (digest == DigestKind::kSha256) hash_.emplace();
  }

  // Digests the row `statement` (of select_source()) stands on.
  [[nodiscard]] RowDigest digest(const sqlite::Statement& statement);
  // Of the row just digested: its key can be on the target, and so can bound a range there.
  [[nodiscard]] bool key_representable() const { return key_representable_; }

 private:
  [[nodiscard]] bool is_key(size_t column) const;

  const Table& table_;
  RowForm form_;
  std::optional<Sha256> hash_;
  bool key_representable_ = true;
};

// The values of the key columns, in key order.
[[nodiscard]] Row source_key(const Table& table, const sqlite::Statement& statement);

// Walks a table in the order of its key, from after a key.
//
// A composite key goes by a ladder of statements, a=? AND b>? before a>?, because SQLite seeks only
// on the first column of the row value comparison (a,b)>(?,?).
class KeyOrderCursor {
 public:
  // `after` is empty or holds a value, not NULL, for each key column.
  KeyOrderCursor(sqlite::Connection& source, const Table& table, Row after);

  // True: statement() stands on a row.
  Result<bool> next();
  [[nodiscard]] const sqlite::Statement& statement() const { return statement_[0]; }

 private:
  Result<sqlite::Statement> prepare_rung() const;

  sqlite::Connection& source_;
  const Table& table_;
  const Row after_;
  size_t rung_;  // key columns that the current statement compares; 0: none, the whole table
  bool done_ = false;
  std::vector<sqlite::Statement> statement_;  // none or one
};

}  // namespace crossfade::verify
