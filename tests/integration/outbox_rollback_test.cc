// Promise: where PostgreSQL's log cannot be decoded, by a server's setting or a role's rights, a
// cutover says that the way back goes by triggers, and it goes there and back.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "engine/postgres/embedded.h"
#include "tests/support/connect.h"
#include "tests/support/move_test.h"
#include "tests/support/oracle.h"
#include "tests/support/postgres_writers.h"
#include "tests/support/reaper.h"
#include "tests/support/wait.h"

namespace crossfade::testing {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::HasSubstr;

// A server with wal_level=replica, a role that moves and one of an application.
class OutboxRollbackTest : public MoveTest {
 protected:
  void SetUp() override {
    CROSSFADE_NEEDS_POSTGRES();
    ASSERT_EQ(::chmod(dir_.path().c_str(), 0711), 0);
    db_ = dir_.file("app.db");
    postgres::EmbeddedOptions options;
    options.folder = dir_.file("pg");
    options.settings = {"wal_level=replica", "fsync=off", "shared_buffers=16MB"};
    reap_at_exit(options.folder);
    auto cluster = postgres::EmbeddedCluster::start(options);
    ASSERT_TRUE(cluster) << describe(cluster.error());
    cluster_ = std::make_unique<postgres::EmbeddedCluster>(std::move(cluster).value());
    admin_ = cluster_->url();
    url_ = admin_;
    target_exec(
        "CREATE ROLE mover LOGIN; CREATE ROLE app LOGIN; GRANT ALL ON DATABASE crossfade TO mover; "
        "GRANT ALL ON SCHEMA public TO mover; GRANT USAGE ON SCHEMA public TO app");
    url_ = as("mover");
    target_exec(
        "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON TABLES TO app; ALTER "
        "DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON SEQUENCES TO app");
  }
  void TearDown() override {
    if (HasFailure() && engine_) fprintf(stderr, "the engine said:\n%s\n", engine_->err().c_str());
    engine_.reset();
    url_.clear();
    if (cluster_) {
      EXPECT_TRUE(cluster_->destroy());
    }
  }
  [[nodiscard]] std::string as(const std::string& role) const {
    std::string out = admin_;
    const size_t user = out.find("://") + 3;
    return out.replace(user, out.find('@', user) - user, role);
  }
  void app_exec(const std::string& sql) const {
    auto connection = connect_or_die(as("app"));
    const auto done = connection.exec(sql);
    EXPECT_TRUE(done) << sql << ": " << (done ? "" : describe(done.error()));
  }
  void reversed() {
    make_shop();
    app("CREATE TABLE app_entry(id INTEGER PRIMARY KEY, writer INTEGER, n INTEGER)");
    follow();
    const Finished done = crossfade({"cutover", db_, "--json"});
    ASSERT_EQ(done.code, 0) << done.out << done.err << engine_->err();
    ASSERT_TRUE(await_phase("reversed")) << engine_->err();
  }

