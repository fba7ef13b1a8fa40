// Promise: with sslmode=verify-full rows go to the server whose certificate fits, and to no other:
// each other one is refused before a password is sent, with what to do about it.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <optional>

#include "engine/postgres/embedded.h"
#include "engine/postgres/server_process.h"
#include "tests/support/connect.h"
#include "tests/support/move_test.h"
#include "tests/support/oracle.h"
#include "tests/support/reaper.h"
#include "tests/support/wait.h"

namespace crossfade::testing {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kTlsSecret = "s3cr3t-Tls-Pw";
constexpr const char* kTlsHost = "db.crossfade.test";

void run_openssl(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "openssl");
  const Finished done = run_process({std::move(arguments), {}, {}, {}});
  ASSERT_EQ(done.code, 0) << done.err;
}

class TlsTest : public MoveTest {
 protected:
  void SetUp() override {
    MoveTest::SetUp();
    if (::testing::Test::IsSkipped()) return;
    fs::permissions(dir_.path(), fs::perms(0711));
    // An address of its own, for the port is always the same.
    const int pid = ::getpid();
    address_ = fmt::format("127.{}.{}.{}", 77, pid / 250 % 250 + 1, pid % 250 + 1);
    options_.folder = dir_.file("pg");
    options_.settings = {"fsync=off", "log_connections=on", "max_wal_senders=10",
                         fmt::format("listen_addresses='{}'", address_)};
    reap_at_exit(options_.folder);
    auto started = postgres::EmbeddedCluster::start(options_);
    ASSERT_TRUE(started) << describe(started.error());
    cluster_.emplace(std::move(started).value());
    for (const char* each : {"ca", "other_ca"}) make_ca(each);
    // What pg_hba.conf asks for; PostgreSQL 13 keeps md5 where nothing is said.
    admin(fmt::format(
        "SET password_encryption='scram-sha-256'; CREATE ROLE app LOGIN SUPERUSER PASSWORD '{}'",
        kTlsSecret));
    const std::string hba = data("pg_hba.conf");
    const std::string rest = read_bytes(hba);
    std::ofstream(hba, std::ios::trunc) << "host all app 127.0.0.0/8 scram-sha-256\n"
                                           "host replication app 127.0.0.0/8 scram-sha-256\n"
                                        << rest;
    make_shop();
  }
  void TearDown() override {
    engine_.reset();
    if (!real_url_.empty()) url_ = real_url_;
    if (cluster_ && !cluster_->destroy()) ADD_FAILURE() << options_.folder << " stays";
    MoveTest::TearDown();
  }

  [[nodiscard]] std::string data(const std::string& file) const {
    return options_.folder + "/data/" + file;
  }
  void admin(const std::string& sql) const {
    auto server = connect_or_die(cluster_->url());
    const auto done = server.exec(sql);
    ASSERT_TRUE(done) << sql << describe(done.error());
  }
  void make_ca(const std::string& name) const {
    run_openssl({"req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                 "-nodes", "-keyout", dir_.file(name + ".key"), "-out", dir_.file(name + ".crt"),
                 "-days", "2", "-subj", "/CN=" + name});
  }
  // The server has a certificate for `host`, signed by `ca`, from now on; empty: no TLS.
  void serve_with(const std::string& host, const std::string& ca, int days = 2) const {
    if (!host.empty()) {
      run_openssl({"req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                   "-keyout", data("server.key"), "-out", dir_.file("server.csr"), "-subj",
                   "/CN=" + host});
      write_bytes(dir_.file("names"), "subjectAltName=DNS:" + host + "\n");
      run_openssl({"x509", "-req", "-in", dir_.file("server.csr"), "-CA", dir_.file(ca + ".crt"),
                   "-CAkey", dir_.file(ca + ".key"), "-CAcreateserial", "-days",
                   std::to_string(days), "-extfile", dir_.file("names"), "-out",
                   data("server.crt")});
      const auto user = postgres::server_user();
      for (const char* file : {"server.key", "server.crt"}) {
        ASSERT_EQ(::chmod(data(file).c_str(), 0600), 0);
        if (user && user.value()) {
          ASSERT_EQ(::chown(data(file).c_str(), user.value()->uid, user.value()->gid), 0);
        }
      }
    }
    admin(fmt::format("ALTER SYSTEM SET ssl={}", host.empty() ? "off" : "on"));
    const std::string before = read_bytes(log_file());
    admin("SELECT pg_reload_conf()");
    EXPECT_TRUE(wait_until(
        [&] {
          return read_bytes(log_file()).find("reloading configuration files", before.size()) !=
                 std::string::npos;
        },
        seconds(10)));
    // The postmaster has read them; those that it forks from now on have them.
    EXPECT_TRUE(wait_until([&] { return connect(cluster_->url()).has_value(); }, seconds(10)));
  }
  [[nodiscard]] std::string log_file() const { return options_.folder + "/server.log"; }
  [[nodiscard]] std::string target(const std::string& mode = "verify-full",
                                   const std::string& ca = "ca") const {
    return fmt::format("postgresql://app:{}@{}/crossfade?hostaddr={}&sslmode={}&sslrootcert={}",
                       kTlsSecret, kTlsHost, address_, mode, dir_.file(ca + ".crt"));
  }
  void expect_refused(const std::string& cause) {
    const size_t logged = read_bytes(log_file()).size();
    const Finished done =
        crossfade({"run", db_, "--target", target(), "--until", "verified"}, seconds(30));
    EXPECT_EQ(done.code, 6) << done.out << done.err;
    EXPECT_THAT(done.err, AllOf(HasSubstr(cause), HasSubstr("what to do: TLS was asked for"),
                                Not(HasSubstr(kTlsSecret))));
    EXPECT_EQ(traces_in_source(), "");
    // Nobody came so far as to say who they are.
    const std::string said = read_bytes(log_file()).substr(logged);
    EXPECT_THAT(said, AllOf(Not(HasSubstr("user=app")), Not(HasSubstr("password"))));
  }
  // Every file of the state folder but the one that remembers the target.
  [[nodiscard]] std::string state_files() const {
    std::string out;
    for (const auto& entry : fs::recursive_directory_iterator(db_ + ".crossfade")) {
      if (!entry.is_regular_file() || entry.path().filename() == "target") continue;
      out += entry.path().string() + "\n" + read_bytes(entry.path().string());
    }
    return out;
  }

