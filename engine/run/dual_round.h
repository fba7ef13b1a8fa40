// Compares the two sides while applications write to both.
//
// No instant is the same for both, so a chunk that differs is read again when what was under way
// has come through; a row is different when it is so although neither side's changes came by for
// its key meanwhile, and PostgreSQL shows all that had come from it. Held keys are different, and
// said to be. Threads: the engine's. Borrows what it is given.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include "engine/run/dual_follower.h"
#include "engine/run/move.h"
#include "engine/run/verify_round.h"

namespace crossfade::run {

class DualRound {
 public:
  DualRound(Move& move, DualFollower& follower);

  // Compares for about a slice of time. kSteppedBack: the sides do not keep pace.
  Status slice(Deadline deadline);
  [[nodiscard]] bool done() const { return round_.done(); }
  [[nodiscard]] const VerifyReport& report() const { return round_.report(); }

 private:
  Result<verify::ChunkVerdict> compare(verify::SourceChunk* chunk, Deadline deadline);
  // With what PostgreSQL shows once it shows all that SQLite had. kSteppedBack: it does not.
  Result<verify::ChunkVerdict> compare_shown(verify::SourceChunk* chunk, Deadline deadline);
  Status read(verify::SourceChunk* chunk, Deadline deadline);
  // Of the rows that differ, one that nothing came by for.
  [[nodiscard]] bool is_certain(const verify::ChunkVerdict& verdict) const;
  void next(const verify::SourceChunk& chunk, const verify::ChunkVerdict& verdict);

  Move& move_;
  DualFollower& follower_;
  VerifyRound round_;
  size_t table_ = 0;
  Row after_;
  int64_t rows_max_;
};

}  // namespace crossfade::run
