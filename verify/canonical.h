// The canonical form: bytes that are equal exactly when the source's value and the target's value
// mean the same, made from either side by code that shares nothing with apply's encoders.
//
// Tags: 'N' NULL; 'I' + 8 bytes big-endian for bigint and boolean; 'D' + IEEE bits for double
// precision (-0.0 as 0.0, which PostgreSQL and SQLite's keys do not tell apart); '#' + normalized
// decimal digits for numeric; 'T' + bytes; 'B' + bytes. A variant is tagged by its class; jsonb
// that crossfade never writes is '?' + its text, equal to nothing the source can hold.
// Every variable-length value is preceded by its length, so rows cannot run into each other.
#pragma once

#include <string>
#include <string_view>

#include "engine/core/result.h"
#include "engine/core/schema.h"
#include "engine/core/value.h"

namespace crossfade::verify {

// A source value that is looked at and not kept. Only the member of its class is set.
struct ValueView {
  StorageClass storage = StorageClass::kNull;
  int64_t integer = 0;
  double real = 0;
  std::string_view bytes;
};

// False when the value has no representation in `type` (a quarantined row), and then nothing was
// appended: the caller counts it.
[[nodiscard]] bool append_canonical_source(const ValueView& value, TargetType type,
                                           std::string* out);
[[nodiscard]] bool append_canonical_source(const Value& value, TargetType type, std::string* out);

// `field` is the column's value in PostgreSQL's binary format. An error when the bytes are not of
// `type`: somebody altered the column.
Status append_canonical_target(std::string_view field, bool null, TargetType type,
                               std::string* out);

}  // namespace crossfade::verify
