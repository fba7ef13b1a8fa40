// Which PostgreSQL type a column gets: what is stored decides, the declaration only where the
// stored values leave it open. The rules are listed in docs/type_mapping.md.
#pragma once

#include <string>

#include "engine/core/schema.h"
#include "engine/schema/scan.h"

namespace crossfade::schema {

struct TypeChoice {
  TargetType type;
  std::string reason;  // one sentence
};

// `rowid_key`: the column is a rowid, whose values SQLite itself keeps INTEGER.
[[nodiscard]] TypeChoice choose_type(const Column& column, const ColumnEvidence& evidence,
                                     bool rowid_key);

// "BOOL", "boolean", "Bool": declared so, whatever its affinity.
[[nodiscard]] bool declared_boolean(const Column& column);

}  // namespace crossfade::schema
