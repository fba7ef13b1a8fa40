// Names of what crossfade creates beside the tables: constraints, indexes, sequences.
//
// They share one name space in a PostgreSQL schema and hold 63 bytes, so they are shortened and
// numbered. The same catalog always gives the same names. What the source names keeps its name
// where nothing else has it.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "engine/schema/catalog.h"
#include "engine/schema/naming.h"

namespace crossfade::schema {

struct TableNames {
  std::string primary_key;
  // In its place where NULLs in the declared key make the rowid the key; `primary_key` is the name
  // of the declared one's index then, if the source names it.
  std::string rowid_key;
  std::vector<std::string> indexes;       // beside Table::indexes
  std::vector<std::string> foreign_keys;  // beside Table::foreign_keys
  std::string sequence;                   // empty: the one PostgreSQL would choose is free
  std::string search_index;               // of a virtual table: the index that stands for it
};

// Of the constraints that take names from their table alone: keys. Indexes are apart.
[[nodiscard]] std::set<std::string> key_names(const Table& table, const TableNames& names);

// By table name; virtual tables have a search_index alone.
[[nodiscard]] std::map<std::string, TableNames> make_target_names(const Catalog& catalog,
                                                                  Naming naming);

}  // namespace crossfade::schema
