// Which transactions a snapshot of PostgreSQL's sees, so that the stream can be stopped exactly
// where SQLite holds what the snapshot shows.
//
// Source: postgresql.org/docs/15, functions-info, "pg_snapshot components". No I/O.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace crossfade::run {

class TargetSnapshot {
 public:
  // pg_current_snapshot()'s text, "xmin:xmax:xip,...". Nothing: it is none.
  static std::optional<TargetSnapshot> parse(std::string_view text);

  // Of a transaction that is known to be committed by now. The stream's numbers have no epoch:
  // those within 2^31 of the snapshot are told apart.
  [[nodiscard]] bool sees(uint32_t xid) const;
  // Everything that has a number below it had ended; with its epoch.
  [[nodiscard]] uint64_t xmin() const { return xmin_; }

 private:
  uint64_t xmin_ = 0;                // all before it had ended
  uint64_t xmax_ = 0;                // none from it on had begun
  std::vector<uint64_t> in_flight_;  // in between, had not ended
};

}  // namespace crossfade::run