  // Whoever of ours has come over the network has come by TLS.
  void expect_tls() const {
    auto server = connect_or_die(cluster_->url());
    const auto rows = server.exec(
        "SELECT count(*) FILTER (WHERE s.ssl), count(*) FROM pg_stat_activity a JOIN pg_stat_ssl s "
        "USING(pid) WHERE a.usename='app'");
    ASSERT_TRUE(rows) << describe(rows.error());
    EXPECT_GT(rows.value().integer(0, 0), 0);
    EXPECT_EQ(rows.value().integer(0, 0), rows.value().integer(0, 1));
  }

  std::string address_;
  std::string real_url_;  // of the database that the fixture made
  postgres::EmbeddedOptions options_;
  std::optional<postgres::EmbeddedCluster> cluster_;
};

// One server after another, for a cluster of its own is what takes time. The last one is moved to
// and back.
TEST_F(TlsTest, EachServerThatDoesNotFitIsRefusedAndTheOneThatDoesIsMovedTo) {
  {
    SCOPED_TRACE("without TLS");
    expect_refused("does not support SSL");
  }
  {
    SCOPED_TRACE("of another host");
    serve_with("other.crossfade.test", "ca");
    expect_refused("other.crossfade.test");
  }
  {
    SCOPED_TRACE("expired");
    serve_with(kTlsHost, "ca", -1);
    expect_refused("certificate");
  }
  {
    SCOPED_TRACE("of an unknown authority");
    serve_with(kTlsHost, "other_ca");
    expect_refused("certificate");
  }
  {
    SCOPED_TRACE("no file of authorities");
    fs::rename(dir_.file("ca.crt"), dir_.file("away.crt"));
    expect_refused("ca.crt");
    fs::rename(dir_.file("away.crt"), dir_.file("ca.crt"));
  }
  serve_with(kTlsHost, "ca");
  real_url_ = url_;
  url_ = target();
  follow({"--log-level", "debug"});
  expect_tls();
  const Finished there = crossfade({"cutover", db_});
  ASSERT_EQ(there.code, 0) << there.err;
  ASSERT_TRUE(await_phase("reversed")) << engine_->err();
  expect_tls();
  const Finished backup = crossfade({"backup", "create", db_, "--side", "postgres"});
  EXPECT_EQ(backup.code, 0) << backup.err;
  const Finished back = crossfade({"rollback", db_});
  EXPECT_EQ(back.code, 0) << back.err;
  std::string shown = there.out + there.err + back.out + back.err + backup.out + backup.err;
  for (const char* verb : {"status", "route", "verify"}) {
    const Finished done = crossfade({verb, db_, "--json"});
    EXPECT_EQ(done.code, 0) << done.err;
    shown += done.out + done.err;
  }
  shown += read_bytes(fmt::format("/proc/{}/cmdline", engine_->pid()));
  EXPECT_EQ(stop_engine(), 0) << engine_->err();
  shown += engine_->out() + engine_->err() + state_files();
  shown += crossfade({"audit", "show", db_}).out;
  EXPECT_THAT(shown, Not(HasSubstr(kTlsSecret)));
}

}  // namespace
}  // namespace crossfade::testing
