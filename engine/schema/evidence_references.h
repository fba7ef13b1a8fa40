// Makes both ends of each foreign key one type, where a form was chosen for one of them.
#pragma once

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/core/schema.h"
#include "engine/schema/catalog.h"
#include "engine/schema/scan.h"

namespace crossfade::schema {

// A table whose types are being chosen.
struct TableDraft {
  Table table;
  TableEvidence evidence;  // beside table.columns
};

// An end without values takes the other's type. Two ends with different types, one of them with a
// form, both become plain. Repeats until nothing changes, for a column may be both parent and
// child. Columns in `plain` (table, column) take no form.
void join_references(const std::set<std::pair<std::string, std::string>>& plain,
                     std::vector<TableDraft>* drafts);

// The tables whose types depend on each other's, `table` among them: its parents, and whatever
// foreign keys on anything but a rowid connect.
[[nodiscard]] std::vector<const Table*> connected_tables(const Catalog& catalog,
                                                         const Table& table);

}  // namespace crossfade::schema
