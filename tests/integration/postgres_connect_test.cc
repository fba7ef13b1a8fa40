// Connecting: who is unreachable, who refuses, and what is said about it.
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "engine/postgres/connection.h"
#include "engine/postgres/embedded.h"
#include "tests/support/cluster.h"
#include "tests/support/connect.h"
#include "tests/support/reaper.h"
#include "tests/support/temp_dir.h"

namespace crossfade::postgres {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::connect;

constexpr const char* kSecret = "hunter2-s3cret";

// A listener on the loopback that accepts in the kernel and never answers.
class SilentServer {
 public:
  SilentServer() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    EXPECT_EQ(::bind(fd_, generic, size), 0);
    EXPECT_EQ(::getsockname(fd_, generic, &size), 0);
    port_ = ntohs(address.sin_port);
  }
  ~SilentServer() { ::close(fd_); }
  SilentServer(const SilentServer&) = delete;
  SilentServer& operator=(const SilentServer&) = delete;

  void listen() const { EXPECT_EQ(::listen(fd_, 5), 0); }
  // Takes one connection, reads the first request, and closes it.
  void close_one() const {
    const int peer = ::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC);
    char request[8];
    EXPECT_EQ(::recv(peer, request, sizeof request, MSG_WAITALL),
              static_cast<ssize_t>(sizeof request));
    ::close(peer);
  }
  [[nodiscard]] std::string url() const {
    return fmt::format("postgresql://ann:{}@127.0.0.1:{}/app", kSecret, port_);
  }

 private:
  int fd_;
  int port_ = 0;
};

void expect_no_secret(const Error& error) {
  EXPECT_EQ(describe(error).find(kSecret), std::string::npos) << describe(error);
}

TEST(PostgresConnectTest, AClosedPortIsUnreachableAtOnce) {
  const SilentServer closed;  // bound, so nobody else takes the port, but not listening
  const auto begin = std::chrono::steady_clock::now();
  auto connection = connect(closed.url());
  EXPECT_LT(std::chrono::steady_clock::now() - begin, seconds(5));
  ASSERT_FALSE(connection);
  EXPECT_EQ(connection.error().code, ErrorCode::kTargetUnreachable);
  EXPECT_EQ(connection.error().remedy, Remedy::kReconnect);
  expect_no_secret(connection.error());
}

TEST(PostgresConnectTest, ASilentServerIsGivenUpWithinFiveSeconds) {
  const SilentServer silent;
  silent.listen();
  const auto begin = std::chrono::steady_clock::now();
  auto connection = connect(silent.url());  // with the default timeout
  EXPECT_LT(std::chrono::steady_clock::now() - begin, milliseconds(5'500));
  ASSERT_FALSE(connection);
  EXPECT_EQ(connection.error().code, ErrorCode::kTargetUnreachable);
  expect_no_secret(connection.error());
}

// What stands before a server that is gone closes at the first question, which is about TLS: that
// is silence, by which a target that is lost is known, and nothing about certificates.
TEST(PostgresConnectTest, AConnectionThatIsClosedUnansweredIsUnreachable) {
  for (const char* mode : {"prefer", "verify-full"}) {
    const SilentServer closes;
    closes.listen();
    std::thread closer([&] { closes.close_one(); });
    auto connection = connect(closes.url() + "?sslrootcert=/dev/null&sslmode=" + mode);
    closer.join();
    ASSERT_FALSE(connection);
    EXPECT_EQ(connection.error().code, ErrorCode::kTargetUnreachable) << mode;
    EXPECT_EQ(connection.error().hint.find("TLS"), std::string::npos) << mode;
  }
}

TEST(PostgresConnectTest, AMissingSocketIsUnreachable) {
  const testing::TempDir dir;
  auto connection =
      connect("postgresql://ann:" + std::string(kSecret) + "@/app?host=" + dir.path());
  ASSERT_FALSE(connection);
  EXPECT_EQ(connection.error().code, ErrorCode::kTargetUnreachable);
  expect_no_secret(connection.error());
}

TEST(PostgresConnectTest, AStopRequestEndsConnecting) {
  const SilentServer silent;
  silent.listen();
  StopSource stop;
  stop.request();
  ConnectOptions options;
  options.stop = &stop;
  auto connection = connect(silent.url(), std::move(options));
  ASSERT_FALSE(connection);
  EXPECT_EQ(connection.error().code, ErrorCode::kInterrupted);
}

TEST(PostgresConnectTest, AMissingDatabaseIsTheTargetsWord) {
  CROSSFADE_NEEDS_POSTGRES();
  std::string url = testing::TestCluster::admin_url();
  url.replace(url.find("/crossfade?"), 11, "/nothing_here?");
  auto connection = connect(url);
  ASSERT_FALSE(connection);
  EXPECT_EQ(connection.error().code, ErrorCode::kTarget);
  EXPECT_EQ(connection.error().sqlstate, "3D000");
  EXPECT_EQ(connection.error().native.find("LOCATION"), std::string::npos);
}

// A server that asks for passwords.
TEST(PostgresConnectTest, WrongPasswordsAreRefusedWithoutBeingRepeated) {
  CROSSFADE_NEEDS_POSTGRES();
  const testing::TempDir dir;
  std::filesystem::permissions(dir.path(), static_cast<std::filesystem::perms>(0711));
  testing::reap_at_exit(dir.file("pg"));
  auto cluster = EmbeddedCluster::start({dir.file("pg"), "crossfade", {"fsync=off"}});
  ASSERT_TRUE(cluster) << describe(cluster.error());
  {
    auto admin = testing::connect_or_die(cluster.value().url());
    ASSERT_TRUE(
        admin.exec(fmt::format("SET password_encryption='scram-sha-256'; "
                               "CREATE ROLE ann LOGIN PASSWORD '{}'",
                               kSecret)));
    std::ofstream(dir.file("pg/data/pg_hba.conf")) << "local all all scram-sha-256\n";
    ASSERT_TRUE(admin.exec("SELECT pg_reload_conf()"));
  }
  std::string url = cluster.value().url();
  const auto with = [&](const std::string& who) {
    std::string text = url;
    return text.replace(text.find("crossfade@"), 9, who);
  };
  // The new rules are read by each backend when it starts, a moment after the reload.
  EXPECT_TRUE(connect(with("ann:" + std::string(kSecret))));
  const auto refused = [&](const std::string& who, const std::string& state) {
    auto connection = connect(with(who));
    ASSERT_FALSE(connection) << who;
    EXPECT_EQ(connection.error().code, ErrorCode::kTarget) << describe(connection.error());
    EXPECT_EQ(connection.error().remedy, Remedy::kStop);
    EXPECT_EQ(connection.error().sqlstate, state) << describe(connection.error());
    EXPECT_EQ(exit_code(connection.error().code), 6);
    expect_no_secret(connection.error());
  };
  refused("ann:x" + std::string(kSecret), "28P01");
  refused("nobody_here:" + std::string(kSecret), "28P01");
  refused("ann", "");  // no password at all: libpq gives up by itself
  ASSERT_TRUE(cluster.value().destroy());
}

}  // namespace
}  // namespace crossfade::postgres