  std::unique_ptr<postgres::EmbeddedCluster> cluster_;
  std::string admin_;
};

TEST_F(OutboxRollbackTest, DualWritesAskForASlot) {
  app("CREATE TABLE account(id INTEGER PRIMARY KEY, owner TEXT)");
  const Finished dual = crossfade({"run", db_, "--target", url_, "--mode", "dual"});
  EXPECT_EQ(dual.code, 3) << dual.err;
  EXPECT_THAT(dual.err, HasSubstr("wal_level"));
  EXPECT_EQ(target_value("SELECT to_regclass('crossfade.outbox') IS NULL"), "t");
}

TEST_F(OutboxRollbackTest, ItIsSaidBeforehand) {
  make_shop();
  const Finished looked = crossfade({"inspect", db_, "--target", url_, "--json"});
  EXPECT_THAT(looked.out, AllOf(HasSubstr("no_way_back"), HasSubstr("outbox"),
                                HasSubstr("wal_level is replica")));
  ASSERT_EQ(run_until_verified().code, 0);
  const Finished refused = crossfade({"cutover", db_, "--way-back", "slot"});
  EXPECT_EQ(refused.code, 3) << refused.err;
  EXPECT_THAT(refused.err, AllOf(HasSubstr("wal_level"), HasSubstr("--way-back outbox")));
  EXPECT_EQ(target_value("SELECT to_regclass('crossfade.outbox') IS NULL"), "t");
  const Finished rehearsed = crossfade({"cutover", db_, "--dry-run"});
  EXPECT_EQ(rehearsed.code, 0) << rehearsed.err;
  EXPECT_THAT(rehearsed.err, HasSubstr("crossfade.outbox"));
  EXPECT_EQ(target_value("SELECT to_regclass('crossfade.outbox') IS NULL"), "t");
}

TEST_F(OutboxRollbackTest, ThereAndBackUnderAnApplicationsRole) {
  reversed();
  EXPECT_EQ(status()["reverse"].value("kind", ""), "outbox");
  for (int round = 0; round < 2; ++round) {
    app_exec(
        fmt::format("INSERT INTO public.customer(name) VALUES('new {0}'); UPDATE "
                    "public.purchase SET cents=cents+{0} WHERE id<50; DELETE FROM "
                    "public.purchase WHERE id=100+{0}; TRUNCATE public.journal",
                    round));
    expect_becomes_equal();
    const Finished back = crossfade({"rollback", db_, "--json"});
    ASSERT_EQ(back.code, 0) << back.err << engine_->err();
    EXPECT_EQ(compare_databases(db_, admin_), "");
    EXPECT_EQ(target_value("SELECT to_regclass('crossfade.outbox') IS NULL"), "t");
    ASSERT_TRUE(await_phase("following")) << engine_->err();
    app(fmt::format("INSERT INTO journal VALUES({},'on SQLite')", round));
    expect_becomes_equal();
    const Finished again = crossfade({"cutover", db_});
    ASSERT_EQ(again.code, 0) << again.err << engine_->err();
    ASSERT_TRUE(await_phase("reversed")) << engine_->err();
  }
  EXPECT_EQ(stop_engine(), 0);
  engine_.reset();
  const Finished done = crossfade({"finish", db_});
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(target_value("SELECT count(*) FROM pg_trigger WHERE tgname LIKE '!_crossfade%' ESCAPE "
                         "'!'"),
            "0");
}

// The server dies and comes back, and so does the engine, while applications write.
TEST_F(OutboxRollbackTest, WhoIsKilledUnderLoadLosesNothing) {
  reversed();
  const auto disturb = [&](int round) {
    if (round % 2 == 0) {
      engine_->signal(SIGKILL);
      (void)engine_->wait(seconds(5));
      engine_ = std::make_unique<Process>(crossfade_command({"run", db_}));
    }
    ASSERT_TRUE(await_phase("reversed")) << engine_->err();
  };
  PostgresWriters writers(as("app"), 2, milliseconds(2));
  for (int round = 0; round < 4; ++round) {
    const int64_t before = writers.acknowledged();
    ASSERT_TRUE(wait_until([&] { return writers.acknowledged() > before + 100; }, seconds(30)));
    ASSERT_NO_FATAL_FAILURE(disturb(round));
  }
  const Finished back = crossfade({"rollback", db_, "--json"}, seconds(90));
  ASSERT_EQ(back.code, 0) << back.err << engine_->err();
  ASSERT_TRUE(wait_until([&] { return writers.refused() == 2; }, seconds(10)));
  writers.stop();
  const auto result = writers.result();
  for (size_t i = 0; i < result.size(); ++i) {
    EXPECT_EQ(AppDb(db_).value(fmt::format("SELECT count(*)||' '||max(n) FROM app_entry WHERE "
                                           "writer={}",
                                           i)),
              fmt::format("{0} {0}", result[i].acknowledged));
  }
  EXPECT_EQ(compare_databases(db_, admin_), "");
}

TEST_F(OutboxRollbackTest, ATargetThatIsLostLeavesWhatHadReachedSqlite) {
  reversed();
  app_exec("INSERT INTO public.setting VALUES('reached','1')");
  expect_becomes_equal();
  EXPECT_EQ(stop_engine(), 0);
  engine_.reset();
  app_exec("INSERT INTO public.setting VALUES('lost','1')");
  ASSERT_TRUE(cluster_->stop());
  const Finished done = crossfade({"rollback", db_, "--target-lost", "--json"});
  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_THAT(json::parse(done.out).value("committed_at", ""), HasSubstr("T"));
  EXPECT_EQ(AppDb(db_).value("SELECT group_concat(name) FROM setting WHERE value='1'"), "reached");
}

// Somebody reads a table all the while: triggers stay on it that do nothing.
TEST_F(OutboxRollbackTest, AReaderDoesNotKeepWritersFromSqlite) {
  reversed();
  auto reader = connect_or_die(as("app"));
  ASSERT_TRUE(reader.exec("BEGIN; SELECT count(*) FROM public.journal"));
  const Finished back = crossfade({"rollback", db_, "--json"});
  ASSERT_EQ(back.code, 0) << back.err << engine_->err();
  app("INSERT INTO journal VALUES(9,'goes on')");
  ASSERT_TRUE(await_phase("following")) << engine_->err();
  expect_becomes_equal();
  ASSERT_TRUE(reader.exec("COMMIT"));
  const Finished again = crossfade({"cutover", db_});
  EXPECT_EQ(again.code, 0) << again.err << engine_->err();
}

}  // namespace
}  // namespace crossfade::testing
