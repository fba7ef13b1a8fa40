// Promise: a statement may take as long as it takes, but is not waited for once the server is done
// with it, or knows of none; whoever is in between keeps both halves of the connection alive.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <chrono>
#include <set>

#include "engine/postgres/connection.h"
#include "engine/postgres/session_look.h"
#include "tests/support/cluster.h"
#include "tests/support/connect.h"
#include "tests/support/net_proxy.h"
#include "tests/support/wait.h"

namespace crossfade::postgres {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::connect_or_die;
using testing::NetProxy;
using testing::TestCluster;
using testing::Trap;
using testing::wait_until;

constexpr const char* kLong = "SELECT pg_advisory_lock(7), pg_sleep(1.5), 'long'";

ConnectOptions looking() {
  ConnectOptions options;
  options.statement_timeout = std::chrono::hours(1);
  options.look_after = milliseconds(200);
  return options;
}

class LongStatementTest : public ::testing::Test {
 protected:
  void SetUp() override {
    CROSSFADE_NEEDS_POSTGRES();
    url_ = TestCluster::create_database();
    line_ = std::make_unique<NetProxy>(url_);
    direct_.emplace(connect_or_die(url_));
  }
  void TearDown() override {
    if (url_.empty()) return;
    direct_.reset();
    line_.reset();
    TestCluster::drop_database(url_);
  }

  [[nodiscard]] bool lock_is_free() {
    return direct_->exec("SELECT pg_try_advisory_lock(7)").value().boolean(0, 0);
  }
  // It would be waited for for an hour.
  void expect_given_up(Trap::What what) {
    auto connection = connect_or_die(line_->url(), looking());
    line_->set_trap({what, "", "'long'"});
    const auto done = connection.exec(kLong);
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, ErrorCode::kTargetUnreachable) << describe(done.error());
    EXPECT_EQ(done.error().remedy, Remedy::kReconnect);
    EXPECT_NE(done.error().native.find("its answer did not come"), std::string::npos);
    EXPECT_FALSE(connection.alive());
    EXPECT_TRUE(wait_until([&] { return lock_is_free(); }, seconds(20)));
  }

  std::string url_;
  std::unique_ptr<NetProxy> line_;
  std::optional<Connection> direct_;
};

TEST_F(LongStatementTest, IsWaitedForWhileTheServerIsAtWork) {
  auto connection = connect_or_die(line_->url(), looking());
  const uint64_t before = line_->counts().connections;
  const auto done = connection.exec(kLong);
  ASSERT_TRUE(done) << describe(done.error());
  EXPECT_EQ(done.value().text(0, 2), "long");
  EXPECT_GT(line_->counts().connections, before + 1) << "nobody looked";
}

TEST_F(LongStatementTest, IsGivenUpWhenItsAnswerIsLost) {
  expect_given_up(Trap::What::kSwallowAnswer);
}

TEST_F(LongStatementTest, IsGivenUpWhenTheServerNeverHeardOfIt) {
  expect_given_up(Trap::What::kSilenceOne);
}

TEST_F(LongStatementTest, OfASessionThatIsGoneIsGivenUp) {
  auto connection = connect_or_die(line_->url(), looking());
  const auto id = session_id(connection);
  ASSERT_TRUE(id);
  line_->set_trap({Trap::What::kSwallowAnswer, "", "'long'"});
  std::thread ending([&] {
    const bool ended = wait_until(
        [&] {
          return direct_
                     ->exec(
                         "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE "
                         "query LIKE '%''long''%' AND state='active' AND pid=" +
                         id.value().pid)
                     .value()
                     .integer(0, 0) == 1;
        },
        seconds(20));
    EXPECT_TRUE(ended);
  });
  const auto done = connection.exec("SELECT pg_sleep(3600), 'long'");
  ending.join();
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, ErrorCode::kTargetUnreachable) << describe(done.error());
}

