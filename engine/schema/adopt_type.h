// The type of a column that the target has already, in the form in which the source writes it.
#pragma once

#include <string>

#include "engine/core/schema.h"
#include "engine/schema/scan.h"
#include "engine/schema/target_schema.h"

namespace crossfade::schema {

struct AdoptedType {
  ColumnType type;
  std::string reason;    // one sentence
  bool guessed = false;  // from the declaration, as nothing is stored
  bool as_utc = false;   // wall times without a zone are taken for UTC's
};

[[nodiscard]] AdoptedType adopt_type(const Column& column, const ColumnEvidence& evidence,
                                     const ColumnType& there);

}  // namespace crossfade::schema
