// Promise: at the switch numbers go on where they were, and whoever had something open, or holds
// the file alone, is told so (docs/pitfalls.md).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/oracle.h"
#include "tests/support/pitfall_test.h"

namespace crossfade::testing {
namespace {

using std::chrono::seconds;
using std::chrono::steady_clock;
using ::testing::HasSubstr;

// 28
TEST_F(PitfallTest, NumbersGoOnWhereTheyWere) {
  own_move();
  app("CREATE TABLE \"Mixed Case\"(\"Id\" INTEGER PRIMARY KEY AUTOINCREMENT, v INTEGER);"
      "INSERT INTO \"Mixed Case\"(v) VALUES(1),(2),(3); DELETE FROM \"Mixed Case\" WHERE \"Id\">1;"
      "CREATE TABLE never(id INTEGER PRIMARY KEY AUTOINCREMENT, v INTEGER);"
      "CREATE TABLE emptied(id INTEGER PRIMARY KEY AUTOINCREMENT, v INTEGER);"
      "INSERT INTO emptied VALUES(70,1); DELETE FROM emptied;"
      "CREATE TABLE plain(id INTEGER PRIMARY KEY, v INTEGER); INSERT INTO plain "
      "VALUES(-5,1),(40,1);"
      "CREATE TABLE negative(id INTEGER PRIMARY KEY, v INTEGER); INSERT INTO negative "
      "VALUES(-5,1)");
  ASSERT_EQ(run_until_verified().code, 0);
  app("INSERT INTO \"Mixed Case\"(v) VALUES(4); DELETE FROM plain WHERE id=40;"
      "INSERT INTO plain VALUES(50,1)");
  ASSERT_EQ(crossfade({"cutover", db_, "--no-rollback"}).code, 0);
  const auto next = [&](const std::string& table, const std::string& id) {
    return target_value("INSERT INTO public.\"" + table + "\"(v) VALUES(0) RETURNING \"" + id +
                        "\"::text");
  };
  EXPECT_EQ(next("Mixed Case", "Id"), "5");
  EXPECT_EQ(next("never", "id"), "1");
  EXPECT_EQ(next("emptied", "id"), "71");
  EXPECT_EQ(next("plain", "id"), "51");
  EXPECT_EQ(next("negative", "id"), "1");
}

// 47: what it read is no longer the state it would write to.
TEST_F(PitfallTest, ATransactionThatReadBeforeTheSwitchCannotWriteAfterIt) {
  own_move();
  make_shop();
  ASSERT_EQ(run_until_verified().code, 0);
  AppDb reader(db_, seconds(1));
  ASSERT_EQ(reader.run("BEGIN"), "");  // deferred
  const std::string seen = reader.value("SELECT sum(cents) FROM purchase");
  ASSERT_EQ(crossfade({"cutover", db_, "--no-rollback"}).code, 0);
  EXPECT_EQ(reader.value("SELECT sum(cents) FROM purchase"), seen);
  EXPECT_NE(reader.run("UPDATE purchase SET cents=" + seen + " WHERE id=1"), "");
  ASSERT_EQ(reader.run("ROLLBACK"), "");
  EXPECT_EQ(reader.run("UPDATE purchase SET cents=" + seen + " WHERE id=1"),
            "no such function: crossfade_moved_to_postgresql");
  EXPECT_EQ(compare_databases(db_, url_), "");
}

// 51
TEST_F(PitfallTest, AFileThatSomebodyHoldsAloneIsSaidToBeAtOnce) {
  own_move();
  make_shop();
  AppDb owner(db_);
  ASSERT_EQ(owner.run("PRAGMA locking_mode=EXCLUSIVE; INSERT INTO journal VALUES(3,'mine')"), "");
  const auto began = steady_clock::now();
  Process inspect(crossfade_command({"inspect", db_}));
  Process run(crossfade_command({"run", db_, "--target", url_, "--until", "verified"}));
  for (Process* process : {&inspect, &run}) {
    EXPECT_EQ(process->wait(seconds(30)), 5) << process->out();
    EXPECT_THAT(process->err(), HasSubstr("exclusive"));
  }
  EXPECT_LT(steady_clock::now() - began, seconds(20));
  EXPECT_EQ(owner.run("INSERT INTO journal VALUES(4,'still')"), "");
}

}  // namespace
}  // namespace crossfade::testing
