// The patterns of engine/core/column_type.h as PostgreSQL's formats and literals.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "engine/core/column_type.h"

namespace crossfade::schema::expression {

// What SQLite's own date functions make of a pattern, and how its texts are ordered.
struct TimePattern {
  std::string to_char;    // PostgreSQL's format of what stands before the zone; empty: none
  std::string zone_text;  // "Z", "+02:00", ...: as written; empty for date and timestamp
  std::string zone;       // the same as "+02:00"
  int fraction_digits = 0;
  bool ordered = false;        // texts sort as the times do
  bool for_functions = false;  // date() and its like read such texts
};
[[nodiscard]] TimePattern describe_pattern(const ColumnType& type);

// The PostgreSQL literal's text for a source's text; nothing when it does not match the pattern.
[[nodiscard]] std::optional<std::string> read_time(const ColumnType& type, std::string_view text);

// The same for an INTEGER of an epoch form; nothing when it is not held exactly or out of range.
[[nodiscard]] std::optional<std::string> read_epoch(SourceForm form, int64_t value);

// A to_char format that prints `text` as it is.
[[nodiscard]] std::string to_char_literal(std::string_view text);

// "::timestamp", "::timestamptz", "::date"
[[nodiscard]] const char* cast_to(TargetType type);

}  // namespace crossfade::schema::expression
