// Promise: through a pooler that lends sessions nothing is begun, and nothing is left on a session
// that somebody else is lent; through one in session mode a move goes there and back.
//
// With a PgBouncer in front of the tests' server.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <libpq-fe.h>
#include <pwd.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/connect.h"
#include "tests/support/move_test.h"
#include "tests/support/oracle.h"
#include "tests/support/wait.h"

namespace crossfade::testing {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;

std::string pgbouncer() {
  for (const char* path : {"/usr/sbin/pgbouncer", "/usr/bin/pgbouncer"}) {
    if (::access(path, X_OK) == 0) return path;
  }
  return "";
}

// What libpq understands of a URL.
std::string in_url(const std::string& url, const std::string& keyword) {
  PQconninfoOption* const all = PQconninfoParse(url.c_str(), nullptr);
  std::string out;
  for (const PQconninfoOption* each = all; each != nullptr && each->keyword != nullptr; ++each) {
    if (keyword == each->keyword && each->val != nullptr) out = each->val;
  }
  PQconninfoFree(all);
  return out;
}

class PoolerTest : public MoveTest {
 protected:
  void SetUp() override {
    MoveTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    if (pgbouncer().empty()) {
      if (TestCluster::required()) GTEST_FAIL() << "pgbouncer is not installed (tools/setup)";
      GTEST_SKIP() << "SKIPPED: no pgbouncer is installed";
    }
    make_shop();
  }
  void TearDown() override {
    if (pooler_) {
      pooler_->signal(SIGTERM);
      (void)pooler_->wait(seconds(10));
    }
    MoveTest::TearDown();
  }

  // In front of the server; pooled_ is the URL through it.
  void start_pooler(const std::string& settings) {
    const std::string sockets = in_url(url_, "host");
    const std::string database = in_url(url_, "dbname");
    const std::string folder = folder_.path();
    const std::string config = folder_.file("pgbouncer.ini");
    write_bytes(config, fmt::format("[databases]\n{} = host={} port={} user=crossfade\n"
                                    "[pgbouncer]\nlisten_addr =\nunix_socket_dir = {}\n"
                                    "listen_port = 6543\nauth_type = any\n{}\n",
                                    database, sockets, in_url(url_, "port"), folder, settings));
    Process::Options options;
    options.argv = {pgbouncer(), config};
    // The one who may use the server's socket; PgBouncer does not run as root either.
    struct stat server {};
    ASSERT_EQ(::stat(sockets.c_str(), &server), 0) << sockets;
    ASSERT_EQ(::chmod(config.c_str(), 0644), 0);
    if (::geteuid() == 0) {
      const passwd* const user = ::getpwuid(server.st_uid);
      ASSERT_NE(user, nullptr);
      options.argv.insert(options.argv.end(), {"-u", user->pw_name});
      ASSERT_EQ(::chown(folder.c_str(), server.st_uid, server.st_gid), 0);
    }
    pooler_ = std::make_unique<Process>(options);
    pooled_ = fmt::format("postgresql://crossfade@/{}?host={}&port=6543", database, folder);
    ASSERT_TRUE(wait_until([&] { return PQping(pooled_.c_str()) == PQPING_OK; }, seconds(20)))
        << pooler_->err();
  }

  // What the application finds in the session that it is lent.
  [[nodiscard]] std::string search_path() const {
    PGconn* const app = PQconnectdb(pooled_.c_str());
    PGresult* const row = PQexec(app, "SHOW search_path");
    std::string out = PQntuples(row) == 1 ? PQgetvalue(row, 0, 0) : PQerrorMessage(app);
    PQclear(row);
    PQfinish(app);
    return out;
  }

  void expect_refused() const {
    const std::string before = search_path();
    const Finished inspected = crossfade({"inspect", db_, "--target", pooled_});
    EXPECT_THAT(inspected.out, HasSubstr("a connection pooler stands between"));
    const Finished run = crossfade({"run", db_, "--target", pooled_});
    EXPECT_EQ(run.code, 6) << run.err;
    EXPECT_THAT(run.err, HasSubstr("a connection pooler stands between"));
    EXPECT_EQ(search_path(), before);
    EXPECT_EQ(traces_in_source(), "");
    EXPECT_EQ(target_value("SELECT to_regnamespace('crossfade') IS NULL"), "t");
  }

  TempDir folder_;
  std::unique_ptr<Process> pooler_;
  std::string pooled_;
};

TEST_F(PoolerTest, SessionsLentByTransactionAreRefused) {
  ASSERT_NO_FATAL_FAILURE(start_pooler("pool_mode = transaction"));
  expect_refused();
}

TEST_F(PoolerTest, SoTheyAreWhereTheyGoRound) {
  ASSERT_NO_FATAL_FAILURE(start_pooler("pool_mode = transaction\nserver_round_robin = 1"));
  expect_refused();
}

TEST_F(PoolerTest, SoTheyAreWhereThereIsOneOnly) {
  ASSERT_NO_FATAL_FAILURE(start_pooler("pool_mode = transaction\ndefault_pool_size = 1"));
  expect_refused();
}

TEST_F(PoolerTest, SoTheyAreByStatement) {
  ASSERT_NO_FATAL_FAILURE(start_pooler("pool_mode = statement"));
  expect_refused();
}

// PgBouncer before 1.23 passes no replication on: the way back goes by the outbox, unasked.
TEST_F(PoolerTest, InSessionModeAMoveGoesThereAndBack) {
  ASSERT_NO_FATAL_FAILURE(start_pooler("pool_mode = session"));
  const auto asked = [&](const std::vector<std::string>& arguments) {
    const Finished done = crossfade(arguments);
    EXPECT_EQ(done.code, 0) << arguments[0] << ": " << done.out << done.err;
    return done;
  };
  asked({"run", db_, "--target", pooled_, "--until", "verified"});
  const Finished by_slot = crossfade({"cutover", db_, "--way-back", "slot"});
  EXPECT_EQ(by_slot.code, 3) << by_slot.out << by_slot.err;
  EXPECT_THAT(by_slot.err, HasSubstr("a connection pooler stands between"));
  EXPECT_THAT(asked({"cutover", db_}).err, HasSubstr("crossfade.outbox"));
  target_exec("UPDATE public.customer SET name = 'there' WHERE id = 1");
  asked({"rollback", db_});
  EXPECT_EQ(AppDb(db_).value("SELECT name FROM customer WHERE id = 1"), "there");
  EXPECT_EQ(compare_databases(db_, url_), "");
  asked({"finish", db_});
}

}  // namespace
}  // namespace crossfade::testing
