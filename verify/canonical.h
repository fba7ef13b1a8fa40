// The canonical form: bytes that are equal exactly when the source's value and the target's value
// mean the same, made from either side by code that shares nothing with apply's encoders.
//
// Tags: 'N' NULL; 'I' + 8 bytes big-endian for bigint and boolean; 'D' + IEEE bits for double
// precision (-0.0 as 0.0, which PostgreSQL and SQLite's keys do not tell apart); '#' + normalized
// decimal digits for numeric; 'T' + bytes; 'B' + bytes. A variant is tagged by its class.
// Every variable-length value is preceded by its length, so rows cannot run into each other.
#pragma once

#include <string>
#include <string_view>

#include "engine/core/result.h"
#include "engine/core/schema.h"
#include "engine/core/value.h"

namespace crossfade::verify {

// False when `value` has no representation in `type` (a quarantined row): the caller counts it.
[[nodiscard]] bool append_canonical_source(const Value& value, TargetType type, std::string* out);

// `field` is the column's value in PostgreSQL's binary format. An error when it cannot be decoded.
Status append_canonical_target(std::string_view field, bool null, TargetType type,
                               std::string* out);

}  // namespace crossfade::verify
