// Promise: while both sides give out numbers none is given out twice, and whatever ends that gives
// PostgreSQL's sequences back what they were.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "tests/support/connect.h"
#include "tests/support/dual_test.h"
#include "tests/support/oracle.h"
#include "tests/support/wait.h"

namespace crossfade::testing {
namespace {

using std::chrono::seconds;

class DualNumbersTest : public DualTest {
 protected:
  [[nodiscard]] std::string bounds(const std::string& table) const {
    return target_value(fmt::format(
        "SELECT concat_ws(' ',seqincrement,seqmin,seqmax,seqstart) FROM pg_sequence WHERE "
        "seqrelid=pg_get_serial_sequence('public.{}','id')::regclass",
        table));
  }
  // The number that a new row gets.
  [[nodiscard]] std::string next(const std::string& table, const std::string& column) const {
    return target_value(
        fmt::format("INSERT INTO public.{}({}) VALUES('new') RETURNING id", table, column));
  }
};

TEST_F(DualNumbersTest, NumbersAreNotGivenOutTwice) {
  make_accounts();
  run_dual();
  for (int i = 0; i < 5; ++i) {
    app(
        fmt::format("INSERT INTO account(owner) VALUES('s{0}'); INSERT INTO item(name) "
                    "VALUES('s{0}')",
                    i));
    target_exec(fmt::format("INSERT INTO public.account(owner) VALUES('t{0}')", i));
    target_exec(fmt::format("INSERT INTO public.item(name) VALUES('t{0}')", i));
  }
  expect_becomes_equal();
  EXPECT_EQ(here("SELECT count(*)||' '||count(DISTINCT id) FROM account"), "14 14");
  EXPECT_EQ(here("SELECT count(*)||' '||count(DISTINCT id) FROM item"), "13 13");
  EXPECT_EQ(conflicts(), "");
}

TEST_F(DualNumbersTest, FinishGivesSequencesBackWhatTheyWere) {
  make_accounts();
  ASSERT_EQ(run_until_verified().code, 0);
  target_exec("ALTER SEQUENCE public.account_id_seq INCREMENT BY 10 MAXVALUE 5000");
  const std::string account = bounds("account");
  const std::string item = bounds("item");
  run_dual();
  EXPECT_NE(bounds("account"), account);
  EXPECT_NE(bounds("item"), item);
  target_exec("INSERT INTO public.item(name) VALUES('below')");
  app("INSERT INTO account(owner) VALUES('far')");
  expect_becomes_equal();
  stop();
  ASSERT_EQ(crossfade({"finish", db_}).code, 0);
  EXPECT_EQ(bounds("account"), account);
  EXPECT_EQ(bounds("item"), item);
  // SQLite's numbers are beyond what this sequence may give out: its own bound stays what it was.
  EXPECT_EQ(next("item", "name"), "4");
}

TEST_F(DualNumbersTest, ATableThatIsGoneIsNotInFinishsWay) {
  make_accounts();
  ASSERT_EQ(run_until_verified().code, 0);
  const std::string account = bounds("account");
  run_dual();
  stop();
  target_exec("CREATE SEQUENCE public.nobodys");
  target_exec(
      "INSERT INTO crossfade.numbers SELECT "
      "'public.nobodys',999999999,'id',increment,min,max,start "
      "FROM crossfade.numbers LIMIT 1");
  ASSERT_EQ(crossfade({"finish", db_}).code, 0);
  EXPECT_EQ(bounds("account"), account);
}

// As it is left by an engine that died before the phase was written down.
TEST_F(DualNumbersTest, ABeginningThatDidNotGetThroughIsTakenBackByTheCutover) {
  make_accounts();
  ASSERT_EQ(run_until_verified().code, 0);
  const std::string account = bounds("account");
  const std::string item = bounds("item");
  run_dual();
  engine_->signal(SIGKILL);
  (void)engine_->wait(seconds(5));
  target_exec("UPDATE crossfade.progress SET phase='following'");
  app("INSERT INTO account(owner) VALUES('far'); INSERT INTO item(name) VALUES('here')");
  engine_ = std::make_unique<Process>(crossfade_command({"run", db_}));
  ASSERT_TRUE(await_phase("following")) << engine_->err();
  const Finished done = crossfade({"cutover", db_, "--json"});
  ASSERT_EQ(done.code, 0) << done.out << done.err << engine_->err();
  EXPECT_EQ(bounds("account"), account);
  EXPECT_EQ(bounds("item"), item);
  EXPECT_EQ(next("item", "name"), "5");
  EXPECT_EQ(next("account", "owner"),
            std::to_string(std::stoll(here("SELECT max(id) FROM account")) + 1));
}

// Somebody who has taken a number, and may yet write it, is waited for in nobody's way.
TEST_F(DualNumbersTest, AnOpenTransactionIsNamedByTheCutoverThatStepsBack) {
  make_accounts();
  run_dual();
  auto holder = connect_or_die(url_);
  ASSERT_TRUE(holder.exec("BEGIN; SELECT nextval('public.item_id_seq')"));
  const Finished done = crossfade({"cutover", db_, "--json", "--max-pause", "1500"});
  EXPECT_EQ(done.code, 8) << done.out << done.err;
  EXPECT_THAT(done.err, ::testing::HasSubstr("pid"));
  EXPECT_EQ(AppDb(db_).run("INSERT INTO account(owner) VALUES('goes on')"), "");
  target_exec("SET statement_timeout='2s'; SELECT nextval('public.item_id_seq')");
  ASSERT_TRUE(holder.exec("COMMIT"));
  EXPECT_EQ(crossfade({"cutover", db_, "--json"}).code, 0) << engine_->err();
}

}  // namespace
}  // namespace crossfade::testing
