// The beginning of a comparison, while the engine's own connection builds indexes.
//
// Building them takes longer than anything else of a move but the copy, and changes no row: what
// was applied before stays what the target holds until it is over. So chunks that were read at that
// position are compared meanwhile, over a second connection; the first item that is none ends it,
// as does an error, and the engine goes on with what was not compared. A move of 1M rows takes 4.5
// s in place of 5.0 where a core is free meanwhile, and little less where index builds keep all of
// them busy (docs/performance.md).
//
// Threads: made and destroyed by the engine's, which leaves the follower alone in between. Owns its
// thread and its connection.
#pragma once

#include <atomic>
#include <memory>
#include <thread>

#include "engine/postgres/connection.h"
#include "engine/run/follow.h"
#include "engine/run/move.h"

namespace crossfade::run {

class EarlyRound {
 public:
  // Of a round that runs. Null: there is no second connection to be had, and all is compared later.
  static std::unique_ptr<EarlyRound> begin(const Move& move, Follower& follower);
  ~EarlyRound();  // when the chunk at hand is compared
  EarlyRound(const EarlyRound&) = delete;
  EarlyRound& operator=(const EarlyRound&) = delete;

 private:
  EarlyRound(Follower& follower, postgres::Connection connection);
  void run();

  Follower& follower_;
  postgres::Connection connection_;
  std::atomic<bool> ending_{false};
  std::thread thread_;
};

}  // namespace crossfade::run
