// Watches over the time after a cutover, on a thread of its own: performs what WatchMachine says.
//
// At each interval it runs the operator's command, and looks by a connection of its own whether the
// target answers. Comparing the two sides and rolling back are the engine's work, on its thread:
// the watcher asks for them, and is told. What changes is written to the state folder at once.
// Threads: the methods are for any. Borrows what Surroundings names, which must outlive it.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "engine/core/deadline.h"
#include "engine/core/result.h"
#include "engine/core/stop.h"
#include "engine/postgres/connection_params.h"
#include "engine/run/audit.h"
#include "engine/run/rollback.h"
#include "engine/run/state_folder.h"
#include "engine/run/status.h"
#include "engine/run/target_lost.h"
#include "engine/run/verify_round.h"
#include "engine/run/watch_machine.h"
#include "engine/run/watch_record.h"

namespace crossfade::run {

// Runs the command as the watch does. Nothing: it exited with 0; else how it ended.
[[nodiscard]] std::optional<std::string> run_watch_command(const std::string& command,
                                                           Primary primary, Epoch epoch,
                                                           const std::string& database,
                                                           const StopSource* stop);

class Watcher {
 public:
  // Called with nothing when SQLite is the primary, else with why not.
  using RolledBack = std::function<void(const std::optional<std::string>&)>;
  struct Surroundings {
    const StateFolder& state;
    AuditLog& audit;
    StatusBoard& board;
    std::function<void(RollbackOptions, RolledBack)> roll_back;  // returns at once
  };

  // `record`: in kWatching, or in a state that such a one came to and that has not ended.
  Watcher(WatchRecord record, Surroundings surroundings);
  ~Watcher();  // the record says where it was, for the next engine
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;

  [[nodiscard]] WatchRecord record() const;
  [[nodiscard]] bool running() const { return !has_ended(state_.load()); }

  // Where the target is. Until it is known nothing is concluded from its silence.
  void set_target(const postgres::ConnectionParams& params);

  // The two sides are to be compared now: between begin_round() and one of the two after it.
  [[nodiscard]] bool wants_round() const;
  void begin_round();
  void note_round(const VerifyReport& report);
  // It could not be done; in its time it is wanted again.
  void note_no_round(const Error& error);

  [[nodiscard]] bool wants_to_give_up() const { return state_.load() == WatchState::kGivingUp; }
  void note_given_up(const Result<TargetGivenUp>& done);
  void note_sqlite_is_primary();

 private:
  struct Note {
    WatchEvent event;
    std::string text;
  };
  void work();
  void check();
  void check_command();
  void check_target();
  void tell(WatchEvent event, std::string text = "");
  void handle(const Note& note);
  WatchRecord note_in_record(const Note& note);
  void announce(const Note& note, WatchState before, const WatchRecord& record);
  void end_round();
  void ask_for_rollback();
  [[nodiscard]] std::chrono::milliseconds now() const;

  const Surroundings surroundings_;
  StopSource stop_;
  const Deadline::Clock::time_point zero_ = Deadline::Clock::now();
  // The thread's own.
  WatchMachine machine_;
  std::shared_ptr<std::atomic<bool>> withdrawn_;  // of the rollback that was asked for last

  std::atomic<WatchState> state_;
  mutable std::mutex mutex_;
  std::condition_variable noted_;
  WatchRecord record_;                                // guarded by mutex_
  std::deque<Note> notes_;                            // guarded by mutex_
  std::optional<postgres::ConnectionParams> target_;  // guarded by mutex_
  Deadline::Clock::time_point round_began_;           // guarded by mutex_
  Deadline::Clock::time_point next_round_;            // guarded by mutex_
  // The engine's thread: whoever answers a rollback knows by it whether the watcher is there still.
  const std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);
  std::thread thread_;
};

}  // namespace crossfade::run
