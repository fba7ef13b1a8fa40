#include "engine/postgres/embedded.h"

#include <fmt/core.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <thread>

#include "tests/support/cluster.h"
#include "tests/support/connect.h"
#include "tests/support/reaper.h"
#include "tests/support/temp_dir.h"
#include "tests/support/wait.h"

namespace crossfade::postgres {
namespace {

namespace fs = std::filesystem;

class EmbeddedClusterTest : public ::testing::Test {
 protected:
  void SetUp() override {
    CROSSFADE_NEEDS_POSTGRES();
    fs::permissions(dir_.path(), static_cast<fs::perms>(0711));
    options_.folder = dir_.file("state/pg");
    options_.settings = {"fsync=off"};
  }
  void TearDown() override {
    if (!cluster_) return;
    auto destroyed = cluster_->destroy();
    EXPECT_TRUE(destroyed) << describe(destroyed.error());
    EXPECT_FALSE(fs::exists(options_.folder));
  }

  void start() {
    testing::reap_at_exit(options_.folder);
    auto started = EmbeddedCluster::start(options_);
    ASSERT_TRUE(started) << describe(started.error());
    cluster_.emplace(std::move(started).value());
    EXPECT_EQ(EmbeddedCluster::url_of(options_), cluster_->url());
  }
  [[nodiscard]] int64_t ask(const std::string& sql) {
    auto connection = testing::connect_or_die(cluster_->url());
    return connection.exec(sql).value().integer(0, 0);
  }
  [[nodiscard]] pid_t postmaster(const std::string& folder) const {
    pid_t pid = 0;
    std::ifstream(folder + "/data/postmaster.pid") >> pid;
    return pid;
  }

