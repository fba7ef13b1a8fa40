// The types whose values the source writes in a form of its own (SourceForm), and json and jsonb:
// their part of the canonical form, which is the source's value itself, class and bytes.
//
// The target's side writes a field out in the source's form; the source's side checks that some
// field would be written out so.
#pragma once

#include <string>
#include <string_view>

#include "engine/core/column_type.h"
#include "verify/canonical.h"

namespace crossfade::verify {

[[nodiscard]] bool is_formed(const ColumnType& type);

// False, and nothing appended: no field of the type stands for this value.
[[nodiscard]] bool append_formed_source(const ValueView& value, const ColumnType& type,
                                        std::string* out);

// False, and nothing appended: the bytes are not of the type. A field that stands for no value of
// the source becomes a '?' form.
[[nodiscard]] bool append_formed_target(std::string_view field, const ColumnType& type,
                                        std::string* out);

// The text PostgreSQL reads as this value, which is representable.
[[nodiscard]] std::string formed_text(const Value& value, const ColumnType& type);

}  // namespace crossfade::verify
