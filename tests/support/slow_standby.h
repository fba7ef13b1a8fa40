// A synchronous standby of the whole test server's that takes its log and never says that it
// applied it: a COMMIT under synchronous_commit = remote_apply is logged, and shown to nobody,
// until it is let go.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>

#include "engine/postgres/connection.h"
#include "tests/support/cluster.h"
#include "tests/support/connect.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"
#include "tests/support/wait.h"

namespace crossfade::testing {

class SlowStandby {
 public:
  explicit SlowStandby(const TempDir& dir) : server_(connect_or_die(TestCluster::admin_url())) {
    const std::string folder = dir.file("standby");
    std::filesystem::create_directory(folder);
    receiver_ = std::make_unique<Process>(Process::Options{
        {ask("SELECT setting FROM pg_config WHERE name='BINDIR'") + "/pg_receivewal", "-D", folder,
         "-d", TestCluster::admin_url(), "--synchronous", "--no-loop"},
        {},
        {},
        ""});
    exec("ALTER SYSTEM SET synchronous_standby_names = 'pg_receivewal'");
    exec("SELECT pg_reload_conf()");
    const bool is_standby = wait_until(
        [&] {
          return ask("SELECT count(*) FROM pg_stat_replication WHERE sync_state='sync'") == "1";
        },
        std::chrono::seconds(30), std::chrono::milliseconds(20));
    EXPECT_TRUE(is_standby) << receiver_->err();
  }
  ~SlowStandby() {
    exec("ALTER SYSTEM RESET synchronous_standby_names");
    exec("SELECT pg_reload_conf()");
  }
  // Whether the COMMIT of an UPDATE waits for it.
  [[nodiscard]] bool is_waited_for() { return ask("SELECT count(*) " + kWaiting) != "0"; }
  // It is a COMMIT like any other then.
  void let_go() { exec("SELECT pg_cancel_backend(pid) " + kWaiting); }

 private:
  const std::string kWaiting =
      "FROM pg_stat_activity WHERE wait_event='SyncRep' AND query LIKE 'UPDATE%'";
  std::string ask(const std::string& sql) {
    const auto result = server_.exec(sql);
    EXPECT_TRUE(result) << describe(result.error());
    return result ? std::string(result.value().text(0, 0)) : "";
  }
  void exec(const std::string& sql) { EXPECT_TRUE(server_.exec(sql)) << sql; }

  postgres::Connection server_;
  std::unique_ptr<Process> receiver_;
};

}  // namespace crossfade::testing
