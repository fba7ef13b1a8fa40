// Distinct integer types for positions, epochs and tokens, so that one cannot pass for another.
#pragma once

#include <compare>
#include <cstdint>

namespace crossfade {

template <typename Tag>
struct StrongInt {
  int64_t value = 0;

  friend auto operator<=>(const StrongInt&, const StrongInt&) = default;
  [[nodiscard]] constexpr StrongInt next() const { return StrongInt{value + 1}; }
};

// A position in our change log on the source: the log's `lsn` column. 0 is before the first change.
using Lsn = StrongInt<struct LsnTag>;

// How often the primary has changed sides. Grows by one at each cutover or rollback.
using Epoch = StrongInt<struct EpochTag>;

// The fencing token: grows each time an engine takes the lease on the target, so that the writes of
// an engine that lost it are refused there.
using LeaseToken = StrongInt<struct LeaseTokenTag>;

// One shape of one source table: a new one is given out whenever triggers are installed, so a log
// row always says which list of columns its values belong to.
using CaptureId = StrongInt<struct CaptureIdTag>;

}  // namespace crossfade
