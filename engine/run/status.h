// Where a move stands: what `crossfade status` says, live or from the databases.
#pragma once

#include <cstdint>
#include <mutex>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "engine/core/result.h"
#include "engine/core/strong.h"
#include "engine/core/way_back_kind.h"
#include "engine/run/route_file.h"
#include "engine/run/watch_record.h"

namespace crossfade::run {

struct TableProgress {
  std::string name;
  int64_t rows_copied = 0;
  int64_t rows_total = 0;
};

struct StatusReport {
  std::string phase = "inspecting";
  Primary primary = Primary::kSqlite;
  Epoch epoch;
  Lsn captured_lsn;
  Lsn applied_lsn;
  Lsn verified_lsn;
  int64_t lag_changes = 0;
  int64_t lag_ms = 0;  // age of the oldest change not yet applied; 0 when there is none
  int64_t rows_copied = 0;
  int64_t rows_total = 0;
  int64_t rows_per_s = 0;     // of the copy, while it runs and after
  int64_t eta_s = -1;         // of the copy; -1: not copying, or not known yet
  int64_t rows_compared = 0;  // of the verification that runs now; 0: none does
  int64_t quarantined = 0;
  int64_t conflicts = 0;
  int64_t conflicts_waiting = 0;  // keys that a person must decide
  std::string reverse_applied;    // what SQLite has of PostgreSQL's log; empty: no way back
  WayBackKind reverse_kind = WayBackKind::kSlot;
  int64_t reverse_retained = -1;     // bytes that the server keeps for it; -1: not known
  int64_t reverse_set_aside = 0;     // rows that do not fit into SQLite
  bool running = false;              // an engine works right now
  std::string target;                // without password
  std::string trouble;               // why the engine cannot work and tries again; empty: nothing
  std::optional<WatchRecord> watch;  // after the last cutover, if one was asked for
  std::vector<TableProgress> tables;
};

[[nodiscard]] nlohmann::json to_json(const StatusReport& status);
[[nodiscard]] std::string to_text(const StatusReport& status);

// The engine's present status, written by its thread and read by the control socket and the
// terminal.
class StatusBoard {
 public:
  [[nodiscard]] StatusReport get() const;
  template <typename F>
  void update(F change) {
    const std::lock_guard lock(mutex_);
    change(report_);
  }

 private:
  mutable std::mutex mutex_;
  StatusReport report_;  // guarded by mutex_
};

// What the source file and the target say when no engine runs. `target` empty: only the source.
Result<StatusReport> read_status(const std::string& database, const std::string& target);

}  // namespace crossfade::run
