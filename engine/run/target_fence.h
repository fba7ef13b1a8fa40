// The fence on PostgreSQL: after a rollback nobody but crossfade writes to the moved tables there.
//
// A trigger that refuses, and no right that is taken away: it holds for the owner and for
// superusers, and a transaction of any isolation level that began before the flip meets it at its
// next statement. It is raised in the transaction that flips the route row, behind locks that no
// writer's transaction outlasts; lowered in the one that flips it back, without a lock on any
// table. Sessions that set `crossfade.writer`, as TargetStore's does, pass. Threads: the
// connection's.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "engine/core/result.h"
#include "engine/core/strong.h"
#include "engine/postgres/connection.h"
#include "engine/run/target_locks.h"

namespace crossfade::run {

inline constexpr const char* kBecomeWriter = "SET crossfade.writer = 'on'";

// What a refused application is told.
struct FenceNotice {
  std::string primary;  // where SQLite's file is
  Epoch epoch;          // of the route, from the flip on
};
// Before the locks, so that raising it costs the pause next to nothing: makes the triggers, which
// let everybody pass until then, table by table, each waited for no longer than `patience`. Returns
// how many tables were in use; raising the fence makes theirs. What steps back retires them.
Result<int64_t> prepare_target_fence(postgres::Connection& target, const FencedTables& tables,
                                     std::chrono::milliseconds patience);
// Inside the transaction of lock_tables(). Idempotent.
Status raise_fence_on_target(postgres::Connection& target, const FencedTables& tables,
                             const FenceNotice& notice);
// Inside the transaction that makes tables: they are fenced as the others are, if those are.
Status fence_new_tables(postgres::Connection& target, const FencedTables& tables);
// Inside the transaction that makes PostgreSQL the primary. Waits for nobody: the triggers stay,
// and let everybody pass. Nothing to do is OK.
Status lower_fence_on_target(postgres::Connection& target);
// Writes are refused.
Result<bool> target_fence_is_up(postgres::Connection& target);

// Once the fence is down, its triggers still cost writers a call: disables them, table by table,
// each waited for no longer than `patience`. Returns how many could not be; try again later.
Result<int64_t> retire_target_fence(postgres::Connection& target,
                                    std::chrono::milliseconds patience);
// Inside the transaction that drops the schema `crossfade`: a fence that is up stays up without it,
// by a function of its own in `schema`. Returns the statement that takes it away.
Result<std::string> keep_target_fence(postgres::Connection& target, const std::string& schema,
                                      const FenceNotice& notice);
// That statement, if such a fence is up; else empty.
Result<std::string> kept_target_fence(postgres::Connection& target, const std::string& schema);
// Takes the triggers away, up or not, each in a transaction of its own. An error names who is in
// the way; what is done by then stays done. Returns their names.
Result<std::vector<std::string>> drop_target_fence(postgres::Connection& target,
                                                   std::chrono::milliseconds patience);

}  // namespace crossfade::run
