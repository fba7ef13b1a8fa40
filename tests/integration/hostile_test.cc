// Promise: what nobody sane does costs nobody data. Names that are ours, clients that hang, disks
// that fill, limits that applications lower, two cutovers at once, an end in the middle of a task.
#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <filesystem>

#include "tests/support/connect.h"
#include "tests/support/move_test.h"
#include "tests/support/oracle.h"
#include "tests/support/small_disk.h"
#include "tests/support/wait.h"

namespace crossfade::testing {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::AnyOf;
using ::testing::HasSubstr;

class HostileTest : public MoveTest {
 protected:
  // A connection to the running engine that has sent `text`, and -1 when there is none.
  [[nodiscard]] int client(const std::string& text) const {
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const timeval patience{5, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = db_ + ".crossfade/control.sock";
    std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): the socket API's own way
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
      ::close(fd);
      return -1;
    }
    if (!text.empty()) (void)::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
    return fd;
  }

  [[nodiscard]] std::unique_ptr<Process> start(std::vector<std::string> arguments) const {
    return std::make_unique<Process>(crossfade_command(std::move(arguments)));
  }
};

TEST_F(HostileTest, TablesNamedAsOursAreRefusedAndKept) {
  app("CREATE TABLE _crossfade_log(lsn INTEGER PRIMARY KEY, tbl, op);"
      "INSERT INTO _crossfade_log VALUES(1,'mine',2);"
      "CREATE TABLE _crossfade_control(note); CREATE TABLE t(id INTEGER PRIMARY KEY);"
      "CREATE TRIGGER _crossfade_mine AFTER INSERT ON t BEGIN SELECT 1; END");
  const std::string before = AppDb(db_).value("SELECT group_concat(sql) FROM sqlite_master");
  EXPECT_THAT(crossfade({"inspect", db_}).out, HasSubstr("name_reserved"));
  const Finished done = run_until_verified();
  EXPECT_EQ(done.code, 3) << done.out << done.err;
  EXPECT_THAT(done.err, HasSubstr("_crossfade_log"));
  EXPECT_EQ(crossfade({"finish", db_}).code, 0);
  EXPECT_EQ(AppDb(db_).value("SELECT group_concat(sql) FROM sqlite_master"), before);
  EXPECT_EQ(AppDb(db_).value("SELECT tbl FROM _crossfade_log"), "mine");
}

TEST_F(HostileTest, ATableNamedAsOursIsNotLeftBehindWhileFollowing) {
  make_shop();
  follow();
  app("CREATE TABLE _crossfade_more(a); INSERT INTO _crossfade_more VALUES(1)");
  EXPECT_EQ(engine_->wait(seconds(10)), 3) << engine_->err();
  EXPECT_THAT(engine_->err(), HasSubstr("_crossfade_more"));
  const Finished done = crossfade({"cutover", db_, "--no-rollback"});
  EXPECT_NE(done.code, 0);
  app("ALTER TABLE _crossfade_more RENAME TO more");
  EXPECT_EQ(run_until_verified().code, 0);
  EXPECT_EQ(target_value("SELECT count(*) FROM public.more"), "1");
}

TEST_F(HostileTest, MoreColumnsThanSqliteCanSelectAreABlocker) {
  std::string columns = "c0";
  for (int i = 1; i < 2000; ++i) columns += fmt::format(",c{}", i);
  app("CREATE TABLE wide(" + columns + ")");
  const Finished done = crossfade({"inspect", db_});
  EXPECT_EQ(done.code, 3) << done.err;
  EXPECT_THAT(done.out, HasSubstr("too_many_columns"));
}

