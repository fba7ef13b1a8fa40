// Promise: status and route answer with the fields that scripts rely on, whether or not an engine
// runs, and route --wait returns when PostgreSQL becomes primary.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <cstdlib>
#include <filesystem>

#include "tests/support/move_test.h"
#include "tests/support/wait.h"

namespace crossfade::testing {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::seconds;

class StatusRouteTest : public MoveTest {
 protected:
  static void expect_contract(const json& status) {
    ASSERT_TRUE(status.is_object());
    for (const char* field : {"phase", "primary"}) {
      EXPECT_TRUE(status.contains(field) && status[field].is_string()) << field;
    }
    for (const char* field : {"epoch", "captured_lsn", "applied_lsn", "verified_lsn", "lag_changes",
                              "lag_ms", "rows_copied", "rows_total", "quarantined", "conflicts"}) {
      EXPECT_TRUE(status.contains(field) && status[field].is_number_integer()) << field;
    }
    // Not known while nothing is being copied.
    EXPECT_TRUE(status.contains("eta_s") &&
                (status["eta_s"].is_null() || status["eta_s"].is_number()));
  }
};

TEST_F(StatusRouteTest, BeforeAnythingWasDone) {
  make_shop();
  const std::string before = listing(dir_.path());
  expect_contract(status());
  EXPECT_EQ(status().at("primary"), "sqlite");
  const json route = json::parse(crossfade({"route", db_, "--json"}).out);
  EXPECT_EQ(route.at("primary"), "sqlite");
  EXPECT_EQ(route.at("epoch"), 0);
  EXPECT_TRUE(route.contains("url"));
  EXPECT_EQ(listing(dir_.path()), before) << "asking touches nothing";
}

TEST_F(StatusRouteTest, LiveAndNotRunningSayTheSame) {
  make_shop();
  follow();
  app("INSERT INTO journal VALUES(3,'x')");
  expect_becomes_equal();
  const json live = status();
  expect_contract(live);
  EXPECT_EQ(live.at("phase"), "following");
  EXPECT_TRUE(live.at("running"));
  EXPECT_EQ(live.at("lag_changes"), 0);
  EXPECT_EQ(live.at("lag_ms"), 0);
  EXPECT_GT(live.at("verified_lsn").get<int64_t>(), 0);
  EXPECT_GE(live.at("applied_lsn").get<int64_t>(), live.at("verified_lsn").get<int64_t>());
  ASSERT_EQ(stop_engine(), 0);
  const json at_rest = status();
  expect_contract(at_rest);
  EXPECT_FALSE(at_rest.at("running"));
  for (const char* field : {"phase", "primary", "epoch", "captured_lsn", "applied_lsn",
                            "verified_lsn", "rows_copied", "rows_total", "quarantined"}) {
    EXPECT_EQ(at_rest.at(field), live.at(field)) << field;
  }
  EXPECT_NE(crossfade({"status", db_}).out, "") << "and as text";
}

// The private server was stopped behind the engine's back: it says so, and starts it again.
TEST_F(StatusRouteTest, AnEmbeddedServerThatWentAwayIsStartedAgain) {
  make_shop();
  std::filesystem::permissions(dir_.path(), std::filesystem::perms(0755));
  Process engine(crossfade_command({"run", db_, "--target", "embedded"}));
  const auto follows = [&] {
    const json now = status();
    return now.at("running") == true && now.at("phase") == "following" && now.at("trouble") == "";
  };
  ASSERT_TRUE(wait_until(follows, seconds(30))) << engine.err();
  const std::string pid_file = db_ + ".crossfade/postgresql/data/postmaster.pid";
  const int first = std::atoi(read_bytes(pid_file).c_str());
  ASSERT_GT(first, 1);
  ::kill(first, SIGINT);
  app("INSERT INTO journal VALUES(3,'while it was away')");
  EXPECT_TRUE(wait_until(
      [&] {
        const json now = status();
        return now.at("trouble") == "" && now.at("lag_changes") == 0 && now.at("applied_lsn") > 0 &&
               std::atoi(read_bytes(pid_file).c_str()) != first;
      },
      seconds(30)))
      << engine.err();
  const auto told = std::chrono::steady_clock::now();
  engine.signal(SIGTERM);
  EXPECT_EQ(engine.wait(seconds(10)), 0) << engine.err();
  EXPECT_LT(std::chrono::steady_clock::now() - told, seconds(5));
  EXPECT_TRUE(wait_until([&] { return !std::filesystem::exists(pid_file); }, seconds(20)));
}

// An engine that runs, and one that was killed: its socket is still there.
TEST_F(StatusRouteTest, AKilledEngineIsNotTakenForARunningOne) {
  make_shop();
  follow();
  engine_->signal(SIGKILL);
  ASSERT_TRUE(engine_->wait(seconds(5)).has_value());
  const json now = status();
  expect_contract(now);
  EXPECT_FALSE(now.at("running"));
}

TEST_F(StatusRouteTest, WritesWhileNothingRunsAreLag) {
  make_shop();
  ASSERT_EQ(run_until_verified().code, 0);
  app("UPDATE purchase SET cents=1 WHERE id<=40");
  EXPECT_EQ(status().at("lag_changes"), 40);
}

TEST_F(StatusRouteTest, RunUntilVerifiedEndsWithStatusAndVerifyInOneDocument) {
  make_shop();
  const Finished done = run_until_verified();
  ASSERT_EQ(done.code, 0) << done.err;
  const json document = json::parse(done.out);
  expect_contract(document);
  EXPECT_EQ(document.at("verdict"), "equal");
  EXPECT_EQ(document.at("rows"), 225);
  ASSERT_EQ(document.at("tables").size(), 4U);
  for (const json& table : document.at("tables")) {
    for (const char* field :
         {"name", "rows_source", "rows_target", "missing", "extra", "changed", "samples"}) {
      EXPECT_TRUE(table.contains(field)) << field;
    }
  }
}

TEST_F(StatusRouteTest, VerifyNamesWhatDiffersAndEndsWithFour) {
  make_shop();
  follow();
  target_exec("UPDATE public.purchase SET cents=-5 WHERE id=17");
  target_exec("DELETE FROM public.setting WHERE name='theme'");
  target_exec("INSERT INTO public.customer(id,name) VALUES(77,'Nobody')");
  const Finished done = crossfade({"verify", db_, "--json"});
  EXPECT_EQ(done.code, 4) << done.err;
  const json document = json::parse(done.out);
  EXPECT_EQ(document.at("verdict"), "different");
  std::map<std::string, json> tables;
  for (const json& table : document.at("tables")) tables[table.at("name")] = table;
  EXPECT_EQ(tables["purchase"].at("changed"), 1);
  EXPECT_THAT(tables["purchase"].at("samples").dump(), ::testing::HasSubstr("17"));
  EXPECT_EQ(tables["setting"].at("missing"), 1);
  EXPECT_THAT(tables["setting"].at("samples").dump(), ::testing::HasSubstr("theme"));
  EXPECT_EQ(tables["customer"].at("extra"), 1);
  EXPECT_EQ(tables["journal"].at("changed"), 0);
  const Finished cutover = crossfade({"cutover", db_, "--no-rollback"});
  EXPECT_EQ(cutover.code, 8) << "and there is no cutover onto that";
  EXPECT_EQ(status().at("primary"), "sqlite");
}

TEST_F(StatusRouteTest, WaitReturnsWhenPostgresBecomesPrimary) {
  make_shop();
  follow();
  const auto began = Deadline::Clock::now();
  EXPECT_EQ(crossfade({"route", db_, "--wait", "--timeout", "0.3", "--json"}).code, 9);
  EXPECT_GE(Deadline::Clock::now() - began, milliseconds(300));
  Process waiting(crossfade_command({"route", db_, "--wait", "--json"}));
  EXPECT_FALSE(waiting.wait(milliseconds(300)).has_value());
  ASSERT_EQ(crossfade({"cutover", db_, "--no-rollback"}).code, 0);
  ASSERT_EQ(waiting.wait(seconds(5)), 0) << waiting.err();
  const json route = json::parse(waiting.out());
  EXPECT_EQ(route.at("primary"), "postgres");
  EXPECT_EQ(route.at("epoch"), 1);
  EXPECT_THAT(route.at("url").get<std::string>(), ::testing::HasSubstr("test_"));
  EXPECT_EQ(crossfade({"route", db_, "--wait"}).code, 0) << "at once";
}

}  // namespace
}  // namespace crossfade::testing
