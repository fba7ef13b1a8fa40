// What names mean inside a statement: the tables of its FROM, and of the statements around it.
#pragma once

#include <string>
#include <vector>

#include "engine/schema/expression/syntax.h"
#include "engine/schema/expression/translate.h"

namespace crossfade::schema::expression {

struct TableNames {
  std::string name;       // as the statement calls it
  std::string qualifier;  // of its columns on the target, quoted; empty: none
  std::vector<ScopeColumn> columns;
  std::string rowid_column;
  std::vector<std::string> primary_key;
  std::vector<std::string> merged;  // columns that USING or NATURAL took from a table before it
};

// A column of a FROM.
struct ColumnAt {
  size_t table = 0;
  size_t column = 0;
  bool operator==(const ColumnAt&) const = default;
};

struct Names {
  std::vector<TableNames> tables;
  const std::vector<ResultColumn>* results = nullptr;  // whose aliases may stand for them
  const Names* outer = nullptr;
  // Of a query that groups: what may stand outside of aggregates.
  bool grouped = false;
  std::vector<const Expr*> group_by;
  std::vector<ColumnAt> group_columns;
};

}  // namespace crossfade::schema::expression
