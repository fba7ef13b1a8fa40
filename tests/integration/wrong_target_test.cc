// Promise: a command that is given the wrong target, or whose asker has gone, changes nothing: the
// fence stays where it is, and nobody else's move is touched.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>

#include "tests/support/app_db.h"
#include "tests/support/cluster.h"
#include "tests/support/move_test.h"
#include "tests/support/wait.h"

namespace crossfade::testing {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;

class WrongTargetTest : public MoveTest {
 protected:
  void SetUp() override {
    MoveTest::SetUp();
    if (IsSkipped()) return;
    other_ = TestCluster::create_database();
  }

  [[nodiscard]] std::string write() const {
    return AppDb(db_).run("UPDATE purchase SET cents=cents+1 WHERE id=1");
  }
  void expect_refused(const std::vector<std::string>& arguments) const {
    const Finished done = crossfade(arguments);
    EXPECT_EQ(done.code, 3) << done.out << done.err;
    EXPECT_NE(write(), "") << "the fence is down after " << arguments[0];
  }
  [[nodiscard]] std::string other_value(const std::string& sql) const {
    return run_process({{"psql", other_, "-XAtc", sql}, {}, {}, {}}).out;
  }
  [[nodiscard]] std::string traces_in_other() const {
    return other_value("SELECT count(*) FROM pg_namespace WHERE nspname='crossfade'");
  }

