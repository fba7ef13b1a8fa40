// PostgreSQL's instants in the forms of the source (SourceForm), seen from verify's side: written
// out as the source writes them. A source's value is read only to be written out and compared.
//
// `micros` are PostgreSQL's: since 2000-01-01T00:00:00, without zone or in UTC. A date is its
// midnight.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "engine/core/column_type.h"

namespace crossfade::verify {

// Appends the text that the type's pattern gives. False, and nothing appended, when it cannot say
// this instant: it has no field for its fraction, or the year is not one of 1 to 9999.
[[nodiscard]] bool append_time_text(int64_t micros, const ColumnType& type, std::string* out);

// The number of a numeric form. Nothing: the form has none for this instant.
struct TimeNumber {
  bool is_real = false;
  int64_t integer = 0;
  double real = 0;
};
[[nodiscard]] std::optional<TimeNumber> time_number(int64_t micros, SourceForm form);

// The instant whose text or number is exactly this one; nothing: there is none.
[[nodiscard]] std::optional<int64_t> time_of(std::string_view text, const ColumnType& type);
[[nodiscard]] std::optional<int64_t> time_of(int64_t value, SourceForm form);
[[nodiscard]] std::optional<int64_t> time_of(double value, SourceForm form);

// "2020-01-02 03:04:05.000006 BC", as PostgreSQL reads it whatever its settings, with "+00" if
// `zoned`.
[[nodiscard]] std::string time_literal(int64_t micros, bool zoned);

// Whether SQLite's BINARY order of the type's texts is the order of time.
[[nodiscard]] bool text_sorts_by_time(const ColumnType& type);

}  // namespace crossfade::verify
