// One move whose engine reaches PostgreSQL through a NetProxy, beside an application that writes to
// the SQLite file all the time. The test's own looks at PostgreSQL do not go through the proxy.
//
// Threads: one per move; moves may run beside each other.
#pragma once

#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/app_db.h"
#include "tests/support/net_proxy.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"
#include "tests/support/wait.h"

namespace crossfade::testing {

// What the row in the middle of pad holds.
inline constexpr const char* kMiddleRow = "the-row-in-the-middle";

class NetMove {
 public:
  // `pad_rows`: of a table that is there to be copied.
  explicit NetMove(int pad_rows = 500);
  ~NetMove();
  NetMove(const NetMove&) = delete;
  NetMove& operator=(const NetMove&) = delete;

  // Of its cutovers and rollbacks.
  [[nodiscard]] static std::chrono::milliseconds max_pause() {
    return std::chrono::milliseconds(2'000) * patience();
  }
  // Of the engine (engine/observe/fault.h).
  void set_fault(std::string fault) { fault_ = std::move(fault); }
  // Whether one of these was come to.
  [[nodiscard]] bool fault_fired() const;
  // A slot for the way back would wait for every transaction of the server that was there before,
  // also for those that others beside this one have lost.
  void use_outbox() { outbox_ = true; }
  void use_dual_writes() { dual_ = true; }

  // Of those that are gone, once none is left: a DROP DATABASE waits for every session of the
  // server, also for one that waits for the rest of a COPY on a dead line.
  static void drop_databases();

  void run();           // starts the engine
  void keep_running();  // starts it again if it has ended, as a supervisor does
  [[nodiscard]] bool await_phase(const std::string& phase) const;
  [[nodiscard]] nlohmann::json status() const;
  // Until `status --json` says in plain words that the target is not there. How long that took.
  [[nodiscard]] std::chrono::milliseconds await_trouble() const;
  // Starts one; `give()` runs it to its end.
  [[nodiscard]] std::unique_ptr<Process> begin(const std::string& verb) const;
  [[nodiscard]] Finished give(const std::string& verb) const;
  // Until it ended with 0, and again whenever it did not, with an engine beside it.
  void give_until_done(const std::string& verb);
  // Stops the writers to SQLite: what was acknowledged is there once, on both sides, which are
  // equal. As the oracle sees it, which does not know of the proxy.
  void expect_whole();
  // The same while PostgreSQL is the primary and SQLite is kept in step.
  void expect_kept_in_step();

  [[nodiscard]] std::string ask(const std::string& sql) const;  // PostgreSQL; "" for none
  // Whether it takes a write just now.
  [[nodiscard]] bool sqlite_takes_writes() const;
  [[nodiscard]] bool postgres_takes_writes() const;

  [[nodiscard]] const std::string& db() const { return db_; }
  [[nodiscard]] const std::string& url() const { return url_; }
  [[nodiscard]] NetProxy& line() { return *line_; }
  [[nodiscard]] AppWriters& writers() { return *writers_; }
  [[nodiscard]] Process& engine() { return *engine_; }

 private:
  TempDir dir_;
  const std::string db_;
  std::string url_;
  bool outbox_ = false;
  bool dual_ = false;
  std::string fault_;
  std::unique_ptr<NetProxy> line_;
  std::unique_ptr<AppWriters> writers_;
  std::unique_ptr<Process> engine_;
};

}  // namespace crossfade::testing