// The deadline is what is left.
TEST_F(LongStatementTest, IsNotGivenUpOnTheWordOfNobody) {
  ConnectOptions options = looking();
  options.statement_timeout = seconds(4);
  options.connect_timeout = milliseconds(300);
  auto connection = connect_or_die(line_->url(), options);
  line_->silence();
  const auto done = connection.exec(kLong);
  ASSERT_FALSE(done);
  EXPECT_NE(done.error().native.find("no answer within 4000 ms"), std::string::npos)
      << describe(done.error());
}

TEST_F(LongStatementTest, AnotherServerSaysNothingOfIt) {
  auto connection = connect_or_die(url_);
  const auto id = session_id(connection);
  ASSERT_TRUE(id);
  const auto seen = [&](auto change) {
    SessionId changed = id.value();
    change(changed);
    return look_at_session(*direct_, changed).value();
  };
  EXPECT_EQ(seen([](SessionId&) {}), SessionSeen::kOwesNothing) << "it is idle";
  EXPECT_EQ(seen([](SessionId& s) { s.system = "1"; }), SessionSeen::kUnknown);
  EXPECT_EQ(look_at_session(connection, id.value()).value(), SessionSeen::kAtWork);
  SessionId before = id.value();
  before.server_started = "2001-01-01 00:00:00+00";
  EXPECT_EQ(look_at_session(connection, before).value(), SessionSeen::kOwesNothing)
      << "the server was restarted since";
  before = id.value();
  before.opened = before.server_started;
  EXPECT_EQ(look_at_session(connection, before).value(), SessionSeen::kOwesNothing)
      << "its process id came again";
}

TEST_F(LongStatementTest, OneThatIsAtWorkIsNotEnded) {
  auto connection = connect_or_die(url_);
  const auto id = session_id(connection);
  ASSERT_TRUE(id);
  ASSERT_TRUE(end_idle_session(connection, id.value()));
  EXPECT_TRUE(connection.exec("SELECT 1"));
  ASSERT_TRUE(end_idle_session(*direct_, id.value()));
  EXPECT_FALSE(connection.exec("SELECT 1"));
}

// A server may be so hardened that nobody can be told from one another: then nobody looks.
TEST_F(LongStatementTest, ARoleThatMayNotAskConnectsAllTheSame) {
  const std::string role = "nosy_" + std::to_string(getpid());
  ASSERT_TRUE(direct_->exec("REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC"));
  ASSERT_TRUE(direct_->exec("CREATE ROLE " + role));
  ConnectOptions options = looking();
  auto connection = connect_or_die(line_->url() + "&options=-c%20role%3D" + role, options);
  EXPECT_FALSE(session_id(connection)) << "the role may ask";
  const uint64_t before = line_->counts().connections;
  EXPECT_TRUE(connection.exec("SELECT pg_sleep(0.5)"));
  EXPECT_EQ(line_->counts().connections, before);
  EXPECT_TRUE(direct_->exec("DROP ROLE " + role));
}

// A server whose machine is gone is missed by the kernel, also where no statement waits.
TEST_F(LongStatementTest, TheKernelAsksAfterHalfAMinute) {
  const auto kept_alive = [] {
    std::multiset<int> idle;
    for (int fd = 3; fd < 1024; ++fd) {
      int value = 0;
      socklen_t size = sizeof value;
      if (::getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &value, &size) != 0 || value == 0) continue;
      if (::getsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &value, &size) == 0) idle.insert(value);
    }
    return idle;
  };
  const auto before = kept_alive().count(30);
  const auto connection = connect_or_die(line_->url());
  EXPECT_EQ(kept_alive().count(30), before + 1);
  const auto chosen = connect_or_die(line_->url() + "&keepalives_idle=77");
  EXPECT_EQ(kept_alive().count(77), 1U) << "what the URL says holds";
}

}  // namespace
}  // namespace crossfade::postgres
