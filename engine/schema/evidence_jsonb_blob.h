// Recognises SQLite's own JSONB: a blob of tagged, sized elements (sqlite.org/jsonb.html).
#pragma once

#include <string_view>

namespace crossfade::schema {

// An array or an object whose elements fill it exactly, all the way down.
[[nodiscard]] bool is_sqlite_jsonb(std::string_view bytes);

}  // namespace crossfade::schema
