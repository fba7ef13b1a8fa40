// Rows that could not go back, by key, in the source: _crossfade_misfits.
//
// All changes are part of the connection's open transaction; after a rollback call recount().
// Threads: the connection's, which it borrows.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "apply/source_writer.h"
#include "engine/core/result.h"
#include "engine/core/value.h"
#include "engine/sqlite/connection.h"
#include "engine/sqlite/statement.h"

namespace crossfade::apply {

class MisfitTable {
 public:
  // The tables must exist.
  static Result<MisfitTable> open(sqlite::Connection& source);

  Status recount();
  // Of this table; costs nothing. Most tables have none, and are not looked up per row.
  [[nodiscard]] bool has_any(const std::string& table) const { return counts_.contains(table); }

  Result<bool> contains(const std::string& table, const Row& key);
  // Replaces what was said of the key.
  Status put(const SetAside& entry);
  // Takes the key's entry away; nothing: there was none.
  Result<std::optional<SetAside>> take(const std::string& table, const Row& key);
  Status drop_table(const std::string& table);

  // In the order in which they were set aside.
  Result<std::vector<SetAside>> list(int64_t rows_max);
  [[nodiscard]] int64_t count() const;

  // Of one table, after `id`; nothing: no more. For walking over many without holding them.
  struct Place {
    int64_t id = 0;
    Row key;
  };
  Result<std::optional<Place>> next(const std::string& table, int64_t id);

 private:
  MisfitTable(sqlite::Statement find, sqlite::Statement put, sqlite::Statement remove,
              sqlite::Statement next, sqlite::Connection& source);

  sqlite::Connection* source_;
  sqlite::Statement find_;
  sqlite::Statement put_;
  sqlite::Statement remove_;
  sqlite::Statement next_;
  std::unordered_map<std::string, int64_t> counts_;  // without zeros
};

}  // namespace crossfade::apply
