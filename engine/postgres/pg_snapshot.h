// A snapshot of PostgreSQL's as a position: which transactions had ended when it was taken.
//
// Of two snapshots of one server the later one sees all that the earlier one sees. What it sees
// beyond it are the transactions that ended between them: they make the one state into the other.
// Source: postgresql.org/docs/15, functions-info, "pg_snapshot components". No I/O. Threads: any.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace crossfade::postgres {

using Xid8 = uint64_t;  // xid8: with its epoch, never used again

// From `from` on, before `to`.
struct XidRange {
  Xid8 from = 0;
  Xid8 to = 0;

  friend bool operator==(const XidRange&, const XidRange&) = default;
};

class PgSnapshot {
 public:
  // pg_current_snapshot()'s text, "xmin:xmax:xip,...". Nothing: it is none.
  static std::optional<PgSnapshot> parse(std::string_view text);

  [[nodiscard]] std::string text() const;
  [[nodiscard]] bool sees(Xid8 xid) const;
  // None from it on had ended.
  [[nodiscard]] Xid8 xmax() const { return xmax_; }
  // Before xmax(), had not ended; rising.
  [[nodiscard]] const std::vector<Xid8>& running() const { return running_; }
  // The same, but that one transaction has ended too. Those that began before it and are not known
  // to this snapshot count as running.
  [[nodiscard]] PgSnapshot with(Xid8 xid) const;

  friend bool operator==(const PgSnapshot&, const PgSnapshot&) = default;

 private:
  Xid8 xmin_ = 0;  // all before it had ended
  Xid8 xmax_ = 0;
  std::vector<Xid8> running_;
};

// What `now` sees and `before` does not, rising. Ranges hold transactions that were rolled back,
// and numbers that belong to subtransactions, as well.
[[nodiscard]] std::vector<XidRange> ended_between(const PgSnapshot& before, const PgSnapshot& now);

}  // namespace crossfade::postgres
