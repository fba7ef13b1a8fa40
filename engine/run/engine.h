// The engine: takes one source through its phases to a goal, and serves requests meanwhile.
//
// One loop: connect, reconcile, copy, follow. Whatever goes wrong and may pass (a lost connection,
// a schema change) leads back to its head, so recovery is the same code as a fresh start. Threads:
// run() on one; post(), board() and stop from any.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "engine/core/result.h"
#include "engine/core/stop.h"
#include "engine/postgres/embedded.h"
#include "engine/run/audit_head.h"
#include "engine/run/cutover.h"
#include "engine/run/follow.h"
#include "engine/run/move.h"
#include "engine/run/rollback.h"

namespace crossfade::run {

enum class TaskKind : uint8_t {
  kVerify,
  kCutover,
  kRollback,
  kSettle,  // done once the target has applied Task::settle_at
};

// What came of a task, ready to be shown: the JSON document of the verb, or its error.
struct TaskResult {
  int exit_code = 0;
  nlohmann::json document;
  std::string text;
};

struct Task {
  TaskKind kind = TaskKind::kVerify;
  CutoverOptions cutover;
  RollbackOptions rollback;
  verify::DigestKind digest = verify::DigestKind::kXxh3;  // of a verification
  Lsn settle_at;
  // Somebody waits who can ask again: it does not outlast the target's absence.
  bool asked = false;
  std::function<void(const TaskResult&)> done;  // called once, on the engine's thread
};

class DualRound;
class EarlyRound;
class ReverseFollower;
class Watcher;

class Engine {
 public:
  Engine(EngineOptions options, StopSource& stop);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Works until stop is requested, until a cutover has succeeded, or, with `until_idle`, until all
  // posted tasks are done. OK: it ended as it should. A source that was cut over already is OK too,
  // and its pending tasks are answered from the route.
  Status run(bool until_idle);

  // Called once this process holds the source's lock; its failure ends run(). Set before run().
  void on_locked(std::function<Status(const StateFolder&)> hook) { on_locked_ = std::move(hook); }

  void post(Task task);
  [[nodiscard]] StatusBoard& board() { return board_; }
  [[nodiscard]] const std::vector<schema::Finding>& findings() const { return findings_; }

 private:
  enum class Next : uint8_t { kAgain, kEnd };

