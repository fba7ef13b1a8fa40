// A whole move under faults: run, copy under writers, follow, verify, cutover with the way back,
// writes on PostgreSQL, rollback, writes on SQLite, cutover again, finish. Whatever dies is started
// again by the same command, until the life is through.
//
// Threads: one per life; lives may run beside each other.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/bank.h"
#include "tests/support/history.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

namespace crossfade::testing {

using PointInPhase = std::pair<std::string, std::string>;

// What CROSSFADE_FAULT_TRACE says, of one process or of many.
struct FaultTrace {
  std::set<PointInPhase> passed;
  std::set<PointInPhase> can_fail;
  std::set<PointInPhase> moves_bytes;  // of these, those where bytes are moved
  std::vector<PointInPhase> deaths;    // in order
  std::set<PointInPhase> failed_at;
  std::map<std::string, int> fired;  // by action: die, error, delay, short

  void read(const std::string& path);
  void add(const FaultTrace& other);
  [[nodiscard]] int fired_in_all() const;
};

// CROSSFADE_FAULT for the next process of this verb; empty: none. `so_far` is of the life.
using FaultSource = std::function<std::string(const std::string& verb, const FaultTrace& so_far)>;

struct FaultLifeOptions {
  uint64_t seed = 1;
  FaultSource faults;  // none: nothing fails
  // Called every 30 ms or so, with an engine's or a command's process, the file and the target.
  std::function<void(pid_t, const std::string& path, const std::string& url)> torment;
  std::map<std::string, std::string> env;  // of its processes
  // Makes what lies between the engine and this database, for as long as the life lasts, and names
  // it in `engine_url`; none: nothing does.
  std::function<std::shared_ptr<void>(const std::string& url, FaultLifeOptions*)> line;
  std::string engine_url;     // of the same database, by another way; empty: the clients' own
  bool engine_beside = true;  // `run` is at work while the other commands are given
  bool outbox = false;        // the way back is by triggers, not by logical decoding
  int turns = 1;              // cutover and rollback so often before the last cutover
  std::chrono::milliseconds pace = kBankPace;
  int64_t writes_per_turn = 6;  // acknowledged by the new primary before it goes on
};

class FaultLife {
 public:
  FaultLife(std::string url, FaultLifeOptions options);
  ~FaultLife();
  FaultLife(const FaultLife&) = delete;
  FaultLife& operator=(const FaultLife&) = delete;

  // Through it all. Empty, or what was amiss; then the history is in a file that is named.
  std::string run();

  // After run().
  [[nodiscard]] const FaultTrace& trace() const { return trace_; }
  [[nodiscard]] size_t operations() const { return operations_; }
  [[nodiscard]] int processes() const { return processes_; }
  [[nodiscard]] const std::vector<std::string>& deaths() const { return deaths_; }

 private:
  [[nodiscard]] Process::Options prepared(std::vector<std::string> arguments);
  void note_end(const std::string& verb, int code, const std::string& err);
  void note_engines_end(std::chrono::milliseconds within);
  void keep_engine();
  void stop_engine();
  bool command(const std::string& verb);
  bool until(const std::string& what, const std::function<bool()>& reached);
  bool wait_for_phase(const std::string& phase);
  bool wait_for_writes(Side side);
  bool live();
  std::string judge();
  void check_nothing_is_left();
  void problem(std::string what);

  const std::string url_;
  const FaultLifeOptions options_;
  TempDir dir_;
  const std::string db_;
  HistoryRecorder recorder_;
  std::unique_ptr<Process> engine_;
  int processes_ = 0;
  int faulted_ = 0;
  FaultTrace trace_;
  size_t operations_ = 0;
  std::string problems_;
  std::vector<std::string> deaths_;
};

}  // namespace crossfade::testing
