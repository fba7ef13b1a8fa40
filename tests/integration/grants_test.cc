// Promise: a role that has what `crossfade grants` prints, and is no superuser, can do a whole
// move: run, verify, cutover with a way back, rollback, cutover again, finish.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/connect.h"
#include "tests/support/move_test.h"
#include "tests/support/oracle.h"
#include "tests/support/wait.h"

namespace crossfade::testing {
namespace {

using nlohmann::json;
using std::chrono::seconds;
using ::testing::HasSubstr;

class GrantsTest : public MoveTest {
 protected:
  static constexpr const char* kRole = "mover \"of\" rows";
  static constexpr const char* kRoleInUrl = "mover%20%22of%22%20rows";

  void SetUp() override {
    MoveTest::SetUp();
    if (IsSkipped()) return;
    make_shop();
    admin_ = url_;
    const size_t from = url_.find("://") + 3;
    url_.replace(from, url_.find('@') - from, kRoleInUrl);
    // As on a server whose owner has closed what is open to everybody.
    as_admin("REVOKE ALL ON SCHEMA public FROM PUBLIC");
    as_admin(fmt::format("REVOKE ALL ON DATABASE {} FROM PUBLIC", database()));
  }
  void TearDown() override {
    url_ = admin_;
    MoveTest::TearDown();
    if (admin_.empty()) return;
    auto server = connect_or_die(TestCluster::admin_url());
    const auto done =
        server.exec("DROP OWNED BY \"mover \"\"of\"\" rows\"; DROP ROLE \"mover \"\"of\"\" rows\"");
    EXPECT_TRUE(done) << describe(done.error());
  }
  void drop_role() const {
    as_admin(
        "DROP OWNED BY \"mover \"\"of\"\" rows\" CASCADE; DROP ROLE \"mover \"\"of\"\" rows\"");
  }
  [[nodiscard]] std::string database() const {
    const size_t from = admin_.find("@/") + 2;
    return admin_.substr(from, admin_.find('?') - from);
  }
  void as_admin(const std::string& sql) const {
    auto server = connect_or_die(admin_);
    const auto done = server.exec(sql);
    ASSERT_TRUE(done) << sql << ": " << describe(done.error());
  }
  // Those that are needed, and the others too.
  void grant(bool all) const {
    const Finished printed = crossfade({"grants", db_, "--target", url_, "--json"});
    ASSERT_EQ(printed.code, 0) << printed.err;
    const json grants = json::parse(printed.out);
    EXPECT_EQ(grants["role"], kRole);
    EXPECT_EQ(grants["database"], database());
    auto server = connect_or_die(admin_);
    for (const json& each : grants["statements"]) {
      if (server.server_version() < each["since"].get<int>() * 10'000) continue;
      if (each["needed"] || all) as_admin(each["sql"]);
    }
    const auto super = server.exec(
        "SELECT rolsuper OR rolcreatedb OR rolcreaterole OR rolbypassrls FROM pg_roles WHERE "
        "rolname='mover \"of\" rows'");
    ASSERT_TRUE(super);
    EXPECT_FALSE(super.value().boolean(0, 0));
  }
  void go_there_and_back(const std::string& way_back) {
    app("INSERT INTO journal VALUES(5,'while it follows')");
    expect_becomes_equal();
    const Finished there = crossfade({"cutover", db_});
    ASSERT_EQ(there.code, 0) << there.err;
    ASSERT_TRUE(await_phase("reversed")) << engine_->err();
    EXPECT_EQ(status()["reverse"]["kind"], way_back);
    target_exec("INSERT INTO public.journal VALUES(6,'on PostgreSQL')");
    const Finished back = crossfade({"rollback", db_});
    ASSERT_EQ(back.code, 0) << back.err;
    ASSERT_TRUE(await_phase("following")) << engine_->err();
    EXPECT_EQ(AppDb(db_).value("SELECT what FROM journal WHERE at=6"), "on PostgreSQL");
    // What writes to PostgreSQL now is told so, the application and the mover itself.
    auto writer = connect_or_die(url_);
    const auto refused = writer.exec("INSERT INTO public.journal VALUES(7,'x')");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().sqlstate, "25006");
    app("INSERT INTO journal VALUES(8,'SQLite again')");
    expect_becomes_equal();
    const Finished again = crossfade({"cutover", db_});
    ASSERT_EQ(again.code, 0) << again.err;
    ASSERT_TRUE(await_phase("reversed")) << engine_->err();
    const Finished verified = crossfade({"verify", db_});
    EXPECT_EQ(verified.code, 0) << verified.out << verified.err;
    EXPECT_EQ(stop_engine(), 0) << engine_->err();
    const Finished finished = crossfade({"finish", db_});
    EXPECT_EQ(finished.code, 0) << finished.err;
    EXPECT_EQ(compare_databases(db_, admin_), "");
    EXPECT_EQ(target_value("SELECT to_regnamespace('crossfade') IS NULL"), "t");
  }

  std::string admin_;
};

TEST_F(GrantsTest, WhatIsNeededIsEnoughForAWholeMove) {
  grant(false);
  follow();
  go_there_and_back("outbox");
}

TEST_F(GrantsTest, WithTheOthersTheWayBackIsASlotAndForeignKeysAreThereWhileItFollows) {
  grant(true);
  follow();
  // Before PostgreSQL 15 nobody but a superuser can have them there.
  if (connect_or_die(admin_).server_version() >= 150'000) {
    EXPECT_TRUE(wait_until(
        [&] { return target_value("SELECT count(*) FROM pg_constraint WHERE contype='f'") == "1"; },
        seconds(10)));
  }
  go_there_and_back("slot");
}

// Each of them is needed: without one nothing begins, and what is missing is said.
TEST_F(GrantsTest, WithoutOneOfThemWhatIsMissingIsSaid) {
  for (const std::string missing :
       {"CONNECT ON DATABASE", "CREATE ON DATABASE", "USAGE ON SCHEMA", "CREATE ON SCHEMA"}) {
    SCOPED_TRACE(missing);
    grant(false);
    const bool schema = missing.ends_with("SCHEMA");
    as_admin(fmt::format("REVOKE {} {} FROM \"mover \"\"of\"\" rows\"", missing,
                         schema ? "public" : database()));
    const Finished done = run_until_verified();
    EXPECT_EQ(done.code, 6) << done.err;
    EXPECT_THAT(done.err, HasSubstr("what to do:"));
    EXPECT_EQ(traces_in_source(), "");
    drop_role();
  }
  grant(false);  // as TearDown expects it
}

TEST_F(GrantsTest, TheTextIsSqlWithComments) {
  const Finished printed = crossfade({"grants", db_, "--target", url_});
  EXPECT_EQ(printed.code, 0) << printed.err;
  EXPECT_THAT(printed.out, HasSubstr("CREATE ROLE \"mover \"\"of\"\" rows\" LOGIN;"));
  const Finished ran = run_process(
      {{"psql", admin_, "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", printed.out}, {}, {}, {}});
  EXPECT_EQ(ran.code, 0) << ran.err;
}

}  // namespace
}  // namespace crossfade::testing