  Status open();
  Status open_target();
  Result<postgres::ConnectionParams> resolve_target();
  Status connect();
  Status check_whose_target();
  Status check_source_identity();
  // Before either side is changed; unless it was declined.
  Status make_first_backup();
  [[nodiscard]] bool may_be_primary() const;
  Status take_lease_and_recover();
  // `known`: the source's schema version, read before the route was.
  Status recover_route(Move& move, const Route& route, int64_t known);
  Status session(bool until_idle, Next* next);
  Status follow(Move& move, bool until_idle, Next* next);
  // Once PostgreSQL is the primary: has all rows looked at. What they break stays NOT VALID.
  static Status validate_constraints(Move& move);
  Status serve(Move& move, Follower& follower, bool* ended);
  Status serve_cutover(Move& move, Follower& follower, const VerifyReport& report, bool* ended);
  Status make_way_back_for(Move& move, const CutoverOptions& options);
  // While PostgreSQL is the primary and SQLite is kept in step.
  Status reverse(Move& move, bool until_idle, Next* next);
  Status keep_in_step(Move& move, bool until_idle, Next* next);
  Status watch_slot(Move& move, ReverseFollower& follower);
  Status note_slot(Move& move, const capture::SlotHealth& health, apply::SourceWriter& writer);
  // While both sides are written to.
  Status begin_dual(Move& move);
  Status end_dual(Move& move);
  Status dual(Move& move, bool until_idle, Next* next);
  Status look_after_dual(Move& move, DualFollower& follower);
  Status serve_dual(Move& move, DualFollower& follower, std::optional<DualRound>* round,
                    bool* ended);
  Status serve_dual_cutover(Move& move, DualFollower& follower, const VerifyReport& report,
                            bool* ended);
  // Before it begins: both sides are compared, and a difference is an error. True: it may begin.
  Result<bool> ready_for_dual(Move& move, Follower& follower);
  Status serve_reversed(Move& move, ReverseFollower& follower, bool* ended);
  Status serve_rollback(Move& move, ReverseFollower& follower, const VerifyReport& report,
                        bool* ended);
  // The watch after a cutover (engine_watch.cc).
  Status check_watch_command(const CutoverOptions& options, Primary primary, Epoch epoch);
  Status arm_watch(const CutoverOptions& options, Epoch flipped);
  Status forget_watch();
  Status begin_watch();
  void start_watcher(WatchRecord record);
  Status take_up_watch();
  Status settle_watch(const Route& route);
  Status answer_watch_request(const CutoverOptions& options);
  [[nodiscard]] bool watching() const;
  // SQLite goes on without the target if the watch wants that: then an error, which ends the run.
  Status give_up_if_wanted();
  Status check_no_answer();
  Status serve_watch(ReverseFollower& follower);
  Result<std::string> source_id();
  // What a way back has left on the target.
  Status clear_rest(Move& move);
  Status on_caught_up(Move& move, Follower& follower);
  // For a task that is there and will want a comparison; null: there is none, or it cannot be yet.
  std::unique_ptr<EarlyRound> compare_early(Move& move, Follower& follower);
  Status finish_verify(const VerifyReport& report);
  Status remember_digest(Move& move, Lsn applied);
  void answer(const TaskResult& result);
  void answer_all(const Error& error);
  // Of kAskedWithoutTargetMax and more; for tasks that were asked for.
  void answer_that_target_is_gone(const Error& error);
  void answer_after_cutover(const Route& route);
  // Those that come first. Returns whether there was one.
  bool answer_rollbacks();
  std::optional<Task> current_task();
  Status keep_audit_head();
  void end_audit();
  void close_cluster();

  const EngineOptions options_;
  StopSource& stop_;
  StatusBoard board_;
  std::function<Status(const StateFolder&)> on_locked_;
  std::optional<StateFolder> state_;
  std::optional<AuditLog> audit_;
  AuditHeadKeeper audit_head_;
  bool audit_head_fails_ = false;  // and the log has said so
  std::optional<SourceFile> source_;
  std::unique_ptr<LogBound> log_bound_;
  std::optional<postgres::EmbeddedCluster> cluster_;
  std::optional<postgres::ConnectionParams> params_;
  std::optional<TargetStore> target_;
  std::optional<LeaseToken> token_;
  std::optional<Deadline> gone_until_;  // the target is not there since; then it is said
  bool reconnect_ = false;              // though the connection seems to live
  std::vector<schema::TablePlan> prepared_;
  std::vector<schema::Finding> findings_;
  std::set<std::string> to_rebuild_;
  std::set<std::pair<std::string, std::string>> plain_columns_;
  Deadline::Clock::time_point next_digest_{};
  Deadline::Clock::time_point next_rest_{};
  std::optional<Lsn> digest_at_;  // of the log row whose digest the target has
  bool cut_over_ = false;
  bool way_back_made_ = false;  // by this engine's cutover
  bool watch_round_ = false;    // the follower's round is one of the watch
  bool slot_warned_ = false;
  bool leave_dual_ = false;   // both sides' being written to ends now
  bool dual_round_ = false;   // a comparison runs before both sides may be written to
  bool route_known_ = false;  // the row on the target was read
  std::mutex mutex_;
  std::deque<Task> tasks_;  // guarded by mutex_; the first is the one worked on
  std::unique_ptr<Watcher>
      watch_;  // of the last cutover; it may have ended. Null: none was asked for
};

// Whether it is one that begins with a comparison of all rows.
[[nodiscard]] bool wants_comparison(const std::optional<Task>& task);

// The error as the process and the control socket give it: exit code, document, text.
[[nodiscard]] TaskResult to_result(const Error& error);

}  // namespace crossfade::run
