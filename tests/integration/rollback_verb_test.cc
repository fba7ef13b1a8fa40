// Promise: `rollback` where SQLite is the primary has nothing to do and says so; where there is no
// way back it says that, and changes nothing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/move_test.h"
#include "tests/support/oracle.h"

namespace crossfade::testing {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;

class RollbackVerbTest : public MoveTest {
 protected:
  void expect_nothing_to_do(const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments = {"rollback", db_, "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Finished done = crossfade(arguments);
    ASSERT_EQ(done.code, 0) << done.out << done.err;
    const json report = json::parse(done.out);
    EXPECT_EQ(report.at("primary"), "sqlite");
    EXPECT_EQ(report.at("epoch"), 0);
    for (const char* field : {"write_pause_ms", "verified_rows", "drained_lsn"}) {
      EXPECT_TRUE(report.contains(field)) << field;
    }
  }
};

TEST_F(RollbackVerbTest, WhereSqliteIsThePrimaryThereIsNothingToDo) {
  make_shop();
  ASSERT_EQ(run_until_verified().code, 0);
  expect_nothing_to_do();
  follow();
  expect_nothing_to_do();
  expect_nothing_to_do({"--dry-run", "--max-pause", "100"});
  EXPECT_EQ(status().at("phase"), "following");
  const Finished told = crossfade({"rollback", db_});
  EXPECT_THAT(told.out, HasSubstr("SQLite is primary; nothing to do"));
  app("INSERT INTO journal VALUES(9,'goes on')");
  expect_becomes_equal();
}

TEST_F(RollbackVerbTest, WithoutAMoveItSaysSo) {
  make_shop();
  const Finished done = crossfade({"rollback", db_});
  EXPECT_EQ(done.code, 3) << done.err;
  EXPECT_THAT(done.err, HasSubstr("no move of this database has begun"));
  EXPECT_EQ(traces_in_source(), "");
}

TEST_F(RollbackVerbTest, AfterACutoverThatLeftNoWayBackItChangesNothing) {
  make_shop();
  ASSERT_EQ(run_until_verified().code, 0);
  ASSERT_EQ(crossfade({"cutover", db_, "--no-rollback"}).code, 0);
  for (const char* flag : {"--json", "--dry-run"}) {
    const Finished done = crossfade({"rollback", db_, flag});
    EXPECT_EQ(done.code, 3) << done.out << done.err;
    EXPECT_THAT(done.err, AllOf(HasSubstr("rollback"), HasSubstr("no way back"),
                                HasSubstr("crossfade finish")));
  }
  EXPECT_EQ(target_value("SELECT \"primary\" FROM crossfade.route"), "postgres");
  EXPECT_NE(AppDb(db_).run("INSERT INTO journal VALUES(1,'x')"), "") << "still fenced";
  EXPECT_EQ(compare_databases(db_, url_), "");
}

TEST_F(RollbackVerbTest, APauseMustBeOne) {
  make_shop();
  EXPECT_EQ(crossfade({"rollback", db_, "--max-pause", "0"}).code, 2);
}

}  // namespace
}  // namespace crossfade::testing
