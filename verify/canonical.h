// The canonical form: bytes that are equal exactly when the source's value and the target's value
// mean the same, made from either side by code that shares nothing with apply's encoders.
//
// Tags: 'N' NULL; 'I' + 8 bytes big-endian for an INTEGER; 'D' + IEEE bits for a REAL (-0.0 is not
// 0.0); '#' + normalized decimal digits for numeric; 'T' + bytes; 'B' + bytes. Types that the
// source writes in a form of its own (SourceForm) have the form of the value as the source writes
// it; a variant has its class's. What the source cannot hold is '?' + the field, equal to nothing.
// Every variable-length value is preceded by its length, so rows cannot run into each other.
#pragma once

#include <string>
#include <string_view>

#include "engine/core/result.h"
#include "engine/core/schema.h"
#include "engine/core/value_view.h"

namespace crossfade::verify {

// False when the value has no representation in `type` (a quarantined row), and then nothing was
// appended: the caller counts it.
[[nodiscard]] bool append_canonical_source(const ValueView& value, const ColumnType& type,
                                           std::string* out);
[[nodiscard]] bool append_canonical_source(const Value& value, const ColumnType& type,
                                           std::string* out);

// `field` is the column's value in PostgreSQL's binary format. An error when the bytes are not of
// `type`: somebody altered the column.
Status append_canonical_target(std::string_view field, bool null, const ColumnType& type,
                               std::string* out);

// The value of the source that a field stands for, class and bytes. numeric gives an INTEGER for
// what is one, and a REAL else: the class that a column of numeric affinity gives it anyway.
// kMisfit when it stands for none (an instant that the pattern cannot say, a NaN); kTarget as
// above.
Result<Value> value_from_target(std::string_view field, bool null, const ColumnType& type);

}  // namespace crossfade::verify
