// Promise: a server that cannot tell its changes says so before anything depends on it, and when it
// becomes one later.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "capture/target_slot.h"
#include "capture/target_stream.h"
#include "engine/postgres/embedded.h"
#include "tests/support/cluster.h"
#include "tests/support/connect.h"
#include "tests/support/reaper.h"
#include "tests/support/temp_dir.h"

#include <sys/stat.h>

namespace crossfade {
namespace {

using Lines = std::vector<std::string>;

// A server of its own: what it is asked for is settled when it starts.
class SlotObstaclesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    CROSSFADE_NEEDS_POSTGRES();
    // The server's user must get through to its folder.
    ASSERT_EQ(::chmod(dir_.path().c_str(), 0711), 0);
    options_.folder = dir_.file("pg");
    testing::reap_at_exit(options_.folder);
  }
  void TearDown() override {
    if (cluster_) {
      EXPECT_TRUE(cluster_->destroy());
    }
  }

  void start(const std::vector<std::string>& settings) {
    options_.settings = settings;
    options_.settings.insert(options_.settings.end(), {"fsync=off", "shared_buffers=16MB"});
    restart();
  }
  void restart() {
    auto cluster = postgres::EmbeddedCluster::start(options_);
    ASSERT_TRUE(cluster) << describe(cluster.error());
    cluster_ = std::make_unique<postgres::EmbeddedCluster>(std::move(cluster).value());
  }
  [[nodiscard]] Lines obstacles() const {
    auto connection = testing::connect_or_die(cluster_->url());
    const auto found = capture::find_obstacles(connection, "public", {});
    if (!found) return {describe(found.error())};
    Lines out;
    for (const auto& each : found.value()) out.push_back(each.what);
    return out;
  }

  testing::TempDir dir_;
  postgres::EmbeddedOptions options_;
  std::unique_ptr<postgres::EmbeddedCluster> cluster_;
};

TEST_F(SlotObstaclesTest, AServerWithoutLogicalDecodingAndAStandby) {
  ASSERT_NO_FATAL_FAILURE(
      start({"wal_level=replica", "max_replication_slots=0", "max_wal_senders=1"}));
  const Lines plain{"wal_level is replica: the server's log does not tell rows",
                    "all 0 replication slots are taken (max_replication_slots)"};
  EXPECT_EQ(obstacles(), plain);
  capture::TargetStreamOptions options;
  auto params = postgres::ConnectionParams::parse(cluster_->url());
  ASSERT_TRUE(params);
  options.params = params.value();
  options.slot = "crossfade_0000000000000000";
  options.publication = capture::kPublication;
  options.target_schema = "public";
  const auto stream = capture::TargetStream::open(options);
  ASSERT_FALSE(stream);
  EXPECT_EQ(stream.error().remedy, Remedy::kDecide);
  EXPECT_TRUE(stream.error().native.starts_with("wal_level is replica now"))
      << describe(stream.error());

  ASSERT_TRUE(cluster_->stop());
  std::ofstream(options_.folder + "/data/standby.signal").close();
  ASSERT_NO_FATAL_FAILURE(restart());
  Lines standby = plain;
  standby.insert(standby.begin(), "the server is a standby, where no publication can be made");
  EXPECT_EQ(obstacles(), standby);
}

TEST_F(SlotObstaclesTest, AServerWhoseSlotsAndSendersAreTaken) {
  ASSERT_NO_FATAL_FAILURE(
      start({"wal_level=logical", "max_replication_slots=1", "max_wal_senders=0"}));
  auto connection = testing::connect_or_die(cluster_->url());
  ASSERT_TRUE(connection.exec("SELECT pg_create_logical_replication_slot('another', 'pgoutput')"));
  EXPECT_EQ(obstacles(), (Lines{"all 1 replication slots are taken (max_replication_slots)",
                                "all 0 replication connections are taken (max_wal_senders)"}));
}

}  // namespace
}  // namespace crossfade
