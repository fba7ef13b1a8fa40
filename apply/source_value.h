// Whether SQLite stores a value as it is.
//
// An affinity turns numbers into text and text into numbers as they are stored, and no error says
// so: '007' that PostgreSQL holds as text would become 7. What is only another class of the same
// number (3.0 in an INTEGER column) is the source's own way and goes through. Threads: any.
#pragma once

#include <optional>
#include <string>

#include "engine/core/schema.h"
#include "engine/core/value.h"

namespace crossfade::apply {

// Why it would not be kept, for a person; nothing: it is kept.
[[nodiscard]] std::optional<std::string> why_not_kept(const Column& column, const Value& value);

}  // namespace crossfade::apply
