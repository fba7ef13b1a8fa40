// The tables that somebody else made on the target, as far as loading into them asks: plain data,
// read by engine/run/target_reader.h.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/core/column_type.h"

namespace crossfade::schema {

struct TargetColumn {
  std::string name;
  // Its base and limits, in no form. The spelling is always there, also of an unknown type.
  ColumnType type;
  bool supported = true;  // values of the type can be written and read back
  bool not_null = false;
  bool filled = false;  // by a default, an identity or an expression, when no value is given
  bool generated = false;
  // Its default as text, where that is one value for all rows of a transaction; nothing, too, where
  // no unique or foreign key asks for it.
  std::optional<std::string> constant;
  bool exact = true;  // its collation holds different texts for different
};

struct TargetKey {
  std::string name;
  std::vector<std::string> columns;
  bool unique = false;  // over all rows and by columns alone
  bool primary = false;
};

struct TargetReference {
  std::string name;
  std::vector<std::string> columns;
  std::string parent;
  std::vector<std::string> parent_columns;
  bool same_schema = true;        // the parent's
  bool holds_for_default = true;  // of one column: the parent has the row of TargetColumn::constant
};

// Something that PostgreSQL lets no constraint go without: a view that groups by a primary key.
struct TargetDependent {
  std::string constraint;
  std::string what;  // "view public.per_customer"
};

struct TargetRelation {
  std::string name;
  bool table = true;        // not a view, and neither partitioned nor inherited from
  bool owned = true;        // the role may alter it
  bool all_visible = true;  // no row security stands between the role and rows
  bool empty = true;
  bool known = false;  // a move of ours is loading it already
  bool has_checks = false;
  std::vector<TargetColumn> columns;
  std::vector<TargetKey> keys;  // every valid index
  std::vector<TargetReference> references;
  std::vector<TargetDependent> dependents;
  std::vector<std::string> triggers;   // and rules, that would fire while rows are written
  std::vector<std::string> referrers;  // tables whose foreign keys to it cannot be put aside
};

struct TargetSchema {
  std::string name;
  std::vector<TargetRelation> relations;
};

}  // namespace crossfade::schema
