// What SQLite's pragmas do not tell of a table or an index, cut out of the CREATE statement as it
// is written. Nothing is translated here.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/schema/expression/outcome.h"

namespace crossfade::schema::expression {

struct CheckClause {
  std::string name;    // of CONSTRAINT name; empty: none
  std::string column;  // empty: a clause of the table
  std::string expression;
};

struct GeneratedClause {
  std::string column;
  std::string expression;
  bool stored = false;  // else VIRTUAL
};

struct CollateClause {
  std::string column;
  std::string collation;
};

struct CreateTableParts {
  std::vector<CheckClause> checks;
  std::vector<GeneratedClause> generated;
  std::vector<CollateClause> collations;
};
[[nodiscard]] Outcome<CreateTableParts> split_create_table(std::string_view sql);

struct IndexKeyPart {
  std::string expression;  // without COLLATE and DESC
  std::string collation;   // of COLLATE; empty: the column's
  bool descending = false;
};

struct CreateIndexParts {
  std::string name;
  std::string table;
  bool unique = false;
  std::vector<IndexKeyPart> keys;
  std::string where;  // empty: no partial index
};
[[nodiscard]] Outcome<CreateIndexParts> split_create_index(std::string_view sql);

}  // namespace crossfade::schema::expression