// The limits that sqlite.org/security.html recommends. A trigger beyond one makes the whole schema
// unreadable to the application.
TEST_F(HostileTest, AnApplicationWithLoweredLimitsGoesOn) {
  app("CREATE TABLE t(a,b,c,d,e,f,g,h,i,j,k,l,v,PRIMARY KEY(a,b,c,d,e,f,g,h,i,j,k,l));"
      "CREATE TABLE w(a,b,c,d,e,f,v,PRIMARY KEY(a,b,c,d,e,f)) WITHOUT ROWID;"
      "INSERT INTO t(a,v) VALUES(1,1); INSERT INTO w VALUES(1,2,3,4,5,6,7)");
  follow();
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open(db_.c_str(), &db), SQLITE_OK);
  sqlite3_busy_timeout(db, 10'000);
  sqlite3_limit(db, SQLITE_LIMIT_EXPR_DEPTH, 10);
  sqlite3_limit(db, SQLITE_LIMIT_COLUMN, 100);
  sqlite3_limit(db, SQLITE_LIMIT_COMPOUND_SELECT, 3);
  sqlite3_limit(db, SQLITE_LIMIT_SQL_LENGTH, 100'000);
  sqlite3_limit(db, SQLITE_LIMIT_VDBE_OP, 25'000);
  sqlite3_limit(db, SQLITE_LIMIT_FUNCTION_ARG, 8);
  sqlite3_limit(db, SQLITE_LIMIT_ATTACHED, 0);
  sqlite3_limit(db, SQLITE_LIMIT_VARIABLE_NUMBER, 10);
  sqlite3_limit(db, SQLITE_LIMIT_TRIGGER_DEPTH, 10);
  for (const char* sql : {"INSERT INTO t(a,v) VALUES(2,2)", "REPLACE INTO t(a,b) VALUES(3,3)",
                          "UPDATE t SET a=a+1", "UPDATE OR REPLACE w SET f=7",
                          "REPLACE INTO w VALUES(1,2,3,4,5,7,8)", "DELETE FROM t WHERE a=2"}) {
    EXPECT_EQ(sqlite3_exec(db, sql, nullptr, nullptr, nullptr), SQLITE_OK)
        << sql << ": " << sqlite3_errmsg(db);
  }
  sqlite3_close(db);
  expect_becomes_equal();
}

TEST_F(HostileTest, SeveralCutoversAtOnceAllSeeThatItIsDone) {
  make_shop(2000);
  AppWriters writers(db_, 2);
  follow();
  std::vector<std::unique_ptr<Process>> cutovers;
  for (int i = 0; i < 3; ++i) {
    cutovers.push_back(start({"cutover", db_, "--no-rollback", "--json"}));
  }
  for (const auto& each : cutovers) {
    // 7: the engine had ended, and another one of them was at it.
    EXPECT_THAT(each->wait(seconds(30)).value_or(-1), AnyOf(0, 7)) << each->err();
  }
  EXPECT_EQ(engine_->wait(seconds(5)), 0) << engine_->err();
  writers.stop();
  EXPECT_EQ(target_value("SELECT \"primary\"||epoch FROM crossfade.route"), "postgres1");
  EXPECT_EQ(compare_databases(db_, url_), "");
}

TEST_F(HostileTest, AnEndInTheMiddleOfTasksAnswersThemAll) {
  make_shop(20'000);
  for (const int pause_ms : {0, 15, 30}) {
    follow();
    std::vector<std::unique_ptr<Process>> verifies;
    for (int i = 0; i < 3; ++i) verifies.push_back(start({"verify", db_, "--json"}));
    std::this_thread::sleep_for(milliseconds(pause_ms));
    EXPECT_EQ(stop_engine(), 0) << engine_->err();
    for (const auto& each : verifies) {
      // 0: verified, by this engine or by one of its own; 7: by one of the others' own.
      EXPECT_THAT(each->wait(seconds(30)).value_or(-1), AnyOf(0, 7, 9)) << each->err();
    }
  }
}

TEST_F(HostileTest, AClientThatSaysNothingDoesNotHoldUpTheEnd) {
  make_shop();
  follow();
  const int silent = client("");
  const int half = client("{\"command\":");
  ASSERT_GE(silent, 0);
  ASSERT_GE(half, 0);
  EXPECT_EQ(stop_engine(), 0) << engine_->err();
  ::close(silent);
  ::close(half);
}

TEST_F(HostileTest, NonsenseOnTheControlSocketIsAnswered) {
  make_shop();
  follow();
  for (const char* text :
       {"{\"command\":5}\n", "[]\n", "\xff\xfe\n",
        "{\"command\":\"cutover\",\"max_pause_ms\":\"x\"}\n",
        "{\"command\":\"cutover\",\"no_rollback\":\"yes\",\"max_pause_ms\":-1}\n",
        "{\"command\":\"verify\",\"lsn\":1e99}\n"}) {
    const int fd = client(text);
    ASSERT_GE(fd, 0) << text << engine_->err();
    std::array<char, 256> answer{};
    EXPECT_GT(::recv(fd, answer.data(), answer.size(), 0), 0) << text << engine_->err();
    ::close(fd);
  }
  EXPECT_EQ(target_value("SELECT \"primary\" FROM crossfade.route"), "sqlite");
  EXPECT_EQ(stop_engine(), 0) << engine_->err();
}

// An embedded cluster is the primary after a cutover, and the row that says so is gone after
// finish.
TEST_F(HostileTest, FinishingAgainAfterACutoverRemovesNoData) {
  make_shop();
  // Where the server's user can get in, the cluster is made beside the file and goes with it.
  std::filesystem::permissions(dir_.path(), std::filesystem::perms(0755));
  ASSERT_EQ(crossfade({"run", db_, "--target", "embedded", "--until", "verified"}).code, 0);
  ASSERT_EQ(crossfade({"cutover", db_, "--no-rollback"}).code, 0);
  const std::string route = crossfade({"route", db_}).out;
  EXPECT_THAT(route, HasSubstr("postgres "));
  for (int i = 0; i < 2; ++i) {
    const Finished done = crossfade({"finish", db_});
    EXPECT_EQ(done.code, 0) << done.err;
    EXPECT_EQ(done.out.find("cluster"), std::string::npos) << done.out;
    EXPECT_EQ(crossfade({"route", db_}).out, route);
  }
  const std::string url = route.substr(route.find(' ') + 1, route.size() - route.find(' ') - 2);
  const Finished rows =
      run_process({{"psql", url, "-XAtc", "SELECT count(*) FROM purchase"}, {}, {}, {}});
  EXPECT_EQ(rows.out, "200\n") << rows.err;
  // Nobody else stops a cluster that is the primary.
  const Finished where = run_process({{"psql", url, "-XAtc", "SHOW data_directory"}, {}, {}, {}});
  const std::string pid_file = where.out.substr(0, where.out.find('\n')) + "/postmaster.pid";
  const int pid = std::atoi(read_bytes(pid_file).c_str());
  ASSERT_GT(pid, 1) << pid_file;
  ::kill(pid, SIGINT);
  EXPECT_TRUE(wait_until([&] { return !std::filesystem::exists(pid_file); }, seconds(10)));
}

// DATABASE_URL may well name the target of another database's move.
TEST_F(HostileTest, FinishDoesNotRemoveAnotherMove) {
  make_shop();
  ASSERT_EQ(run_until_verified().code, 0);
  const std::string other = dir_.file("other.db");
  ASSERT_EQ(AppDb(other).run("CREATE TABLE t(a)"), "");
  const Finished done = crossfade({"finish", other, "--target", url_});
  EXPECT_EQ(done.code, 3) << done.out << done.err;
  EXPECT_EQ(target_value("SELECT \"primary\" FROM crossfade.route"), "sqlite");
  EXPECT_EQ(crossfade({"finish", db_, "--target", url_}).code, 0);
  EXPECT_EQ(traces_in_source(), "");
}

class FullDiskTest : public HostileTest {
 protected:
  void SetUp() override {
    HostileTest::SetUp();
    if (IsSkipped()) return;
    if (!disk_.mount(dir_.file("small"), "size=8m")) GTEST_SKIP() << disk_.why();
    db_ = disk_.folder() + "/app.db";
  }
  void fill() const {
    const int fd = ::open((disk_.folder() + "/fill").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    const std::string block(4096, 'x');
    while (::write(fd, block.data(), block.size()) > 0) {
    }
    ::close(fd);
  }
  void make_room() const { std::filesystem::remove(disk_.folder() + "/fill"); }

  SmallDisk disk_;
};

TEST_F(FullDiskTest, OfTheSourceIsSatOut) {
  make_shop(2000);
  follow();
  AppDb application(db_);
  ASSERT_EQ(application.run("UPDATE purchase SET cents=cents+1"), "");  // the WAL has some room
  expect_becomes_equal();
  // What is written now cannot be applied, nor pruned, until there is no room to prune it.
  auto other = connect_or_die(url_);
  const auto lock = other.exec("BEGIN; LOCK TABLE public.purchase IN ACCESS EXCLUSIVE MODE");
  ASSERT_TRUE(lock) << describe(lock.error());
  ASSERT_EQ(application.run("UPDATE purchase SET cents=cents+1 WHERE id%7=0"), "");
  fill();
  for (const char* rows : {"id%100=7", "id=7"}) {
    const std::string update = fmt::format("UPDATE purchase SET cents=cents+1 WHERE {}", rows);
    EXPECT_TRUE(
        wait_until([&] { return application.run(update).find("full") != std::string::npos; },
                   seconds(20), milliseconds(0)));
  }
  ASSERT_TRUE(other.exec("ROLLBACK"));
  EXPECT_TRUE(wait_until(
      [&] { return engine_->err().find("cannot be pruned") != std::string::npos; }, seconds(30)))
      << engine_->err();
  EXPECT_TRUE(engine_->running()) << engine_->err();
  expect_becomes_equal();  // what was written moves all the same
  make_room();
  app("UPDATE purchase SET cents=cents+1 WHERE id<50");
  expect_becomes_equal();
  EXPECT_EQ(stop_engine(), 0) << engine_->err();
}

TEST_F(FullDiskTest, BeforeTheMoveItIsSaid) {
  make_shop(2000);
  fill();
  const Finished full =
      crossfade({"run", db_, "--target", url_, "--until", "verified", "--no-backup"});
  EXPECT_NE(full.code, 0) << full.out;
  EXPECT_THAT(full.err, HasSubstr("full"));
  EXPECT_THAT(full.err, HasSubstr("what to do:"));
  make_room();
  EXPECT_EQ(AppDb(db_).value("PRAGMA integrity_check"), "ok");
  const Finished done =
      crossfade({"run", db_, "--target", url_, "--until", "verified", "--no-backup"});
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(compare_databases(db_, url_), "");
}

// Neither fence nor route file can be written.
TEST_F(FullDiskTest, ACutoverStepsBack) {
  make_shop(2000);
  follow();
  AppDb application(db_);
  fill();
  // What room there is in the log.
  EXPECT_TRUE(wait_until(
      [&] {
        return application.run("UPDATE purchase SET cents=cents+1").find("full") !=
               std::string::npos;
      },
      seconds(20), milliseconds(0)));
  // What the way back needs cannot be written, and nothing has begun.
  const Finished prepared = crossfade({"cutover", db_});
  EXPECT_EQ(prepared.code, 5) << prepared.out << prepared.err;
  EXPECT_THAT(prepared.err, HasSubstr("full"));
  const Finished cutover = crossfade({"cutover", db_, "--no-rollback"});
  EXPECT_EQ(cutover.code, 8) << cutover.out << cutover.err;
  EXPECT_THAT(cutover.err, HasSubstr("full"));
  EXPECT_EQ(target_value("SELECT \"primary\" FROM crossfade.route"), "sqlite");
  make_room();
  app("UPDATE purchase SET cents=cents+1");
  ASSERT_TRUE(await_phase("following")) << engine_->err();
  expect_becomes_equal();
  const Finished again = crossfade({"cutover", db_});
  EXPECT_EQ(again.code, 0) << again.out << again.err;
  EXPECT_EQ(compare_databases(db_, url_), "");
  EXPECT_EQ(stop_engine(), 0) << engine_->err();
}

}  // namespace
}  // namespace crossfade::testing
