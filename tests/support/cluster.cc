#include "tests/support/cluster.h"

#include <fmt/core.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>

#include "engine/postgres/connection.h"
#include "engine/postgres/embedded.h"
#include "engine/postgres/quote.h"
#include "tests/support/reaper.h"
#include "tests/support/temp_dir.h"
#include "tests/support/wait.h"

namespace crossfade::testing {
namespace {

struct State {
  TempDir dir;
  postgres::EmbeddedOptions options;
  std::optional<postgres::EmbeddedCluster> cluster;
  std::string missing;
  int databases = 0;
};

// Made at first use, on the main thread of the tests.
std::unique_ptr<State>& state() {
  static std::unique_ptr<State> instance;
  return instance;
}

State& started() {
  if (state()) return *state();
  state() = std::make_unique<State>();
  postgres::EmbeddedOptions options;
  options.folder = state()->dir.file("pg");
  // It need not survive a crash of the machine.
  options.settings = {
      "fsync=off",           "synchronous_commit=off",   "full_page_writes=off",
      "max_connections=200", "shared_buffers=64MB",      "max_wal_senders=20",
      "wal_level=logical",   "max_replication_slots=20", "max_prepared_transactions=10"};
  // The server's user must get through the folder above; the cluster's own folder is private.
  const std::string open_up = state()->dir.path();
  if (::chmod(open_up.c_str(), 0711) != 0) ADD_FAILURE() << "chmod " << open_up;
  reap_at_exit(options.folder);
  state()->options = options;
  auto cluster = postgres::EmbeddedCluster::start(options);
  if (cluster) {
    state()->cluster.emplace(std::move(cluster).value());
  } else {
    state()->missing = describe(cluster.error());
  }
  return *state();
}

void exec_admin(const std::string& sql) {
  postgres::ConnectOptions options;
  auto params = postgres::ConnectionParams::parse(TestCluster::admin_url());
  ASSERT_TRUE(params) << describe(params.error());
  options.params = std::move(params).value();
  auto connection = postgres::Connection::open(std::move(options));
  ASSERT_TRUE(connection) << describe(connection.error());
  auto done = connection.value().exec(sql);
  ASSERT_TRUE(done) << describe(done.error());
}

}  // namespace

std::optional<std::string> TestCluster::missing() {
  const State& s = started();
  if (s.cluster) return std::nullopt;
  return s.missing;
}

bool TestCluster::required() {
  const char* value = std::getenv("CROSSFADE_REQUIRE_POSTGRES");
  return value != nullptr && std::strcmp(value, "1") == 0;
}

std::string TestCluster::admin_url() {
  return started().cluster ? started().cluster->url() : "";
}

std::string TestCluster::create_database() {
  const std::string name = fmt::format("test_{}", ++started().databases);
  exec_admin("CREATE DATABASE " + postgres::quote(name));
  std::string url = admin_url();
  const size_t at = url.find("/crossfade?");
  EXPECT_NE(at, std::string::npos) << url;
  return url.replace(at, std::strlen("/crossfade?"), "/" + name + "?");
}

void TestCluster::drop_database(const std::string& url) {
  const size_t from = url.find("@/") + 2;
  const std::string name = url.substr(from, url.find('?') - from);
  exec_admin("DROP DATABASE IF EXISTS " + postgres::quote(name) + " WITH (FORCE)");
}

void TestCluster::crash() {
  State& s = started();
  ASSERT_TRUE(s.cluster);
  pid_t postmaster = 0;
  std::ifstream(s.options.folder + "/data/postmaster.pid") >> postmaster;
  ASSERT_GT(postmaster, 0);
  ASSERT_EQ(::kill(postmaster, SIGQUIT), 0);
  // Its own child, or one of whoever started it: a zombie answers, too.
  ASSERT_TRUE(wait_until(
      [&] {
        (void)::waitpid(postmaster, nullptr, WNOHANG);
        return ::kill(postmaster, 0) != 0;
      },
      std::chrono::seconds(20)));
  auto again = postgres::EmbeddedCluster::start(s.options);
  ASSERT_TRUE(again) << describe(again.error());
  s.cluster.emplace(std::move(again).value());
}

void TestCluster::destroy() {
  if (!state()) return;
  if (state()->cluster) {
    if (auto done = state()->cluster->destroy(); !done) {
      std::fprintf(stderr, "%s\n", describe(done.error()).c_str());
    }
  }
  state().reset();
}

}  // namespace crossfade::testing
