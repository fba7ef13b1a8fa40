// Puts the rows that were put off into SQLite; what does not fit is set aside by key.
//
// The rows are a part of a state that PostgreSQL committed, and none of them is in SQLite: so they
// go in one after the other. What may stand in the way are rows that were set aside earlier, of
// which SQLite has an old version: they make way, and come back when they can.
// Of a row that is set aside SQLite keeps the old version too, if its key is still the same and
// nothing needs its unique values.
// Threads: the connection's. Borrows all it is given.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "apply/misfit_table.h"
#include "apply/put_off.h"
#include "apply/source_tables.h"
#include "engine/core/result.h"

namespace crossfade::apply {

// The two sides were not equal before this row's change.
[[nodiscard]] Error not_equal(const Table& table, const Row& key, const char* what);

class PutBack {
 public:
  PutBack(SourceTables& tables, MisfitTable& misfits) : tables_(&tables), misfits_(&misfits) {}

  // PostgreSQL's transaction is complete.
  Status finish(std::vector<PutOffRow> rows);
  // It is not, but the rows are too many to hold. Returns those that must wait on: what they need
  // is still to be freed. They are no more than `bytes_max`; beyond it they are set aside too.
  Result<std::vector<PutOffRow>> relieve(std::vector<PutOffRow> rows, size_t bytes_max);

 private:
  // Into SQLite, if it fits; else why not is noted.
  Result<bool> try_in(PutOffRow* row);
  // All of them that fit. Returns the others.
  Result<std::vector<PutOffRow>> put_in(std::vector<PutOffRow> rows);
  // Tries those of the table once more, with the old versions out of the way.
  Status make_way(const std::shared_ptr<const Table>& table, std::vector<PutOffRow>* rows);
  Status set_aside(const std::vector<PutOffRow>& rows);

  SourceTables* tables_;
  MisfitTable* misfits_;
};

}  // namespace crossfade::apply
