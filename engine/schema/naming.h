// What tables, columns and views are called on the target. A rule's `rename` wins over it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "engine/schema/catalog.h"

namespace crossfade::schema {

enum class Naming : uint8_t {
  kExact,      // as on the source
  kSnakeCase,  // "UserID" and "user id" are user_id: no quotes are needed on the target
};

[[nodiscard]] const char* to_string(Naming naming);
[[nodiscard]] std::optional<Naming> naming_from(std::string_view text);

// One name by itself. One of over 63 bytes is cut and ends in a digest of the whole.
[[nodiscard]] std::string target_name(Naming naming, std::string_view name);

// At most `bytes_max` bytes; a shortened name ends in a digest of the whole one.
[[nodiscard]] std::string fit_name(std::string_view name, size_t bytes_max);

// PostgreSQL gives every table a column of this name.
[[nodiscard]] bool is_system_column(std::string_view name);

// Gives every table, column and virtual table its target_name. It depends on nothing but the name
// itself, so that one that comes later renames none that is there; of two that would have the same,
// the plan refuses both.
void name_for_target(Naming naming, Catalog* catalog);

}  // namespace crossfade::schema
