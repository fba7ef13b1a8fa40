// Promise: when PostgreSQL is lost SQLite goes on from what reached it, and says what did; not
// while PostgreSQL answers, and a PostgreSQL that comes back afterwards is not mistaken for the
// primary.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "apply/source_writer.h"
#include "engine/schema/catalog.h"
#include "tests/support/connect.h"
#include "tests/support/move_test.h"
#include "tests/support/oracle.h"

namespace crossfade::testing {
namespace {

using nlohmann::json;
using std::chrono::seconds;
using ::testing::HasSubstr;

constexpr int64_t kCommitted = 1'700'000'000'000'000;  // 2023-11-14T22:13:20Z

class TargetLostTest : public MoveTest {
 protected:
  void cut_over() {
    make_shop();
    ASSERT_EQ(run_until_verified().code, 0);
    ASSERT_EQ(crossfade({"cutover", db_, "--no-rollback"}).code, 0);
  }
  // What the way back leaves in the file: a position, and a row that did not fit.
  void keep_in_step() const {
    auto writer = apply::SourceWriter::open(db_).value();
    ASSERT_TRUE(writer.begin(Deadline::after(seconds(5))));
    const auto catalog = schema::read_catalog(writer.connection());
    ASSERT_TRUE(catalog);
    for (const Table& table : catalog.value().tables) {
      if (table.name != "purchase") continue;
      TargetChange change{std::make_shared<const Table>(table),
                          TargetOp::kUpdate,
                          {Value(int64_t{7})},
                          {Value(int64_t{7}), Value(int64_t{1}), std::nullopt, std::nullopt},
                          TargetMisfit{2, "1e400"}};
      const auto applied = writer.apply(change);
      ASSERT_TRUE(applied) << describe(applied.error());
    }
    ASSERT_TRUE(writer.end_transaction());
    ASSERT_TRUE(writer.commit(
        {WayBackKind::kSlot, "slot", "", true, postgres::PgLsn{0x16B3748}, kCommitted, ""}));
  }
  [[nodiscard]] std::string database() const {
    const size_t from = url_.find("@/") + 2;
    return url_.substr(from, url_.find('?') - from);
  }
  static void as_admin(const std::string& sql) {
    const auto done = connect_or_die(TestCluster::admin_url()).exec(sql);
    ASSERT_TRUE(done) << describe(done.error());
  }
  void lose() const { as_admin(fmt::format("ALTER DATABASE {0} RENAME TO {0}_lost", database())); }
  void find_again() const {
    as_admin(fmt::format("ALTER DATABASE {0}_lost RENAME TO {0}", database()));
  }
  [[nodiscard]] Finished give_up() const {
    return crossfade({"rollback", db_, "--target-lost", "--json"});
  }
  [[nodiscard]] json route() const { return json::parse(crossfade({"route", db_, "--json"}).out); }
  void expect_can_move_elsewhere() const {
    const std::string other = TestCluster::create_database();
    const Finished moved = crossfade({"run", db_, "--target", other, "--until", "verified"});
    EXPECT_EQ(moved.code, 0) << moved.err;
    EXPECT_EQ(compare_databases(db_, other), "");
    TestCluster::drop_database(other);
  }
  void expect_still_fenced() const {
    EXPECT_NE(AppDb(db_).run("INSERT INTO journal VALUES(1,'x')"), "");
    EXPECT_EQ(route().at("primary"), "postgres");
  }
};

TEST_F(TargetLostTest, SqliteGoesOnFromWhatReachedIt) {
  cut_over();
  keep_in_step();
  lose();
  const Finished done = give_up();
  ASSERT_EQ(done.code, 0) << done.err;
  const json report = json::parse(done.out);
  EXPECT_EQ(report.at("primary"), "sqlite");
  EXPECT_EQ(report.at("epoch"), 2);
  EXPECT_EQ(report.at("drained_lsn"), "0/16B3748");
  EXPECT_EQ(report.at("committed_at"), "2023-11-14T22:13:20Z");
  EXPECT_EQ(report.at("set_aside"), 1);
  EXPECT_EQ(report.at("set_aside_rows")[0].at("table"), "purchase");
  EXPECT_EQ(report.at("set_aside_rows")[0].at("key"), "7");
  app("INSERT INTO journal VALUES(1,'goes on')");
  EXPECT_EQ(route().at("primary"), "sqlite");
  const json again = json::parse(give_up().out);
  EXPECT_EQ(again.at("epoch"), 2) << "idempotent";
  EXPECT_EQ(again.at("changed"), false);
  // It comes back.
  find_again();
  for (const char* verb : {"run", "verify", "rollback"}) {
    const Finished refused = crossfade({verb, db_});
    EXPECT_EQ(refused.code, 3) << verb << refused.out;
    EXPECT_THAT(refused.err, HasSubstr("was given up")) << verb;
  }
  app("INSERT INTO journal VALUES(2,'goes on')");
  EXPECT_EQ(route().at("primary"), "sqlite");
  const Finished finished = crossfade({"finish", db_});
  ASSERT_EQ(finished.code, 0) << finished.err;
  app("INSERT INTO journal VALUES(3,'goes on')");
  EXPECT_EQ(traces_in_source(), "");
  expect_can_move_elsewhere();
}

TEST_F(TargetLostTest, AnotherMoveCanBeginWithoutIt) {
  cut_over();
  keep_in_step();
  lose();
  ASSERT_EQ(give_up().code, 0);
  const std::string other = TestCluster::create_database();
  const Finished finished = crossfade({"finish", db_, "--target", other});
  EXPECT_EQ(finished.code, 0) << finished.err;
  TestCluster::drop_database(other);
  expect_can_move_elsewhere();
  find_again();
}

TEST_F(TargetLostTest, NotWhilePostgresAnswers) {
  cut_over();
  keep_in_step();
  const Finished done = give_up();
  EXPECT_EQ(done.code, 3) << done.out;
  EXPECT_THAT(done.err, HasSubstr("answers"));
  expect_still_fenced();
}

TEST_F(TargetLostTest, NotWithoutAWayBack) {
  cut_over();
  lose();
  const Finished done = give_up();
  EXPECT_EQ(done.code, 3) << done.out;
  EXPECT_THAT(done.err, HasSubstr("not kept in step"));
  expect_still_fenced();
  find_again();
}

TEST_F(TargetLostTest, WhereSqliteIsThePrimaryThereIsNothingToDo) {
  make_shop();
  EXPECT_EQ(give_up().code, 3) << "no move";
  ASSERT_EQ(run_until_verified().code, 0);
  const Finished done = give_up();
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(json::parse(done.out).at("changed"), false);
  follow();
  EXPECT_EQ(give_up().code, 7) << "an engine works";
}

}  // namespace
}  // namespace crossfade::testing
