// Compares the two sides while applications write to both.
//
// No instant is the same for both, so a chunk that differs is read again when what was under way
// has come through. Rows that differ then, and that changes came by for, are compared by their keys
// until they do not: however many are on their way, each is there at some time. A row is different
// when it is so although neither side's changes came by for its key meanwhile, and PostgreSQL shows
// all that had come from it. Held keys are different, and said to be.
// Threads: the engine's. Borrows what it is given.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
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
  // Keys that changes came by for, by their text.
  using Moving = std::map<std::string, Row>;

  Result<verify::ChunkVerdict> compare(verify::SourceChunk* chunk, Deadline deadline);
  // Of a chunk that was different just now. Nothing: too much came by for its rows to be told
  // apart.
  Result<std::optional<verify::ChunkVerdict>> settle(verify::SourceChunk* chunk);
  Result<std::optional<verify::ChunkVerdict>> tell_apart(const verify::ChunkVerdict& verdict);
  // Those that are different for certain. kSteppedBack: some are written all the time.
  Result<verify::ChunkVerdict> compare_moving(Moving moving);
  Result<verify::ChunkVerdict> compare_keys(const Moving& keys);
  Status drain();
  // Until PostgreSQL shows all that SQLite had. kSteppedBack: it does not.
  Status await_shown();
  // Of the rows that differ, one that nothing came by for.
  [[nodiscard]] bool has_unnoted(const verify::ChunkVerdict& verdict) const;
  [[nodiscard]] const std::shared_ptr<const Table>& table() const;
  void next(const verify::SourceChunk& chunk, const verify::ChunkVerdict& verdict);

  Move& move_;
  DualFollower& follower_;
  VerifyRound round_;
  size_t table_ = 0;
  Row after_;
  int64_t rows_max_;
};

}  // namespace crossfade::run
