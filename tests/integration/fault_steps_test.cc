// Promise: what comes between two steps of a change of sides is not lost on it.
//
// Part of the builds that have the fault points compiled in (CROSSFADE_FAULTS) only.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <nlohmann/json.hpp>

#include "engine/core/limits.h"
#include "tests/support/connect.h"
#include "tests/support/move_test.h"
#include "tests/support/wait.h"

namespace crossfade::testing {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::Not;

class FaultStepsTest : public MoveTest {
 protected:
  void follow_with(const std::string& fault) {
    Process::Options options = crossfade_command({"run", db_, "--target", url_});
    options.env["CROSSFADE_FAULT"] = fault;
    options.env["CROSSFADE_FAULT_TRACE"] = trace_;
    engine_ = std::make_unique<Process>(options);
    ASSERT_TRUE(await_phase("following")) << engine_->err();
  }

  [[nodiscard]] bool await_fired(const std::string& point) const {
    return wait_until(
        [&] { return read_bytes(trace_).find("fired " + point) != std::string::npos; },
        seconds(60));
  }

  std::string trace_ = dir_.file("trace");
};

// More rows than can be held for the last comparison (10 * limits::kDirtyKeysMax).
class ManyChangedRowsTest : public FaultStepsTest {
 protected:
  void make_rows() {
    app("CREATE TABLE t(id INTEGER PRIMARY KEY, n INT);"
        "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 205000) "
        "INSERT INTO t SELECT i, 0 FROM c");
  }
  static void expect_steps_back(Process* asking) {
    EXPECT_EQ(asking->wait(seconds(90)), 8) << asking->out() << asking->err();
    EXPECT_THAT(asking->err(), HasSubstr("more than 200000 rows were changed"));
  }
};

// They come after the gate has looked at how many there are.
TEST_F(ManyChangedRowsTest, ACutoverDoesNotTakeThemForNone) {
  make_rows();
  follow_with("cutover.gate:delay=3000");
  Process cutover(crossfade_command({"cutover", db_, "--max-pause", "30000"}));
  ASSERT_TRUE(await_fired("cutover.gate")) << engine_->err();
  app("UPDATE t SET n = 1");
  expect_steps_back(&cutover);
  EXPECT_EQ(crossfade({"cutover", db_}, seconds(60)).code, 0) << engine_->err();
}

TEST_F(ManyChangedRowsTest, ARollbackDoesNotTakeThemForNone) {
  make_rows();
  follow_with("rollback.gate:delay=3000");
  ASSERT_EQ(crossfade({"cutover", db_}, seconds(60)).code, 0) << engine_->err();
  ASSERT_TRUE(await_phase("reversed"));
  Process rollback(crossfade_command({"rollback", db_, "--max-pause", "30000"}));
  ASSERT_TRUE(await_fired("rollback.gate")) << engine_->err();
  target_exec("UPDATE public.t SET n = 1");
  expect_steps_back(&rollback);
  EXPECT_EQ(crossfade({"rollback", db_}, seconds(60)).code, 0) << engine_->err();
}

// In a cutover from dual writes nobody stops on PostgreSQL: numbers that its sequences give out
// meanwhile are not given out again.
TEST_F(FaultStepsTest, NumbersTakenDuringACutoverFromDualWritesStayTaken) {
  app("CREATE TABLE note(id INTEGER PRIMARY KEY, body TEXT);"
      "CREATE TABLE task(id INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT);"
      "INSERT INTO note(body) VALUES('a'),('b'); INSERT INTO task(body) VALUES('a'),('b')");
  Process::Options options = crossfade_command({"run", db_, "--target", url_, "--mode", "dual"});
  options.env["CROSSFADE_FAULT"] = "cutover.joined:delay=1500";
  options.env["CROSSFADE_FAULT_TRACE"] = trace_;
  engine_ = std::make_unique<Process>(options);
  ASSERT_TRUE(await_phase("dual")) << engine_->err();
  Process cutover(crossfade_command({"cutover", db_, "--max-pause", "10000"}));
  ASSERT_TRUE(await_fired("cutover.joined")) << engine_->err();
  const auto insert = [&](const std::string& body) {
    for (const char* table : {"note", "task"}) {
      target_exec(fmt::format("INSERT INTO public.{}(body) SELECT '{}' FROM generate_series(1,5)",
                              table, body));
    }
  };
  insert("meanwhile");
  ASSERT_EQ(cutover.wait(seconds(60)), 0) << cutover.err() << engine_->err();
  insert("after");
  EXPECT_EQ(target_value("SELECT count(*) FROM public.note"), "12");
  EXPECT_EQ(target_value("SELECT count(*) FROM public.task"), "12");
}

class DualBacklogTest : public FaultStepsTest, public ::testing::WithParamInterface<const char*> {};

// SQLite's writers wait behind that lock for 5 s at most: a log of hours takes longer to read.
TEST_P(DualBacklogTest, WithConflictsIsReadBeforeSqliteIsLocked) {
  constexpr int kRows = 1'500;
  app(
      fmt::format("CREATE TABLE t(id INTEGER PRIMARY KEY, pad TEXT, n INT UNIQUE);"
                  "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < {}) "
                  "INSERT INTO t SELECT i, hex(randomblob(4000)), i FROM c",
                  kRows));
  const std::string rules = dir_.file("rules.toml");
  write_bytes(rules, fmt::format("[defaults]\nconflict = \"{}\"\n", GetParam()));
  Process::Options options =
      crossfade_command({"run", db_, "--target", url_, "--mode", "dual", "--rules", rules});
  engine_ = std::make_unique<Process>(options);
  ASSERT_TRUE(await_phase("dual")) << engine_->err();
  engine_->signal(SIGTERM);
  ASSERT_EQ(engine_->wait(seconds(30)), 0) << engine_->err();
  app("UPDATE t SET pad = hex(randomblob(4000)), n = n + 10000");
  app("UPDATE t SET pad = hex(randomblob(4000))");
  // Each has what SQLite gave to its neighbour.
  target_exec("UPDATE public.t SET pad = 'there', n = n + 10001 WHERE id % 50 = 0");
  options.env["CROSSFADE_FAULT"] = "dual.backlog.locked:die";
  options.env["CROSSFADE_FAULT_TRACE"] = trace_;
  engine_ = std::make_unique<Process>(options);
  expect_becomes_equal(seconds(120));
  EXPECT_THAT(read_bytes(trace_), Not(HasSubstr("fired")));
  EXPECT_GE(std::stoll(target_value("SELECT count(*) FROM crossfade.conflicts")), kRows / 50);
  EXPECT_EQ(target_value("SELECT count(*) FROM public.t WHERE pad = 'there'"),
            GetParam() == std::string("source_wins") ? "0" : std::to_string(kRows / 50));
}

INSTANTIATE_TEST_SUITE_P(ByPolicy, DualBacklogTest, ::testing::Values("source_wins", "target_wins"),
                         [](const auto& each) { return std::string(each.param); });

// What was written for a decision that one side then refused is undone: a change of SQLite's that
// comes later in the log is not taken for one that PostgreSQL has.
TEST_F(FaultStepsTest, WhatADecisionWroteBeforeItWasRefusedIsNotTakenForDone) {
  app("CREATE TABLE u(id INTEGER PRIMARY KEY, a INT UNIQUE, b INT UNIQUE);"
      "CREATE TABLE filler(id INTEGER PRIMARY KEY, pad TEXT);"
      "INSERT INTO u VALUES(1,1,1),(2,2,2),(3,3,3),(4,4,4)");
  const std::string rules = dir_.file("rules.toml");
  write_bytes(rules, "[defaults]\nconflict = \"source_wins\"\n");
  const std::vector<std::string> run = {"run",    db_,    "--target", url_,
                                        "--mode", "dual", "--rules",  rules};
  engine_ = std::make_unique<Process>(crossfade_command(run));
  ASSERT_TRUE(await_phase("dual")) << engine_->err();
  engine_->signal(SIGTERM);
  ASSERT_EQ(engine_->wait(seconds(30)), 0) << engine_->err();
  target_exec(
      "UPDATE public.u SET a=100 WHERE id=2; UPDATE public.u SET b=200 WHERE id=3;"
      "UPDATE public.u SET a=300 WHERE id=4");
  // The values of rows 2 and 3 there. Row 2 could give way to it, row 3 not: its own new value is
  // row 4's there.
  app("UPDATE u SET a=100, b=200 WHERE id=1");
  app(
      fmt::format("WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < {}) "
                  "INSERT INTO filler SELECT i, hex(randomblob(50000)) FROM c",
                  2 * limits::kDualPendingBytesMax / 100'000));
  app("UPDATE u SET b=22 WHERE id=2; UPDATE u SET a=300 WHERE id=3");
  engine_ = std::make_unique<Process>(crossfade_command(run));
  const std::string rows = "SELECT id||' '||a||' '||b FROM {}u WHERE id={}";
  for (const int id : {2, 3, 4}) {
    EXPECT_TRUE(wait_until(
        [&] {
          return target_value(fmt::format(fmt::runtime(rows), "public.", id)) ==
                 AppDb(db_).value(fmt::format(fmt::runtime(rows), "", id));
        },
        seconds(20)))
        << target_value(fmt::format(fmt::runtime(rows), "public.", id)) << " is not "
        << AppDb(db_).value(fmt::format(fmt::runtime(rows), "", id)) << engine_->err();
  }
  EXPECT_EQ(target_value("SELECT key::text FROM crossfade.conflicts WHERE state='waiting'"),
            "id=1");
}

// Whatever PostgreSQL ends of it: following goes on, and so does another cutover.
TEST_F(FaultStepsTest, AStatementThatIsCancelledStepsACutoverBack) {
  make_shop();
  follow_with("cutover.gate:delay=1000");
  Process cutover(crossfade_command({"cutover", db_}));
  ASSERT_TRUE(await_fired("cutover.gate")) << engine_->err();
  app("UPDATE purchase SET cents = cents + 1");
  auto admin = connect_or_die(url_);
  std::optional<int> code;
  while (!(code = cutover.wait(std::chrono::milliseconds(1)))) {
    ASSERT_TRUE(
        admin.exec("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE "
                   "application_name = 'crossfade' AND state = 'active' AND "
                   "datname = current_database() AND pid <> pg_backend_pid()"));
  }
  EXPECT_TRUE(*code == 8 || *code == 0) << cutover.err();
  ASSERT_EQ(engine_->wait(std::chrono::milliseconds(200)), std::nullopt) << engine_->err();
  EXPECT_EQ(crossfade({"cutover", db_}, seconds(60)).code, 0) << engine_->err();
}

// The target comes back before SQLite was opened: it is not the primary for that, and SQLite is
// opened by the same command.
class TargetLostHalfWayTest : public FaultStepsTest {
 protected:
  static void as_admin(const std::string& sql) {
    const auto done = connect_or_die(TestCluster::admin_url()).exec(sql);
    ASSERT_TRUE(done) << describe(done.error());
  }
  [[nodiscard]] std::string database() const {
    const size_t from = url_.find("@/") + 2;
    return url_.substr(from, url_.find('?') - from);
  }
};

TEST_F(TargetLostHalfWayTest, NeverLeavesBothSidesOpen) {
  make_shop();
  follow_with("cutover.publish:delay=1");
  ASSERT_EQ(crossfade({"cutover", db_}).code, 0) << engine_->err();
  ASSERT_TRUE(await_phase("reversed"));
  EXPECT_EQ(stop_engine(), 0);
  engine_.reset();
  as_admin("ALTER DATABASE " + database() + " RENAME TO " + database() + "_lost");
  Process::Options options = crossfade_command({"rollback", db_, "--target-lost"});
  options.env["CROSSFADE_FAULT"] = "target_lost.noted";
  EXPECT_EQ(run_process(std::move(options)).code, 70);
  as_admin("ALTER DATABASE " + database() + "_lost RENAME TO " + database());
  for (const char* verb : {"run", "verify", "rollback"}) {
    const Finished refused = crossfade({verb, db_});
    EXPECT_EQ(refused.code, 3) << verb << refused.out;
    EXPECT_THAT(refused.err, HasSubstr("was given up")) << verb;
  }
  EXPECT_NE(AppDb(db_).run("INSERT INTO journal VALUES(1,'x')"), "");
  const Finished again = crossfade({"rollback", db_, "--target-lost"});
  EXPECT_EQ(again.code, 0) << again.err;
  app("INSERT INTO journal VALUES(2,'goes on')");
}

}  // namespace
}  // namespace crossfade::testing
