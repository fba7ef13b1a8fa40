// Promise: finish removes every trace from both sides, says what it removed, and can be repeated.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/support/move_test.h"
#include "tests/support/oracle.h"

namespace crossfade::testing {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class FinishTest : public MoveTest {
 protected:
  void expect_no_traces() const {
    EXPECT_EQ(traces_in_source(), "");
    EXPECT_EQ(target_value("SELECT to_regnamespace('crossfade')"), "");
  }
};

TEST_F(FinishTest, BeforeACutoverNothingIsLeft) {
  make_shop();
  app("PRAGMA journal_mode=DELETE");
  ASSERT_EQ(run_until_verified().code, 0);
  ASSERT_EQ(AppDb(db_).value("PRAGMA journal_mode"), "wal");
  const Finished done = crossfade({"finish", db_, "--json"});
  ASSERT_EQ(done.code, 0) << done.err;
  const json removed = json::parse(done.out).at("removed");
  EXPECT_FALSE(removed.at("source").empty());
  EXPECT_FALSE(removed.at("target").empty());
  EXPECT_FALSE(removed.at("state").empty());
  expect_no_traces();
  EXPECT_EQ(AppDb(db_).value("PRAGMA journal_mode"), "delete") << "as it was";
  EXPECT_FALSE(std::filesystem::exists(db_ + ".crossfade/target"));
  EXPECT_FALSE(std::filesystem::exists(db_ + ".crossfade/route"));
  app("INSERT INTO journal VALUES(1,'free')");
  EXPECT_EQ(target_value("SELECT count(*) FROM public.purchase"), "200") << "the data stays";
}

TEST_F(FinishTest, WhatTheWayBackKeepsGoesToo) {
  make_shop();
  ASSERT_EQ(run_until_verified().code, 0);
  const Finished inspected = crossfade({"inspect", db_, "--json"});
  EXPECT_EQ(inspected.out.find("_crossfade_reverse"), std::string::npos) << inspected.out;
  const Finished done = crossfade({"finish", db_});
  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_THAT(done.out, HasSubstr("table _crossfade_reverse"));
  EXPECT_THAT(done.out, HasSubstr("table _crossfade_misfits"));
  expect_no_traces();
}

TEST_F(FinishTest, AgainThereIsNothingToRemove) {
  make_shop();
  ASSERT_EQ(run_until_verified().code, 0);
  ASSERT_EQ(crossfade({"finish", db_}).code, 0);
  const Finished again = crossfade({"finish", db_, "--target", url_, "--json"});
  EXPECT_EQ(again.code, 0) << again.err;
  const json removed = json::parse(again.out).at("removed");
  EXPECT_TRUE(removed.at("source").empty()) << again.out;
  EXPECT_TRUE(removed.at("target").empty()) << again.out;
  expect_no_traces();
}

TEST_F(FinishTest, NeverBegunThereIsNothingToRemoveEither) {
  make_shop();
  const std::string before = listing(dir_.path());
  EXPECT_EQ(crossfade({"finish", db_}).code, 0);
  EXPECT_EQ(listing(dir_.path()), before);
}

TEST_F(FinishTest, AfterACutoverTheFenceGoesToo) {
  make_shop();
  ASSERT_EQ(run_until_verified().code, 0);
  ASSERT_EQ(crossfade({"cutover", db_, "--no-rollback"}).code, 0);
  ASSERT_EQ(crossfade({"finish", db_}).code, 0);
  expect_no_traces();
  const json route = json::parse(crossfade({"route", db_, "--json"}).out);
  EXPECT_EQ(route.at("primary"), "postgres") << "clients still ask";
  EXPECT_EQ(compare_databases(db_, url_), "");
  EXPECT_EQ(crossfade({"finish", db_}).code, 0);
}

TEST_F(FinishTest, TheFenceCanBeKept) {
  make_shop();
  ASSERT_EQ(run_until_verified().code, 0);
  ASSERT_EQ(crossfade({"cutover", db_, "--no-rollback"}).code, 0);
  const Finished done = crossfade({"finish", db_, "--keep-fence"});
  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_THAT(done.out, HasSubstr("fence was kept"));
  for (const char* sql : {"INSERT INTO journal VALUES(1,'x')", "DELETE FROM purchase",
                          "UPDATE setting SET value=1"}) {
    EXPECT_EQ(AppDb(db_).run(sql), "no such function: crossfade_moved_to_postgresql") << sql;
  }
  EXPECT_EQ(AppDb(db_).value("SELECT count(*) FROM purchase"), "200");
  EXPECT_EQ(target_value("SELECT to_regnamespace('crossfade')"), "");
  EXPECT_EQ(AppDb(db_).value("SELECT count(*) FROM sqlite_master WHERE type='table' AND name LIKE "
                             "'\\_crossfade\\_%' ESCAPE '\\'"),
            "0");
}

TEST_F(FinishTest, NotWhileAnEngineRuns) {
  make_shop();
  follow();
  const Finished done = crossfade({"finish", db_});
  EXPECT_EQ(done.code, 7) << done.out << done.err;
  app("INSERT INTO journal VALUES(1,'x')");
  expect_becomes_equal();
}

TEST_F(FinishTest, TheMoveCanBeginAnewOnAnEmptyTarget) {
  make_shop();
  ASSERT_EQ(run_until_verified().code, 0);
  ASSERT_EQ(crossfade({"finish", db_}).code, 0);
  target_exec("DROP SCHEMA public CASCADE; CREATE SCHEMA public");
  EXPECT_EQ(run_until_verified().code, 0);
  EXPECT_EQ(compare_databases(db_, url_), "");
}

}  // namespace
}  // namespace crossfade::testing