  std::string other_;
};

TEST_F(WrongTargetTest, TheFenceStaysAfterACutover) {
  make_shop();
  ASSERT_EQ(run_until_verified().code, 0);
  ASSERT_EQ(crossfade({"cutover", db_, "--no-rollback"}).code, 0);
  ASSERT_NE(write(), "");
  const std::string route = crossfade({"route", db_}).out;
  expect_refused({"verify", db_, "--target", other_});
  expect_refused({"run", db_, "--target", other_, "--until", "verified"});
  EXPECT_EQ(traces_in_other(), "0\n");
  EXPECT_EQ(crossfade({"route", db_}).out, route);
  // Nor is the wrong one remembered.
  const Finished again = crossfade({"cutover", db_, "--no-rollback"});
  EXPECT_EQ(again.code, 0) << again.err;
}

TEST_F(WrongTargetTest, AnOlderCopyOfTheTargetDoesNotOpenTheSource) {
  make_shop();
  ASSERT_EQ(run_until_verified().code, 0);
  ASSERT_EQ(crossfade({"cutover", db_, "--no-rollback"}).code, 0);
  target_exec("UPDATE crossfade.route SET \"primary\"='sqlite',epoch=0");
  expect_refused({"verify", db_});
  expect_refused({"run", db_, "--until", "verified"});
}

TEST_F(WrongTargetTest, AKeptFenceStays) {
  make_shop();
  ASSERT_EQ(run_until_verified().code, 0);
  ASSERT_EQ(crossfade({"cutover", db_, "--no-rollback"}).code, 0);
  ASSERT_EQ(crossfade({"finish", db_, "--keep-fence"}).code, 0);
  expect_refused({"run", db_, "--target", other_, "--until", "verified"});
  EXPECT_EQ(crossfade({"finish", db_}).code, 0);
  EXPECT_EQ(write(), "");
}

// A move that was begun is not begun anew elsewhere by a command that only looks.
TEST_F(WrongTargetTest, LookingElsewhereLeavesNothingThere) {
  make_shop();
  ASSERT_EQ(run_until_verified().code, 0);
  const Finished done = crossfade({"verify", db_, "--target", other_});
  EXPECT_EQ(done.code, 3) << done.out << done.err;
  EXPECT_EQ(traces_in_other(), "0\n");
  EXPECT_EQ(crossfade({"verify", db_}).code, 0) << "the right one is still remembered";
}

TEST_F(WrongTargetTest, AnothersMoveSurvivesAMistakeAndItsFinish) {
  make_shop();
  ASSERT_EQ(run_until_verified().code, 0);
  const std::string mine = dir_.file("mine.db");
  ASSERT_EQ(AppDb(mine).run("CREATE TABLE t(a); INSERT INTO t VALUES(1)"), "");
  ASSERT_EQ(crossfade({"run", mine, "--target", other_, "--until", "verified"}).code, 0);
  EXPECT_EQ(crossfade({"run", mine, "--target", url_, "--until", "verified"}).code, 6);
  const Finished done = crossfade({"finish", mine});
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(target_value("SELECT \"primary\" FROM crossfade.route"), "sqlite");
  EXPECT_EQ(traces_in_other(), "0\n") << "its own target was finished";
}

TEST_F(WrongTargetTest, ACutoverThatNobodyWaitsForIsNotDone) {
  make_shop(20'000);
  follow();
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, (db_ + ".crossfade/control.sock").c_str(),
               sizeof(address.sun_path) - 1);
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): the socket API's own way
  ASSERT_EQ(::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  const std::string request = "{\"command\":\"cutover\",\"no_rollback\":true}\n";
  ASSERT_EQ(::send(fd, request.data(), request.size(), MSG_NOSIGNAL),
            static_cast<ssize_t>(request.size()));
  ::close(fd);
  // Tasks are done in turn, so that when this is answered the other one was dealt with.
  EXPECT_EQ(crossfade({"verify", db_}).code, 0) << engine_->err();
  EXPECT_EQ(target_value("SELECT \"primary\" FROM crossfade.route"), "sqlite");
  EXPECT_EQ(write(), "");
  EXPECT_EQ(stop_engine(), 0) << engine_->err();
}

// The row on the target has flipped: that the clients' copy cannot be written undoes nothing.
TEST_F(WrongTargetTest, ARouteFileThatCannotBeWrittenIsSaidAndMendedLater) {
  make_shop();
  follow();
  const std::string file = db_ + ".crossfade/route";
  ASSERT_TRUE(std::filesystem::remove(file));
  ASSERT_TRUE(std::filesystem::create_directory(file));
  const Finished cut = crossfade({"cutover", db_, "--no-rollback", "--json"});
  EXPECT_EQ(cut.code, 0) << cut.err;
  const auto report = nlohmann::json::parse(cut.out, nullptr, false);
  EXPECT_EQ(report.value("primary", ""), "postgres") << cut.out;
  EXPECT_NE(report.value("route_file_error", ""), "") << cut.out;
  EXPECT_EQ(stop_engine(), 0) << engine_->err();
  ASSERT_TRUE(std::filesystem::remove(file));
  EXPECT_EQ(crossfade({"cutover", db_, "--no-rollback"}).code, 0);
  EXPECT_THAT(crossfade({"route", db_}).out, HasSubstr("postgres "));
}

TEST_F(WrongTargetTest, AnEmbeddedPrimaryIsNotStoppedByACommandThatFails) {
  make_shop();
  std::filesystem::permissions(dir_.path(), std::filesystem::perms(0755));
  ASSERT_EQ(crossfade({"run", db_, "--target", "embedded", "--target-schema", "app", "--until",
                       "verified"})
                .code,
            0);
  ASSERT_EQ(crossfade({"cutover", db_, "--no-rollback", "--target-schema", "app"}).code, 0);
  const std::string route = crossfade({"route", db_}).out;
  EXPECT_NE(crossfade({"verify", db_}).code, 0);  // of the schema `public`
  const std::string url = route.substr(route.find(' ') + 1, route.size() - route.find(' ') - 2);
  const Finished where = run_process({{"psql", url, "-XAtc", "SHOW data_directory"}, {}, {}, {}});
  ASSERT_EQ(where.code, 0) << where.err;
  const std::string pid_file = where.out.substr(0, where.out.find('\n')) + "/postmaster.pid";
  const int pid = std::atoi(read_bytes(pid_file).c_str());
  ASSERT_GT(pid, 1) << pid_file;
  ::kill(pid, SIGINT);
  EXPECT_TRUE(wait_until([&] { return !std::filesystem::exists(pid_file); }, seconds(10)));
}

TEST_F(WrongTargetTest, AMistypedCommandDoesNotRepeatThePassword) {
  const std::string url = "postgresql://app:hush-hush@db.example/app";
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"run", db_, url}, {"run", url}, {"run", db_, "--tarrget", url}}) {
    const Finished done = crossfade(arguments);
    EXPECT_EQ(done.code, 2) << done.err;
    EXPECT_EQ((done.out + done.err).find("hush-hush"), std::string::npos) << done.err;
    EXPECT_FALSE(done.err.empty());
  }
}

}  // namespace
}  // namespace crossfade::testing
