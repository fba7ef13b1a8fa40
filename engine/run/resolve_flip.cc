#include "engine/run/resolve_flip.h"

#include <utility>

#include "engine/core/limits.h"
#include "engine/observe/fault.h"

namespace crossfade::run {

Result<bool> resolve_flip(Move& move, Primary wanted) {
  fault_point("flip.resolve");
  // A session that lives has decided its own transactions, and holds the lease: another one would
  // wait for it.
  if (move.target.connection().alive()) {
    move.target.connection().rollback();
    CROSSFADE_TRY(move.target.check_lease(move.token));
    CROSSFADE_TRY(const auto route, move.target.route());
    return route.primary == wanted;
  }
  (void)move.revive_target();  // it is seen below whether it answers
  postgres::ConnectOptions connect;
  connect.params = move.params;
  connect.connect_timeout = limits::kConnectTimeout;
  CROSSFADE_TRY(auto store, TargetStore::open(std::move(connect)));
  CROSSFADE_TRY(store.resume_lease(move.token, move.stop));
  CROSSFADE_TRY(const auto route, store.route());
  move.target = std::move(store);
  return route.primary == wanted;
}

}  // namespace crossfade::run
