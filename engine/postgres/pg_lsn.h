// A position in the target's write-ahead log; never one in our change log (Lsn).
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace crossfade::postgres {

struct PgLsn {
  uint64_t value = 0;  // bytes from the log's beginning; 0: none (InvalidXLogRecPtr)

  friend auto operator<=>(const PgLsn&, const PgLsn&) = default;
};

// As pg_lsn has it: "16/B374D848".
[[nodiscard]] std::string to_string(PgLsn lsn);
// Nothing: it is none.
[[nodiscard]] std::optional<PgLsn> parse_pg_lsn(std::string_view text);

}  // namespace crossfade::postgres
