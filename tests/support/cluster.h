// One private PostgreSQL for all tests of a process: made at first use, destroyed when the process
// ends, also when tests failed.
//
// Where no server is installed, tests skip loudly; with CROSSFADE_REQUIRE_POSTGRES=1 they fail.
#pragma once

#include <optional>
#include <string>

namespace crossfade::testing {

class TestCluster {
 public:
  // Why there is no server, or nothing when there is one. The first call starts it.
  static std::optional<std::string> missing();
  // Whether a missing server is a failure.
  static bool required();

  // The URL of a new, empty database. The test fails when it cannot be made.
  [[nodiscard]] static std::string create_database();
  // Also when somebody is still connected.
  static void drop_database(const std::string& url);
  // The URL of the cluster's first database, for tests that make roles or stop the server.
  [[nodiscard]] static std::string admin_url();
  // Ends the server at once, as a crash of it would, and starts it again. What was committed
  // asynchronously may be gone. Nobody may call anything else of this meanwhile.
  static void crash();
  // Called once by main().
  static void destroy();
};

}  // namespace crossfade::testing

// First line of a test (or SetUp) that needs a server.
#define CROSSFADE_NEEDS_POSTGRES()                                           \
  if (const auto why = ::crossfade::testing::TestCluster::missing()) {       \
    if (::crossfade::testing::TestCluster::required()) GTEST_FAIL() << *why; \
    GTEST_SKIP() << "SKIPPED: no PostgreSQL server: " << *why;               \
  }                                                                          \
  static_assert(true)
