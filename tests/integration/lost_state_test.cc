// Promise: the state folder can be lost at any time: what a move has to know is in both databases.
// A reader that keeps an old state of the file for as long as it likes is in nobody's way.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>

#include "tests/support/move_test.h"
#include "tests/support/oracle.h"
#include "tests/support/wait.h"

namespace crossfade::testing {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;

class LostStateTest : public MoveTest {
 protected:
  void lose() const { std::filesystem::remove_all(db_ + ".crossfade"); }
  void expect_done(const char* verb) const {
    const Finished done = crossfade({verb, db_, "--target", url_});
    EXPECT_EQ(done.code, 0) << verb << ": " << done.out << done.err;
  }
  void expect_moved() const {
    const Finished run = run_until_verified();
    EXPECT_EQ(run.code, 0) << run.out << run.err;
    EXPECT_EQ(compare_databases(db_, url_), "");
  }
};

// Its lock is gone with it: the target's lease keeps the next one out.
TEST_F(LostStateTest, OfAnEngineThatRuns) {
  make_shop();
  follow();
  lose();
  app("UPDATE purchase SET cents=cents+1");
  const Finished second = run_until_verified();
  EXPECT_EQ(second.code, 7) << second.out << second.err;
  EXPECT_THAT(second.err, HasSubstr("what to do:"));
  EXPECT_TRUE(wait_until([&] { return compare_databases(db_, url_).empty(); }, seconds(20)));
  EXPECT_EQ(stop_engine(), 0) << engine_->err();
  app("DELETE FROM journal");
  expect_moved();
}

TEST_F(LostStateTest, BetweenAllSteps) {
  make_shop();
  expect_moved();
  lose();
  app("UPDATE purchase SET cents=cents+1");
  expect_moved();
  lose();
  expect_done("cutover");
  lose();
  EXPECT_NE(AppDb(db_).run("DELETE FROM journal"), "");
  target_exec("UPDATE public.purchase SET cents=cents+1");
  expect_done("rollback");
  lose();
  EXPECT_EQ(AppDb(db_).value("SELECT sum(cents) FROM purchase"),
            target_value("SELECT sum(cents) FROM public.purchase"));
  app("DELETE FROM journal WHERE at=1");
  expect_moved();
  lose();
  expect_done("cutover");
  lose();
  expect_done("finish");
  EXPECT_EQ(traces_in_source(), "");
  EXPECT_EQ(target_value("SELECT to_regnamespace('crossfade') IS NULL"), "t");
  EXPECT_EQ(compare_databases(db_, url_), "");
}

TEST_F(LostStateTest, AReaderThatPinsTheLogOfTheFileIsInNobodysWay) {
  make_shop();
  AppDb reader(db_);
  ASSERT_EQ(reader.run("BEGIN"), "");
  const char* const sum = "SELECT sum(cents) FROM purchase";
  const std::string then = reader.value(sum);
  follow();
  for (int i = 0; i < 20; ++i) app("UPDATE purchase SET cents=cents+1");
  expect_becomes_equal();
  const Finished cut = crossfade({"cutover", db_});
  EXPECT_EQ(cut.code, 0) << cut.out << cut.err;
  target_exec("UPDATE public.purchase SET cents=cents+1");
  const Finished back = crossfade({"rollback", db_});
  EXPECT_EQ(back.code, 0) << back.out << back.err;
  EXPECT_EQ(reader.value(sum), then);
  app("UPDATE purchase SET cents=cents+1");
  ASSERT_TRUE(await_phase("following"));
  expect_becomes_equal();
  EXPECT_EQ(reader.run("COMMIT"), "");
  EXPECT_EQ(reader.value(sum), target_value("SELECT sum(cents) FROM public.purchase"));
  EXPECT_EQ(stop_engine(), 0) << engine_->err();
}

}  // namespace
}  // namespace crossfade::testing
