// Promise: the engine may die at any named fault point. The next run completes or takes back what
// was under way; both sides end equal, and exactly one of them accepts writes.
//
// Part of the builds that have the points compiled in (CROSSFADE_FAULTS) only.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <regex>
#include <set>

#include "tests/support/app_db.h"
#include "tests/support/cluster.h"
#include "tests/support/connect.h"
#include "tests/support/move_test.h"
#include "tests/support/oracle.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"
#include "tests/support/wait.h"

namespace crossfade::testing {
namespace {

namespace fs = std::filesystem;
using std::chrono::seconds;

constexpr int kFaultExit = 70;  // what a fault point ends the process with

const std::vector<std::string>& points() {
  static const std::vector<std::string> kPoints = {"capture.install.before_commit",
                                                   "capture.install.after_commit",
                                                   "reconcile.before_create",
                                                   "reconcile.after_create",
                                                   "copy.chunk.before_commit",
                                                   "copy.chunk.after_commit",
                                                   "copy.key.before_commit",
                                                   "live.before_commit",
                                                   "apply.pipeline.before",
                                                   "apply.pipeline.after",
                                                   "apply.sets.table",
                                                   "apply.commit.before",
                                                   "apply.commit.after",
                                                   "cutover.locked",
                                                   "cutover.compared",
                                                   "cutover.fence.before_commit",
                                                   "cutover.fence.after_commit",
                                                   "cutover.flip.before_commit",
                                                   "cutover.flip.after_commit"};
  return kPoints;
}

const std::vector<std::string>& points_of_the_way_back() {
  static const std::vector<std::string> kPoints = {"reverse.slot.made",
                                                   "reverse.outbox.made",
                                                   "reverse.commit.before",
                                                   "reverse.commit.after",
                                                   "rollback.locked",
                                                   "rollback.compared",
                                                   "rollback.flip.before_commit",
                                                   "rollback.flip.after_commit",
                                                   "rollback.opened"};
  return kPoints;
}

const std::vector<std::string>& points_of_dual_writes() {
  static const std::vector<std::string> kPoints = {"dual.commit.before", "dual.commit.after"};
  return kPoints;
}

const std::vector<std::string>& points_of_undo() {
  static const std::vector<std::string> kPoints = {"undo.before_commit", "undo.after_commit"};
  return kPoints;
}

// A test elsewhere has them: what leads there takes more than these tests set up.
const std::set<std::string>& points_with_their_own_test() {
  static const std::set<std::string> kPoints = {"dual.backlog.locked"};  // fault_steps_test.cc
  return kPoints;
}

// A point that a whole life passes is tried in its campaign (fault_campaign_test.cc); what it does
// not come by is in the lists above.
TEST(FaultPointsTest, TheListsAreOfPointsThatThereAre) {
  std::set<std::string> found;
  const std::regex call("fault_point\\(\"([^\"]+)\"\\)");
  for (const char* folder : {"apply", "capture", "engine", "verify"}) {
    const auto root = fs::path(project_file(folder));
    for (const auto& entry : fs::recursive_directory_iterator(root)) {
      if (entry.path().extension() != ".cc") continue;
      const std::string text = read_bytes(entry.path().string());
      for (std::sregex_iterator at(text.begin(), text.end(), call), end; at != end; ++at) {
        found.insert((*at)[1]);
      }
    }
  }
  std::set<std::string> listed(points().begin(), points().end());
  listed.insert(points_of_the_way_back().begin(), points_of_the_way_back().end());
  listed.insert(points_of_dual_writes().begin(), points_of_dual_writes().end());
  listed.insert(points_of_undo().begin(), points_of_undo().end());
  listed.insert(points_with_their_own_test().begin(), points_with_their_own_test().end());
  for (const std::string& point : listed) EXPECT_TRUE(found.contains(point)) << point;
  for (const std::string& point : found) {
    if (point.starts_with("dual.") || point.starts_with("undo.")) {
      EXPECT_TRUE(listed.contains(point)) << point;
    }
  }
}

class FaultPointTest : public MoveTest, public ::testing::WithParamInterface<std::string> {
 protected:
  [[nodiscard]] static Process::Options dying(std::vector<std::string> arguments) {
    Process::Options options = crossfade_command(std::move(arguments));
    options.env["CROSSFADE_FAULT"] = GetParam();
    return options;
  }
  // Lets the engine die at the point, whatever it takes to get there.
  void die() {
    const std::string& point = GetParam();
    if (point.starts_with("cutover.")) {
      ASSERT_EQ(run_until_verified().code, 0);
      const Finished done = run_process(dying({"cutover", db_, "--no-rollback"}));
      ASSERT_EQ(done.code, kFaultExit) << done.err;
    } else if (point.starts_with("apply.")) {
      ASSERT_EQ(run_until_verified().code, 0);
      // Few go as pipelined statements, many as sets.
      const int rows = point.starts_with("apply.pipeline") ? 10 : 1000;
      app(fmt::format("UPDATE purchase SET cents=cents+1 WHERE id<={}", rows));
      const Finished done = run_process(dying({"run", db_, "--until", "verified"}));
      ASSERT_EQ(done.code, kFaultExit) << done.err;
    } else {
      const Finished done =
          run_process(dying({"run", db_, "--target", url_, "--until", "verified"}));
      ASSERT_EQ(done.code, kFaultExit) << done.err;
    }
  }
};

TEST_P(FaultPointTest, TheNextRunPutsItRight) {
  make_shop(1500);
  die();
  if (::testing::Test::HasFatalFailure()) return;
  AppDb db(db_, seconds(2));
  // Before the point of no return the application goes on by itself, but for the moments between
  // fence and flip (docs/cutover.md).
  const bool fenced =
      GetParam() == "cutover.fence.after_commit" || GetParam().starts_with("cutover.flip.");
  const std::string refused = db.run("INSERT INTO journal VALUES(31,'after the crash')");
  EXPECT_EQ(refused, fenced ? "no such function: crossfade_moved_to_postgresql" : "");
  const bool flipped = GetParam() == "cutover.flip.after_commit";
  EXPECT_EQ(crossfade({"run", db_, "--target", url_, "--until", "verified"}).code, 0);
  EXPECT_EQ(compare_databases(db_, url_), "");
  EXPECT_EQ(target_value("SELECT \"primary\" FROM crossfade.route"),
            flipped ? "postgres" : "sqlite");
  EXPECT_EQ(AppDb(db_).run("INSERT INTO journal VALUES(32,'later')").empty(), !flipped);
  // A connection that met the fence keeps the schema that it knew: SQLite does not look again when
  // a function is missing, until a statement of it gets as far as reading.
  EXPECT_NE(db.value("SELECT count(*) FROM journal"), "");
  EXPECT_EQ(db.run("INSERT INTO journal VALUES(32,'later')").empty(), !flipped);
  const auto route = nlohmann::json::parse(crossfade({"route", db_, "--json"}).out);
  EXPECT_EQ(route.at("primary"), flipped ? "postgres" : "sqlite");
  const Finished cutover = crossfade({"cutover", db_, "--no-rollback", "--json"});
  EXPECT_EQ(cutover.code, 0) << cutover.err;
  EXPECT_FALSE(db.run("INSERT INTO journal VALUES(33,'too late')").empty());
  EXPECT_EQ(compare_databases(db_, url_), "");
}

std::string name_of(const ::testing::TestParamInfo<std::string>& param_info) {
  std::string name = param_info.param;
  for (char& c : name) {
    if (c == '.') c = '_';
  }
  return name;
}

INSTANTIATE_TEST_SUITE_P(EveryPoint, FaultPointTest, ::testing::ValuesIn(points()), name_of);

// The engine steps back, follows on, and the next cutover is an ordinary one.
void expect_steps_back_at_the_fence(const char* fault, const char* reason) {
  const TempDir dir;
  const std::string db = dir.file("app.db");
  const std::string url = TestCluster::create_database();
  ASSERT_EQ(AppDb(db).run("CREATE TABLE t(id INTEGER PRIMARY KEY); INSERT INTO t VALUES(1)"), "");
  Process::Options options = crossfade_command({"run", db, "--target", url});
  options.env["CROSSFADE_FAULT"] = fault;
  Process engine(options);
  const auto told = [&](const char* verb, std::vector<std::string> flags = {}) {
    flags.insert(flags.begin(), {verb, db});
    return run_process(crossfade_command(std::move(flags)));
  };
  ASSERT_TRUE(wait_until([&] { return told("verify").code == 0 && engine.running(); }, seconds(30)))
      << engine.err();
  // The engine's own lease would be waited for for longer than the command may take here.
  const Finished first = told("cutover", {"--max-pause", "1000"});
  EXPECT_EQ(first.code, 8) << first.out << first.err;
  EXPECT_NE((first.out + first.err).find(reason), std::string::npos) << first.out << first.err;
  EXPECT_EQ(AppDb(db).run("INSERT INTO t VALUES(2)"), "");
  const Finished second = told("cutover");
  EXPECT_EQ(second.code, 0) << second.out << second.err << engine.err();
  engine.signal(SIGTERM);
  EXPECT_EQ(engine.wait(seconds(20)), 0) << engine.err();
  EXPECT_EQ(told("finish").code, 0);
  TestCluster::drop_database(url);
}

// SQLite that refuses the fence's COMMIT is not waited for.
TEST(FaultPointsTest, ACutoverWhoseFenceFailsStepsBackAtOnce) {
  CROSSFADE_NEEDS_POSTGRES();
  expect_steps_back_at_the_fence("source.commit.before@cutting_over:error", "");
}

// A fence that is late is never seen by the application.
TEST(FaultPointsTest, AFenceThatIsLateIsNotRaised) {
  CROSSFADE_NEEDS_POSTGRES();
  expect_steps_back_at_the_fence("cutover.fence.before_commit:delay=1500",
                                 "raising the fence took longer than allowed");
}

// Whichever read it is: that of the file, or of the backup that was made of it.
TEST(FaultPointsTest, ADiskThatDoesNotAnswerIsNotADamagedFile) {
  CROSSFADE_NEEDS_POSTGRES();
  const TempDir dir;
  constexpr int kExitSource = 5;
  int said = 0;
  for (const char* file : {"source", "state"}) {
    // Others than these open files and look for a journal.
    for (int at = 1; at <= 14; ++at) {
      const std::string db = dir.file(fmt::format("{}{}.db", file, at));
      ASSERT_EQ(AppDb(db).run("CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT); WITH RECURSIVE "
                              "n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<200) INSERT "
                              "INTO t SELECT i,'some text of some length '||i FROM n"),
                "");
      const std::string url = TestCluster::create_database();
      Process::Options options =
          crossfade_command({"run", db, "--target", url, "--until", "verified"});
      options.env["CROSSFADE_FAULT"] = fmt::format("{}.read:{}:error", file, at);
      const Finished done = run_process(std::move(options));
      EXPECT_EQ(done.err.find("damaged: "), std::string::npos) << done.err;
      if (done.err.find("not read: ") != std::string::npos) {
        EXPECT_EQ(done.code, kExitSource) << done.err;
        ++said;
      }
      const Finished again =
          run_process(crossfade_command({"run", db, "--target", url, "--until", "verified"}));
      EXPECT_EQ(again.code, 0) << again.err;
      TestCluster::drop_database(url);
    }
  }
  EXPECT_GT(said, 1);
}

class UndoFaultTest : public FaultPointTest {};

// All of it or nothing, and the next one ends where this one would have.
TEST_P(UndoFaultTest, TheNextUndoPutsItRight) {
  make_shop(300);
  ASSERT_EQ(run_until_verified().code, 0);
  const std::string lsn = AppDb(db_).value("SELECT max(lsn) FROM _crossfade_log");
  const std::string before = AppDb(db_).value("SELECT sum(cents)||'|'||count(*) FROM purchase");
  app("UPDATE purchase SET cents=cents+1; DELETE FROM purchase WHERE id>100");
  const std::string after = AppDb(db_).value("SELECT sum(cents)||'|'||count(*) FROM purchase");
  const std::string to = lsn.empty() ? "0" : lsn;
  const Finished done = run_process(dying({"undo", db_, "--to", to}));
  ASSERT_EQ(done.code, kFaultExit) << done.err;
  const bool committed = GetParam() == "undo.after_commit";
  EXPECT_EQ(AppDb(db_).value("SELECT sum(cents)||'|'||count(*) FROM purchase"),
            committed ? before : after);
  const Finished again = crossfade({"undo", db_, "--to", to, "--json"});
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_EQ(nlohmann::json::parse(again.out).at("tables").empty(), committed);
  EXPECT_EQ(AppDb(db_).value("SELECT sum(cents)||'|'||count(*) FROM purchase"), before);
  EXPECT_EQ(crossfade({"run", db_, "--until", "verified"}).code, 0);
  EXPECT_EQ(compare_databases(db_, url_), "");
}

INSTANTIATE_TEST_SUITE_P(EveryPoint, UndoFaultTest, ::testing::ValuesIn(points_of_undo()), name_of);

class WayBackFaultTest : public FaultPointTest {
 protected:
  [[nodiscard]] virtual std::string way_back() const { return "slot"; }
  void die_on_the_way_back() {
    make_shop(300);
    ASSERT_EQ(run_until_verified().code, 0);
    if (GetParam().ends_with(".made")) {
      const Finished done = run_process(dying({"cutover", db_, "--way-back", way_back()}));
      ASSERT_EQ(done.code, kFaultExit) << done.err;
      return;
    }
    const Finished cut = crossfade({"cutover", db_, "--way-back", way_back()});
    ASSERT_EQ(cut.code, 0) << cut.err;
    target_exec("UPDATE public.purchase SET cents=cents+1; DELETE FROM public.journal WHERE at=1");
    const bool following = GetParam().starts_with("reverse.");
    const Finished done = run_process(dying({following ? "run" : "rollback", db_}));
    ASSERT_EQ(done.code, kFaultExit) << done.err;
  }
  void put_right();
  // Empty: it was taken; else the SQLSTATE.
  [[nodiscard]] std::string write_on_target() const {
    auto connection = connect_or_die(url_);
    const auto done = connection.exec("UPDATE public.purchase SET weight=1 WHERE id=7");
    return done ? "" : done.error().sqlstate;
  }
};

void WayBackFaultTest::put_right() {
  die_on_the_way_back();
  if (::testing::Test::HasFatalFailure()) return;
  const std::string& point = GetParam();
  const bool flipped = point == "rollback.flip.after_commit" || point == "rollback.opened";
  const bool reached = !point.ends_with(".made");
  EXPECT_EQ(target_value("SELECT \"primary\" FROM crossfade.route"),
            flipped || !reached ? "sqlite" : "postgres");
  // Never both; and neither only between the flip and SQLite's opening.
  if (reached) {
    EXPECT_EQ(write_on_target(), flipped ? "25006" : "");
  }
  EXPECT_EQ(AppDb(db_).run("INSERT INTO journal VALUES(31,'after the crash')").empty(),
            !reached || point == "rollback.opened");
  const Finished back = crossfade({"rollback", db_, "--json"});
  ASSERT_EQ(back.code, 0) << back.out << back.err;
  EXPECT_EQ(nlohmann::json::parse(back.out).at("primary"), "sqlite");
  EXPECT_EQ(crossfade({"run", db_, "--until", "verified"}).code, 0);
  EXPECT_EQ(compare_databases(db_, url_), "");
  EXPECT_EQ(target_value("SELECT count(*) FROM pg_replication_slots WHERE "
                         "database=current_database()"),
            "0");
  EXPECT_EQ(target_value("SELECT to_regclass('crossfade.outbox') IS NULL"), "t");
  if (reached) {
    EXPECT_EQ(write_on_target(), "25006");
  }
  EXPECT_EQ(AppDb(db_).run("INSERT INTO journal VALUES(32,'later')"), "");
  const Finished again = crossfade({"cutover", db_, "--no-rollback"});
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_EQ(write_on_target(), "");
}

TEST_P(WayBackFaultTest, TheNextRollbackPutsItRight) {
  put_right();
}

// With triggers in the slot's place.
class OutboxFaultTest : public WayBackFaultTest {
 protected:
  [[nodiscard]] std::string way_back() const override { return "outbox"; }
};

TEST_P(OutboxFaultTest, TheNextRollbackPutsItRight) {
  put_right();
}

std::vector<std::string> points_without(const std::string& of_the_other) {
  std::vector<std::string> out = points_of_the_way_back();
  std::erase(out, of_the_other);
  return out;
}

INSTANTIATE_TEST_SUITE_P(EveryPoint, WayBackFaultTest,
                         ::testing::ValuesIn(points_without("reverse.outbox.made")), name_of);
INSTANTIATE_TEST_SUITE_P(EveryPoint, OutboxFaultTest,
                         ::testing::ValuesIn(points_without("reverse.slot.made")), name_of);

class DualFaultTest : public FaultPointTest {
 protected:
  void run_dual() {
    engine_ = std::make_unique<Process>(crossfade_command(
        {"run", db_, "--target", url_, "--mode", "dual", "--rules", dir_.file("rules.toml")}));
    ASSERT_TRUE(await_phase("dual")) << engine_->err();
  }
  void count(int here, int there) {
    app(fmt::format("UPDATE account SET balance=balance+{} WHERE id=1", here));
    target_exec(fmt::format("UPDATE public.account SET balance=balance+{} WHERE id=1", there));
  }
};

// Between the commits of the two sides a conflict is decided on one of them only.
TEST_P(DualFaultTest, TheNextRunCountsEverythingOnce) {
  app("CREATE TABLE account(id INTEGER PRIMARY KEY, balance INTEGER NOT NULL); INSERT INTO account "
      "VALUES(1,100)");
  write_bytes(dir_.file("rules.toml"),
              "[tables.account]\nconflict = \"source_wins\"\n"
              "[tables.account.columns.balance]\nconflict = \"delta\"\n");
  run_dual();
  ASSERT_EQ(stop_engine(), 0) << engine_->err();
  count(10, 7);
  const Finished died = run_process(dying({"run", db_}));
  ASSERT_EQ(died.code, kFaultExit) << died.err;
  count(3, 2);
  run_dual();
  expect_becomes_equal();
  EXPECT_EQ(AppDb(db_).value("SELECT balance FROM account"), "122");
  EXPECT_EQ(stop_engine(), 0);
  EXPECT_EQ(crossfade({"finish", db_}).code, 0);
}

INSTANTIATE_TEST_SUITE_P(EveryPoint, DualFaultTest, ::testing::ValuesIn(points_of_dual_writes()),
                         name_of);

}  // namespace
}  // namespace crossfade::testing
