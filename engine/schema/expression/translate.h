// Translates SQLite's expressions and views to PostgreSQL's SQL.
//
// Promise: for every row that the columns can hold, the translation yields what SQLite yields, or
// PostgreSQL reports an error (an overflow, where SQLite goes on in floating point), or there is no
// translation but a Refusal that says which part has none. docs/expressions.md lists them. What a
// view may do a little differently (the order in which reals are added up) is told in `notes`.
//
// Only built-in functions are used. For kGenerated, kIndexPredicate and kIndexKey only those that
// PostgreSQL calls immutable. Text columns are taken to be COLLATE "C".
//
// Threads: any; no state is shared. Any bytes may be given as SQL.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/column_type.h"
#include "engine/core/schema.h"
#include "engine/schema/expression/outcome.h"

namespace crossfade::schema::expression {

enum class Use : uint8_t {
  kCheck,           // yields boolean
  kDefault,         // no columns
  kGenerated,       // immutable
  kIndexPredicate,  // immutable, yields boolean
  kIndexKey,        // immutable; a collation that is not BINARY becomes part of the key
  kView,
};

struct ScopeColumn {
  std::string name;         // as the source spells it; matched without regard to ASCII case
  std::string target_name;  // unquoted
  ColumnType type;
  std::optional<Affinity> affinity = Affinity::kBlob;  // nothing: of a view's expression
  std::string collation = "BINARY";
  bool not_null = false;
  bool hidden = false;  // the rowid where no column of the source is it: "*" does not name it
  // A double precision that stands for an INTEGER where it is whole: a sum of such numbers.
  bool mixed = false;
  // What stands for it where it cannot be named: a generated column's expression in that of another
  // one. Empty: its name.
  std::string sql;
};

struct Scope {
  std::string table;  // the source's name, for qualified columns
  std::vector<ScopeColumn> columns;
  std::string rowid_column;  // the column that carries the rowid, by `name`; empty: none
};

struct Translated {
  std::string sql;
  ColumnType type;
  std::vector<std::string> notes;  // sentences
};

[[nodiscard]] Outcome<Translated> translate_expression(std::string_view sql, const Scope& scope,
                                                       Use use);

// The same, as a value for `column`: what SQLite would store there, after its affinity, in the form
// that the column's type has. For DEFAULT (kDefault; the scope may be empty) and for generated
// columns. A DEFAULT NULL is "NULL".
[[nodiscard]] Outcome<Translated> translate_value(std::string_view sql, const Scope& scope, Use use,
                                                  const ScopeColumn& column);

// A table or view that a view reads.
struct Relation {
  std::string schema;  // of the target, unquoted; empty: the search path's
  std::string target_name;
  std::vector<ScopeColumn> columns;
  std::vector<std::string> primary_key;  // on the target, by `name`; empty: none
  std::string rowid_column;
};
// By the source's name, without regard to ASCII case. Nothing: it is not carried.
using Resolver = std::function<std::optional<Relation>(std::string_view name)>;

struct ViewNames {
  std::string schema;  // the target's; empty: the search path's
  // From the source's names to the target's, for the view and its columns; empty: as they are.
  std::function<std::string(std::string_view)> to_target;
};

struct TranslatedView {
  std::string name;   // the source's
  std::string sql;    // CREATE VIEW ... AS ...
  Relation relation;  // for views that read this one
  std::vector<std::string> notes;
};

[[nodiscard]] Outcome<TranslatedView> translate_view(std::string_view create_view_sql,
                                                     const Resolver& resolver,
                                                     const ViewNames& names);

}  // namespace crossfade::schema::expression
