// The prepared statements of every table that changes came for.
//
// Threads: the connection's, which it borrows.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>

#include "apply/source_statements.h"
#include "engine/core/result.h"
#include "engine/core/schema.h"
#include "engine/sqlite/connection.h"

namespace crossfade::apply {

class SourceTables {
 public:
  explicit SourceTables(sqlite::Connection& source) : source_(&source) {}

  // Prepared anew when the table is planned anew.
  Result<std::shared_ptr<SourceStatements>> of(const std::shared_ptr<const Table>& table);
  // The same plan of the table that of() has, or a copy, for who does not own it.
  [[nodiscard]] std::shared_ptr<const Table> share(const Table& table) const;

 private:
  struct Known {
    std::shared_ptr<const Table> table;
    std::shared_ptr<SourceStatements> statements;
  };

  sqlite::Connection* source_;
  std::unordered_map<std::string, Known> known_;  // by name
};

}  // namespace crossfade::apply