  testing::TempDir dir_;
  EmbeddedOptions options_;
  std::optional<EmbeddedCluster> cluster_;
};

TEST_F(EmbeddedClusterTest, StartsStopsAndStartsAgainWithItsData) {
  EXPECT_EQ(EmbeddedCluster::url_of(options_), "");
  start();
  EXPECT_TRUE(cluster_->started_here());
  ASSERT_TRUE(
      testing::connect_or_die(cluster_->url()).exec("CREATE TABLE public.t AS SELECT 7 AS a"));
  start();
  EXPECT_FALSE(cluster_->started_here());
  ASSERT_TRUE(cluster_->stop());
  ASSERT_TRUE(cluster_->stop());
  EXPECT_FALSE(testing::connect(cluster_->url()));
  start();
  EXPECT_TRUE(cluster_->started_here());
  EXPECT_EQ(ask("SELECT a FROM public.t"), 7);
}

// `status` starts it for itself while an engine is starting: whoever ends last stops it.
TEST_F(EmbeddedClusterTest, IsNotStoppedUnderAnother) {
  start();
  auto other = EmbeddedCluster::start(options_);
  ASSERT_TRUE(other) << describe(other.error());
  ASSERT_TRUE(cluster_->stop());
  EXPECT_TRUE(testing::connect(cluster_->url()));
  ASSERT_TRUE(other.value().stop());
  EXPECT_FALSE(testing::connect(cluster_->url()));
}

TEST_F(EmbeddedClusterTest, IsPrivateAndReadyForDecoding) {
  start();
  auto connection = testing::connect_or_die(cluster_->url());
  EXPECT_EQ(connection.exec("SHOW listen_addresses").value().text(0, 0), "");
  EXPECT_EQ(connection.exec("SHOW wal_level").value().text(0, 0), "logical");
  EXPECT_EQ(connection.exec("SHOW unix_socket_permissions").value().text(0, 0), "0700");
  EXPECT_EQ(connection
                .exec("SELECT pg_encoding_to_char(encoding) FROM pg_database"
                      " WHERE datname = 'crossfade'")
                .value()
                .text(0, 0),
            "UTF8");
  struct stat st {};
  ASSERT_EQ(::stat(options_.folder.c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777, 0700U);
  const pid_t pid = postmaster(options_.folder);
  ASSERT_EQ(::stat(fmt::format("/proc/{}", pid).c_str(), &st), 0);
  EXPECT_NE(st.st_uid, 0U);
  EXPECT_NE(::getsid(pid), ::getsid(0));
}

// Promise: the caller's pipes are not kept open by the server.
TEST_F(EmbeddedClusterTest, TheServerInheritsNoFileDescriptors) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);  // not close-on-exec, like a shell's
  start();
  ::close(ends[1]);
  char byte = 0;
  EXPECT_EQ(::read(ends[0], &byte, 1), 0) << "somebody else holds the pipe's other end";
  ::close(ends[0]);
}

TEST_F(EmbeddedClusterTest, ComesBackAfterAKillWithAStalePidFile) {
  start();
  const pid_t pid = postmaster(options_.folder);
  ASSERT_EQ(::kill(pid, SIGKILL), 0);
  ASSERT_TRUE(testing::wait_until([&] { return !testing::connect(cluster_->url()); },
                                  std::chrono::seconds(10)));
  start();
  EXPECT_TRUE(cluster_->started_here());
  EXPECT_EQ(ask("SELECT 1"), 1);
  // The pid of a program that is not a postmaster, as after a reboot.
  ASSERT_TRUE(cluster_->stop());
  std::ofstream(options_.folder + "/data/postmaster.pid") << ::getppid() << "\n";
  start();
  EXPECT_TRUE(cluster_->started_here());
}

TEST_F(EmbeddedClusterTest, TwoStartsAtTheSameTimeMakeOneCluster) {
  std::vector<std::thread> threads;
  std::vector<std::optional<Result<EmbeddedCluster>>> results(4);
  for (auto& result : results) {
    threads.emplace_back([&] { result.emplace(EmbeddedCluster::start(options_)); });
  }
  for (std::thread& thread : threads) thread.join();
  int started = 0;
  for (const auto& result : results) {
    ASSERT_TRUE(*result) << describe(result->error());
    started += result->value().started_here() ? 1 : 0;
  }
  EXPECT_EQ(started, 1);
  start();
}

TEST_F(EmbeddedClusterTest, ALongOrOddFolderNameWorks) {
  options_.folder = dir_.file("a b'c\"d$(e)`f`\\g%h " + std::string(100, 'x') + "/pg");
  start();
  EXPECT_EQ(ask("SELECT 1"), 1);
  EXPECT_LE(cluster_->url().find("host=%2Ftmp%2Fcrossfade-"), cluster_->url().size());
}

// As root, the server's user cannot get into a folder such as /root.
TEST_F(EmbeddedClusterTest, AFolderTheServerCannotEnterIsRelocated) {
  if (::geteuid() != 0) GTEST_SKIP() << "SKIPPED: only root's server runs as another user";
  fs::permissions(dir_.path(), static_cast<fs::perms>(0700));
  start();
  EXPECT_EQ(ask("SELECT 1"), 1);
  std::string location;
  std::ifstream(options_.folder + "/location") >> location;
  EXPECT_EQ(location.rfind("/var/lib/crossfade/", 0), 0U) << location;
  EXPECT_TRUE(fs::exists(location + "/data/PG_VERSION"));
  ASSERT_TRUE(cluster_->stop());
  start();
  EXPECT_TRUE(cluster_->started_here());
  fs::remove_all(options_.folder);  // with the file that says where the cluster is
  start();
  EXPECT_FALSE(cluster_->started_here());
  ASSERT_TRUE(cluster_->destroy());
  EXPECT_FALSE(fs::exists(location));
}

TEST_F(EmbeddedClusterTest, AServerThatCannotStartSaysWhatItsLogSays) {
  options_.settings.emplace_back("shared_buffers=nonsense");
  auto started = EmbeddedCluster::start(options_);
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code, ErrorCode::kTarget);
  EXPECT_NE(started.error().native.find("shared_buffers"), std::string::npos)
      << describe(started.error());
}

TEST_F(EmbeddedClusterTest, AHalfMadeClusterIsMadeAnew) {
  fs::create_directories(options_.folder + "/data.new/base");
  fs::permissions(options_.folder, static_cast<fs::perms>(0700));
  start();
  EXPECT_EQ(ask("SELECT 1"), 1);
}

}  // namespace
}  // namespace crossfade::postgres
