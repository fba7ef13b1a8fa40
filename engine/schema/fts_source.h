// Which ordinary table's rows a full-text table searches.
//
// What is declared (content=) is believed. Rows that a full-text table keeps itself are held
// against the ordinary table that should have them, value by value.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/core/result.h"
#include "engine/core/schema.h"
#include "engine/core/stop.h"
#include "engine/schema/catalog.h"
#include "engine/schema/fts_declaration.h"

namespace crossfade::schema {

struct FtsField {
  std::string name;    // the full-text table's
  std::string column;  // the ordinary table's; empty: none has just this
};

struct FtsSource {
  VirtualTable table;
  FtsDeclaration declared;
  std::string indexed;           // the ordinary table; empty: none is known
  std::vector<FtsField> fields;  // the searched ones, in order; of `indexed`
  int64_t rows = -1;             // that are searched; -1: not known
  bool only_copy = false;        // its rows are nowhere else
  std::string obstacle;          // why `indexed` is empty
};

// All full-text tables of the catalog; or those that may be about one table. Reads rows that
// full-text tables keep themselves, in short reads. `stop` may be null.
Result<std::vector<FtsSource>> find_fts_sources(sqlite::Connection& connection,
                                                const Catalog& catalog, const Table* about,
                                                StopSource* stop);

// Makes Table::shape cover the full-text tables that may be about it: one that comes, goes or
// changes makes the table another.
void add_fts_to_shapes(Catalog* catalog);

}  // namespace crossfade::schema
