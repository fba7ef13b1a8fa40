// Promise: a target that cannot be used is refused with exit 6 and in time, and a second engine or
// a swapped source with its own code; passwords appear nowhere.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "engine/postgres/embedded.h"
#include "tests/support/connect.h"
#include "tests/support/move_test.h"
#include "tests/support/reaper.h"
#include "tests/support/wait.h"

namespace crossfade::testing {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class BadTargetTest : public MoveTest {
 protected:
  void expect_refused(const std::string& target, const std::string& what, milliseconds within) {
    const auto began = Deadline::Clock::now();
    const Finished done =
        crossfade({"run", db_, "--target", target, "--until", "verified"}, seconds(30));
    EXPECT_LT(Deadline::Clock::now() - began, within);
    EXPECT_EQ(done.code, 6) << done.out << done.err;
    EXPECT_THAT(done.err, AllOf(HasSubstr(what), HasSubstr("what to do:"))) << done.err;
    EXPECT_EQ(traces_in_source(), "");
  }
  // url_ with another user (and password) or another database.
  [[nodiscard]] static std::string with(std::string url, const std::string& user,
                                        const std::string& database) {
    const size_t from = url.find("://") + 3;
    if (!user.empty()) url.replace(from, url.find('@') - from, user);
    const size_t name = url.find("@/") + 2;
    if (!database.empty()) url.replace(name, url.find('?') - name, database);
    return url;
  }
};

TEST_F(BadTargetTest, AClosedPortIsSaidAtOnce) {
  make_shop();
  expect_refused("postgresql://app:hunter2@127.0.0.1:1/app", "127.0.0.1", seconds(5));
}

TEST_F(BadTargetTest, AServerThatNeverAnswersIsGivenUpOn) {
  make_shop();
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* raw = reinterpret_cast<sockaddr*>(&address);
  ASSERT_EQ(::bind(listener, raw, size), 0);
  ASSERT_EQ(::listen(listener, 4), 0);
  ASSERT_EQ(::getsockname(listener, raw, &size), 0);
  expect_refused(fmt::format("postgresql://app@127.0.0.1:{}/app", ntohs(address.sin_port)),
                 "no answer", seconds(7));
  ::close(listener);
}

TEST_F(BadTargetTest, ADatabaseThatDoesNotExistIsNamed) {
  make_shop();
  expect_refused(with(url_, "", "no_such_database"), "no_such_database", seconds(5));
}

TEST_F(BadTargetTest, ARoleThatMayNotCreateIsSaidSo) {
  make_shop();
  target_exec("DROP ROLE IF EXISTS reader; CREATE ROLE reader LOGIN");
  const std::string as_reader = with(url_, "reader", "");
  expect_refused(as_reader, "permission denied", seconds(10));
}

TEST_F(BadTargetTest, ATableOfTheSameNameIsNamedAndLeftAlone) {
  make_shop();
  target_exec("CREATE TABLE public.purchase(mine text); INSERT INTO public.purchase VALUES('x')");
  expect_refused(url_, "purchase", seconds(10));
  EXPECT_EQ(target_value("SELECT mine FROM public.purchase"), "x");
  EXPECT_EQ(target_value("SELECT to_regclass('public.customer')"), "");
  EXPECT_EQ(target_value("SELECT to_regnamespace('crossfade')"), "");
  // Another schema is a way out.
  EXPECT_EQ(
      crossfade({"run", db_, "--target", url_, "--target-schema", "moved", "--until", "verified"})
          .code,
      0);
}

TEST_F(BadTargetTest, TheTargetOfAnotherSourceIsRefused) {
  make_shop();
  ASSERT_EQ(run_until_verified().code, 0);
  const std::string first = db_;
  db_ = dir_.file("other.db");
  app("CREATE TABLE t(id INTEGER PRIMARY KEY); INSERT INTO t VALUES(1)");
  const Finished done = run_until_verified();
  EXPECT_THAT(done.code, ::testing::AnyOf(5, 6)) << done.out << done.err;
  EXPECT_EQ(target_value("SELECT to_regclass('public.t')"), "");
  db_ = first;
  EXPECT_EQ(run_until_verified().code, 0);
}

TEST_F(BadTargetTest, ASecondEngineOnTheSameSourceIsTurnedAway) {
  make_shop();
  follow();
  const Finished done = run_until_verified();
  EXPECT_EQ(done.code, 7) << done.out << done.err;
  EXPECT_THAT(done.err, AllOf(HasSubstr("another crossfade engine"), HasSubstr("what to do:")));
  app("INSERT INTO journal VALUES(5,'x')");
  expect_becomes_equal();
  EXPECT_EQ(stop_engine(), 0);
}

// Promise: a password is not to be found in anything that the program writes or shows.
class PasswordTest : public BadTargetTest {
 protected:
  static constexpr const char* kSecret = "s3cr3t-Hunter2";

