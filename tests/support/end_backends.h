// Ends connections of a server, as its administrator does.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/support/connect.h"
#include "tests/support/wait.h"

namespace crossfade::testing {

// Those that the query `pids` tells; they are gone when it returns, for which
// pg_terminate_backend() itself waits from PostgreSQL 14 on only.
inline void end_backends(const std::string& url, const std::string& pids) {
  auto server = connect_or_die(url);
  const auto ended = server.exec(
      fmt::format("SELECT pid, pg_terminate_backend(pid) FROM ({}) AS those(pid) WHERE pid IS NOT "
                  "NULL",
                  pids));
  ASSERT_TRUE(ended) << pids << ": " << describe(ended.error());
  for (int row = 0; row < ended.value().rows(); ++row) {
    const std::string there =
        fmt::format("SELECT 1 FROM pg_stat_activity WHERE pid = {}", ended.value().text(row, 0));
    EXPECT_TRUE(wait_until(
        [&] {
          const auto left = server.exec(there);
          return left && left.value().rows() == 0;
        },
        std::chrono::seconds(5)))
        << pids;
  }
}

// Whoever reads the slot.
inline void end_reader_of(const std::string& url, const std::string& slot) {
  end_backends(
      url, fmt::format("SELECT active_pid FROM pg_replication_slots WHERE slot_name = '{}'", slot));
}

}  // namespace crossfade::testing
