// Judges a history of clients on both sides. It knows nothing of how a move works: only what the
// clients were told, what they saw and when.
//
// - lost, doubled: an acknowledged write is there once at the end, a refused one never, and one
//   whose answer was lost at most once.
// - stale, phantom: a read of the primary finds what was acknowledged, or seen by another read of
//   the primary, before it began, and nothing that was refused or began after its end.
// - two primaries: no write is accepted by the side that was not the epoch's; and all accepted
//   writes can be put in an order of time in which the sides change no more often than the route
//   did.
// - no state: every snapshot of either side has whole transactions only, keeps the invariants, and
//   has all that was acknowledged before something that it has began.
#pragma once

#include <string>
#include <vector>

#include "tests/support/history.h"

namespace crossfade::testing {

enum class ViolationKind : uint8_t {
  kLost,
  kDoubled,
  kResurrected,  // it was refused, and is there
  kStale,
  kPhantom,
  kTwoPrimaries,
  kTorn,
  kInvariant,  // balances or references
  kNoPrefix,   // a snapshot without something that came before what it has
};

struct Violation {
  ViolationKind kind;
  std::string what;
};

[[nodiscard]] std::vector<Violation> check_history(const History& history);
// One line for each, a few of each kind; empty when there are none.
[[nodiscard]] std::string describe(const std::vector<Violation>& violations);

}  // namespace crossfade::testing
