// Promise: while indexes are built rows are compared already, with the verdict that they would have
// had later; where that is not possible they are compared later.
//
// Part of the builds that have the fault points compiled in (CROSSFADE_FAULTS) only: the points
// make the build of the indexes last, and say when a chunk was compared.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <nlohmann/json.hpp>

#include "tests/support/connect.h"
#include "tests/support/move_test.h"
#include "tests/support/wait.h"

namespace crossfade::testing {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kIndexesTakeLong = "live.before_commit:delay=1500";
constexpr const char* kComparedMeanwhile = "pass verify.chunk catching_up\n";

class EarlyRoundTest : public MoveTest {
 protected:
  void SetUp() override {
    MoveTest::SetUp();
    if (IsSkipped()) return;
    app("CREATE TABLE note(id INTEGER PRIMARY KEY, body TEXT, n INT); CREATE INDEX note_n ON "
        "note(n);"
        "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 10000) "
        "INSERT INTO note SELECT i, 'note ' || i, i % 7 FROM c");
  }

  // `run --until verified` with these faults; what was passed is in trace_.
  [[nodiscard]] Process start(const std::string& faults) const {
    Process::Options options =
        crossfade_command({"run", db_, "--target", url_, "--until", "verified", "--json"});
    options.env["CROSSFADE_FAULT"] = faults;
    options.env["CROSSFADE_FAULT_TRACE"] = trace_;
    return Process(options);
  }

  // Up to where the rows are there, and no index is.
  void copy_only() const {
    Process first = start("live.before_commit");
    ASSERT_EQ(first.wait(seconds(30)), 70) << first.err();
    write_bytes(trace_, "");
  }

  std::string trace_ = dir_.file("trace");
};

TEST_F(EarlyRoundTest, RowsAreComparedWhileIndexesAreBuilt) {
  Process run = start(kIndexesTakeLong);
  ASSERT_EQ(run.wait(seconds(30)), 0) << run.err();
  EXPECT_THAT(read_bytes(trace_), HasSubstr(kComparedMeanwhile));
  const auto verified = nlohmann::json::parse(run.out());
  EXPECT_EQ(verified.at("rows"), 10000) << verified;
  EXPECT_EQ(target_value("SELECT count(*) FROM pg_indexes WHERE indexname = 'note_n'"), "1");
}

TEST_F(EarlyRoundTest, ADifferenceIsFoundMeanwhile) {
  copy_only();
  target_exec("UPDATE public.note SET body = 'another' WHERE id = 7777");
  Process run = start(kIndexesTakeLong);
  ASSERT_EQ(run.wait(seconds(30)), 4) << run.out() << run.err();
  EXPECT_THAT(read_bytes(trace_), HasSubstr(kComparedMeanwhile));
  EXPECT_THAT(run.out() + run.err(), HasSubstr("id=7777"));
}

// The chunk at hand is compared anew, on the engine's own connection.
TEST_F(EarlyRoundTest, ALostSecondConnectionCostsNothing) {
  Process run = start(std::string(kIndexesTakeLong) + ";verify.chunk@catching_up:delay=1000");
  ASSERT_TRUE(wait_until(
      [&] {
        return target_value(
                   "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE "
                   "application_name = 'crossfade verify' AND datname = current_database()") == "1";
      },
      seconds(20)))
      << run.err();
  ASSERT_EQ(run.wait(seconds(30)), 0) << run.err();
  EXPECT_EQ(nlohmann::json::parse(run.out()).at("rows"), 10000) << run.out();
  EXPECT_THAT(read_bytes(trace_), HasSubstr("pass verify.chunk following\n"));
}

// Nobody reads a table while a lock is wanted on it that no reader shares.
TEST_F(EarlyRoundTest, AUniqueKeyIsMadeWithoutReaders) {
  app("CREATE TABLE account(id INTEGER PRIMARY KEY, name TEXT UNIQUE);"
      "INSERT INTO account SELECT id, body FROM note");
  Process run = start(kIndexesTakeLong);
  ASSERT_EQ(run.wait(seconds(30)), 0) << run.err();
  EXPECT_THAT(run.err(), Not(HasSubstr("waiting for locks")));
  EXPECT_EQ(nlohmann::json::parse(run.out()).at("rows"), 20000) << run.out();
}

// They are after the verdict, or in it; lost they are not.
TEST_F(EarlyRoundTest, WhatIsWrittenMeanwhileIsAppliedLater) {
  copy_only();
  Process run = start(kIndexesTakeLong);
  ASSERT_TRUE(
      wait_until([&] { return read_bytes(trace_).find(kComparedMeanwhile) != std::string::npos; },
                 seconds(20)))
      << run.err();
  app("DELETE FROM note WHERE id % 10 = 0; INSERT INTO note VALUES(10001, 'late', 1)");
  ASSERT_EQ(run.wait(seconds(30)), 0) << run.err();
  ASSERT_EQ(run_until_verified().code, 0);
  expect_becomes_equal();
}

// What somebody had compared who gave up is not what the next verification says.
class WithdrawnRoundTest : public EarlyRoundTest {
 protected:
  void follow_slowly_comparing_in(const std::string& phase) {
    Process::Options options = crossfade_command({"run", db_, "--target", url_});
    options.env["CROSSFADE_FAULT"] = "verify.chunk@" + phase + ":delay=1000";
    options.env["CROSSFADE_FAULT_TRACE"] = trace_;
    engine_ = std::make_unique<Process>(options);
    ASSERT_TRUE(await_phase("following"));
  }

  // Asks for it, and goes away in the middle of the comparison.
  void withdraw(const std::string& verb) {
    Process asking(crossfade_command({verb, db_}));
    ASSERT_TRUE(wait_until(
        [&] { return read_bytes(trace_).find("fired verify.chunk") != std::string::npos; },
        seconds(20)))
        << engine_->err();
    asking.signal(SIGKILL);
    ASSERT_TRUE(wait_until(
        [&] { return engine_->err().find("is gone: it is not done") != std::string::npos; },
        seconds(20)))
        << engine_->err();
  }

  void expect_found_different() const {
    const Finished verify = crossfade({"verify", db_, "--json"});
    EXPECT_EQ(verify.code, 4) << verify.out << verify.err;
  }
};

TEST_F(WithdrawnRoundTest, AVerificationAfterACutoverIsOfNow) {
  follow_slowly_comparing_in("following");
  withdraw("cutover");
  target_exec("UPDATE public.note SET body = 'another' WHERE id = 7");
  expect_found_different();
}

TEST_F(WithdrawnRoundTest, AVerificationAfterARollbackIsOfNow) {
  follow_slowly_comparing_in("reversed");
  ASSERT_EQ(crossfade({"cutover", db_}).code, 0) << engine_->err();
  ASSERT_TRUE(await_phase("reversed"));
  withdraw("rollback");
  // A rewritten table is a change that neither a stream nor a trigger tells.
  target_exec(
      "ALTER TABLE public.note ALTER COLUMN body TYPE text USING CASE id WHEN 7 THEN 'another' "
      "ELSE body END");
  expect_found_different();
}

}  // namespace
}  // namespace crossfade::testing