  void SetUp() override {
    BadTargetTest::SetUp();
    if (::testing::Test::IsSkipped()) return;
    fs::permissions(dir_.path(), fs::perms(0711));
    options_.folder = dir_.file("pg");
    options_.settings = {"fsync=off"};
    reap_at_exit(options_.folder);
    auto started = postgres::EmbeddedCluster::start(options_);
    ASSERT_TRUE(started) << describe(started.error());
    cluster_.emplace(std::move(started).value());
    auto admin = connect_or_die(cluster_->url());
    // What pg_hba.conf asks for; PostgreSQL 13 keeps md5 where nothing is said.
    ASSERT_TRUE(
        admin.exec(fmt::format("SET password_encryption='scram-sha-256'; CREATE ROLE app LOGIN "
                               "SUPERUSER PASSWORD '{}'",
                               kSecret)));
    const std::string hba = options_.folder + "/data/pg_hba.conf";
    const std::string rest = read_bytes(hba);
    std::ofstream(hba, std::ios::trunc) << "local all app scram-sha-256\n" << rest;
    ASSERT_TRUE(admin.exec("SELECT pg_reload_conf()"));
    const auto asks = [&] { return !connect(with(cluster_->url(), "app:wrong", "")); };
    ASSERT_TRUE(wait_until(asks, seconds(5)));
  }
  void TearDown() override {
    engine_.reset();
    if (cluster_ && !cluster_->destroy()) ADD_FAILURE() << options_.folder << " stays";
    BadTargetTest::TearDown();
  }
  // What the process shows of itself.
  [[nodiscard]] static std::string title(const Process& process) {
    return read_bytes(fmt::format("/proc/{}/cmdline", process.pid()));
  }
  [[nodiscard]] std::string state_file(const std::string& name) const {
    return read_bytes(db_ + ".crossfade/" + name);
  }

  postgres::EmbeddedOptions options_;
  std::optional<postgres::EmbeddedCluster> cluster_;
};

TEST_F(PasswordTest, AWrongPasswordIsSaidWithoutRepeatingIt) {
  make_shop();
  const std::string wrong = with(cluster_->url(), "app:wr0ng-pw", "");
  for (const bool as_json : {false, true}) {
    std::vector<std::string> arguments = {"run", db_, "--target", wrong};
    if (as_json) arguments.emplace_back("--json");
    const Finished done = crossfade(arguments, seconds(20));
    EXPECT_EQ(done.code, 6) << done.err;
    EXPECT_THAT(done.err, AllOf(HasSubstr("password"), HasSubstr("what to do:")));
    EXPECT_THAT(done.out + done.err, Not(HasSubstr("wr0ng-pw")));
  }
  EXPECT_EQ(traces_in_source(), "");
}

TEST_F(PasswordTest, APasswordIsNowhereInWhatTheProgramShows) {
  make_shop();
  const std::string target = with(cluster_->url(), std::string("app:") + kSecret, "");
  for (const std::string& given :
       {target, fmt::format("{}&password={}", with(target, "app", ""), kSecret)}) {
    SCOPED_TRACE(given.substr(0, 20));
    engine_ = std::make_unique<Process>(
        crossfade_command({"run", db_, "--target", given, "--json", "--log-level", "debug"}));
    ASSERT_TRUE(await_phase("following")) << engine_->err();
    EXPECT_THAT(title(*engine_), AllOf(HasSubstr("run"), Not(HasSubstr(kSecret))));
    std::string shown;
    for (const char* verb : {"status", "verify", "route"}) {
      const Finished done = crossfade({verb, db_, "--json"});
      EXPECT_EQ(done.code, 0) << verb << done.err;
      shown += done.out + done.err;
    }
    shown += read_bytes(db_) + read_bytes(db_ + "-wal");
    EXPECT_EQ(stop_engine(), 0);
    shown += engine_->out() + engine_->err() + state_file("audit.jsonl") + state_file("route");
    EXPECT_THAT(shown, Not(HasSubstr(kSecret)));
  }
  // It is remembered in one file, which only its owner can read.
  const auto mode = fs::status(db_ + ".crossfade/target").permissions();
  EXPECT_EQ(mode & fs::perms(0077), fs::perms::none);
  // A server that goes away is an error with the target's name in it.
  ASSERT_TRUE(cluster_->stop());
  const Finished gone = crossfade({"run", db_, "--until", "verified"}, seconds(20));
  EXPECT_EQ(gone.code, 6) << gone.err;
  EXPECT_THAT(gone.out + gone.err, Not(HasSubstr(kSecret)));
}

TEST_F(PasswordTest, AQuotedPasswordWithSpacesIsNotInTheProcessTitle) {
  make_shop();
  auto admin = connect_or_die(cluster_->url());
  ASSERT_TRUE(
      admin.exec("SET password_encryption='scram-sha-256'; ALTER ROLE app PASSWORD 'two Words' "));
  const std::string url = cluster_->url();
  const size_t host = url.find("host=") + 5;
  std::string folder = url.substr(host, url.find('&', host) - host);
  for (size_t at = folder.find("%2F"); at != std::string::npos; at = folder.find("%2F", at)) {
    folder.replace(at, 3, "/");
  }
  const size_t port = url.find("port=");
  const std::string target =
      fmt::format("host={} {} user=app dbname=crossfade password = 'two Words'", folder,
                  port == std::string::npos ? "" : url.substr(port, url.find('&', port) - port));
  engine_ = std::make_unique<Process>(crossfade_command({"run", db_, "--target", target}));
  ASSERT_TRUE(await_phase("following")) << engine_->err();
  EXPECT_THAT(title(*engine_), AllOf(Not(HasSubstr("two")), Not(HasSubstr("Words"))));
  EXPECT_EQ(stop_engine(), 0);
}

}  // namespace
}  // namespace crossfade::testing
