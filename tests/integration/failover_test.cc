// Promise: a replica that takes over goes on as the target. What it lacks of what was applied is
// copied anew while SQLite is the primary; and without the slot there is no way back, which is
// said.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <cstdlib>
#include <fstream>
#include <optional>

#include "engine/postgres/embedded.h"
#include "tests/support/connect.h"
#include "tests/support/move_test.h"
#include "tests/support/reaper.h"
#include "tests/support/wait.h"

namespace crossfade::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Two servers, of which one follows the other, behind one URL that names both.
class FailoverTest : public MoveTest {
 protected:
  void SetUp() override {
    MoveTest::SetUp();
    if (url_.empty()) return;
    shared_url_ = url_;
    // The servers' user must get through to their folders.
    ASSERT_EQ(::chmod(dir_.path().c_str(), 0711), 0);
    start(&first_, "first");
    ASSERT_TRUE(first_->stop());
    const std::string second = dir_.file("second");
    ASSERT_EQ(run_process({{"cp", "-a", dir_.file("first"), second}, {}, {}, {}}).code, 0);
    reap_at_exit(second);
    std::ofstream(second + "/data/standby.signal").close();
    std::ofstream(second + "/data/postgresql.conf", std::ios::app) << fmt::format(
        "\nprimary_conninfo = 'host={} port=5432 user=crossfade'\n", dir_.file("first"));
    start(&first_, "first");
    start(&second_, "second");
    url_ = fmt::format(
        "postgresql://crossfade@/crossfade?host={},{}&port=5432&target_session_attrs=read-write",
        dir_.file("first"), dir_.file("second"));
  }
  void TearDown() override {
    if (engine_) (void)stop_engine();
    if (first_) (void)first_->destroy();
    if (second_) (void)second_->destroy();
    url_ = shared_url_;
    MoveTest::TearDown();
  }
  void start(std::optional<postgres::EmbeddedCluster>* server, const char* name) {
    const std::string folder = dir_.file(name);
    reap_at_exit(folder);
    auto started = postgres::EmbeddedCluster::start({folder, "crossfade", {}});
    ASSERT_TRUE(started) << describe(started.error());
    *server = std::move(started).value();
  }
  // The first is gone at once, and does not send what it has not sent.
  void crash_first() {
    const std::string pid_file = dir_.file("first") + "/data/postmaster.pid";
    const int pid = std::atoi(read_bytes(pid_file).c_str());
    ASSERT_GT(pid, 1);
    ASSERT_EQ(::kill(pid, SIGQUIT), 0);
    ASSERT_TRUE(wait_until([&] { return ::kill(pid, 0) != 0; }, seconds(20)));
  }
  void promote_second() {
    auto second = connect_or_die(second_->url());
    ASSERT_TRUE(second.exec("SELECT pg_promote()"));
  }
  [[nodiscard]] std::string of_second(const std::string& sql) const {
    auto second = connect(second_->url());
    if (!second) return "";
    const auto rows = second.value().exec(sql);
    return rows && rows.value().rows() == 1 ? std::string(rows.value().text(0, 0)) : "";
  }

  std::string shared_url_;
  std::optional<postgres::EmbeddedCluster> first_;
  std::optional<postgres::EmbeddedCluster> second_;
};

TEST_F(FailoverTest, AReplicaThatHasEverythingIsFollowedOn) {
  make_shop();
  follow();
  app("UPDATE purchase SET cents=cents+1");
  expect_becomes_equal();
  ASSERT_TRUE(wait_until(
      [&] {
        return of_second("SELECT sum(cents) FROM public.purchase") ==
               target_value("SELECT sum(cents) FROM public.purchase");
      },
      seconds(20)));
  crash_first();
  promote_second();
  app("DELETE FROM purchase WHERE id%5=0; UPDATE purchase SET cents=cents+1");
  expect_becomes_equal(seconds(60));
  EXPECT_EQ(of_second("SELECT count(*) FROM public.purchase"), "160");
}

// Of what was copied, what the replica has is not copied again, and what it lacks is.
TEST_F(FailoverTest, AReplicaThatTakesOverInTheMiddleOfACopyIsCopiedTo) {
  make_shop(400'000);
  engine_ = std::make_unique<Process>(crossfade_command({"run", db_, "--target", url_}));
  ASSERT_TRUE(wait_until(
      [&] {
        return of_second("SELECT phase FROM crossfade.progress") == "copying" &&
               of_second("SELECT EXISTS(SELECT FROM public.purchase)") == "t";
      },
      seconds(30), milliseconds(5)))
      << engine_->err();
  crash_first();
  EXPECT_NE(of_second("SELECT phase FROM crossfade.progress"), "following") << "it came too late";
  promote_second();
  app("UPDATE purchase SET cents=cents+1 WHERE id%100=0; DELETE FROM purchase WHERE id%100=1");
  ASSERT_TRUE(await_phase("following", seconds(60))) << engine_->err();
  expect_becomes_equal(seconds(60));
  EXPECT_EQ(crossfade({"verify", db_}).code, 0);
}

TEST_F(FailoverTest, WhatAReplicaLacksIsCopiedAnew) {
  make_shop();
  follow();
  expect_becomes_equal();
  ASSERT_TRUE(
      wait_until([&] { return of_second("SELECT phase FROM crossfade.progress") == "following"; },
                 seconds(20)));
  ASSERT_TRUE(second_->stop());
  // Applied by the first, and deleted from the log: the second never hears of it.
  for (int i = 0; i < 3; ++i) app("UPDATE purchase SET cents=cents+1");
  ASSERT_TRUE(wait_until(
      [&] { return AppDb(db_).value("SELECT count(*) FROM _crossfade_log") == "1"; }, seconds(20)));
  crash_first();
  start(&second_, "second");
  promote_second();
  expect_becomes_equal(seconds(60));
  const Finished shown = crossfade({"audit", "show", db_});
  EXPECT_NE(shown.out.find("target_went_back"), std::string::npos) << shown.out;
  app("UPDATE purchase SET cents=cents+1");
  expect_becomes_equal();
}

TEST_F(FailoverTest, AfterACutoverAReplicaWithoutTheSlotIsNamed) {
  make_shop();
  follow();
  const Finished cut = crossfade({"cutover", db_});
  ASSERT_EQ(cut.code, 0) << cut.out << cut.err;
  target_exec("UPDATE public.purchase SET cents=cents+1");
  const std::string sum = target_value("SELECT sum(cents) FROM public.purchase");
  ASSERT_TRUE(wait_until(
      [&] {
        return of_second("SELECT sum(cents) FROM public.purchase") == sum &&
               AppDb(db_).value("SELECT sum(cents) FROM purchase") == sum;
      },
      seconds(30)));
  crash_first();
  promote_second();
  EXPECT_EQ(engine_->wait(seconds(60)), 3) << engine_->err();
  EXPECT_NE(engine_->err().find("slot"), std::string::npos) << engine_->err();
  engine_.reset();
  const Finished refused = crossfade({"rollback", db_});
  EXPECT_EQ(refused.code, 3) << refused.out << refused.err;
  EXPECT_EQ(AppDb(db_).value("SELECT sum(cents) FROM purchase"), sum) << "nothing is overwritten";
  EXPECT_EQ(target_value("SELECT sum(cents) FROM public.purchase"), sum);
  target_exec("UPDATE public.purchase SET cents=cents+1");  // the application writes on
  EXPECT_EQ(crossfade({"finish", db_}).code, 0);
}

}  // namespace
}  // namespace crossfade::testing
