// Promise: within the window of `cutover --watch` the engine, and no command, watches: a check that
// fails brings every writer back with all that was written; what cannot be rolled back without loss
// is not, and said; an engine that ends takes nothing of it along.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>

#include "apply/source_writer.h"
#include "engine/postgres/embedded.h"
#include "tests/support/connect.h"
#include "tests/support/move_test.h"
#include "tests/support/oracle.h"
#include "tests/support/postgres_writers.h"
#include "tests/support/wait.h"

namespace crossfade::testing {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kMoved = "no such function: crossfade_moved_to_postgresql";

class WatchTest : public MoveTest {
 protected:
  void TearDown() override {
    end_all();
    MoveTest::TearDown();
  }
  void end_all() {
    if (HasFailure() && engine_) fprintf(stderr, "the engine said:\n%s\n", engine_->err().c_str());
    watching_.reset();
    engine_.reset();
    // A slot would keep the database from being dropped.
    if (!url_.empty() && std::filesystem::exists(db_)) {
      (void)crossfade({"finish", db_, "--target", url_});
    }
  }
  [[nodiscard]] std::string bad() const { return dir_.file("bad"); }
  [[nodiscard]] std::string fails_when_bad() const { return "test ! -e '" + bad() + "'"; }
  [[nodiscard]] std::vector<std::string> cutover(const std::string& window,
                                                 const std::vector<std::string>& more = {}) const {
    std::vector<std::string> arguments = {"cutover",       db_,    "--json", "--watch", window,
                                          "--watch-every", "200ms"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }
  // In the background, up to the watch's beginning.
  void begin_watch(const std::string& window, const std::vector<std::string>& more = {}) {
    watching_ = std::make_unique<Process>(crossfade_command(cutover(window, more)));
    ASSERT_TRUE(await_watch("watching")) << watching_->out() << watching_->err();
  }
  [[nodiscard]] json watch() const {
    const json now = status();
    return now.is_object() ? now.value("watch", json()) : json();
  }
  [[nodiscard]] bool await_watch(const std::string& state) const {
    return wait_until(
        [&] {
          const json now = watch();
          return now.is_object() && now.value("state", "") == state;
        },
        seconds(30), milliseconds(50));
  }
  // The end of the command in the background.
  json expect_ends(int code, const std::string& state) {
    const auto ended = watching_->wait(seconds(60));
    EXPECT_EQ(ended, code) << watching_->out() << watching_->err();
    const json report = json::parse(watching_->out(), nullptr, false);
    if (!report.is_object() || !report.contains("watch")) return {};
    EXPECT_EQ(report["watch"].value("state", ""), state) << report.dump(1);
    return report;
  }
  [[nodiscard]] std::string refusal_by_sqlite() const {
    return AppDb(db_).run("INSERT INTO journal VALUES(9,'x')");
  }
  void start_engine() { engine_ = std::make_unique<Process>(crossfade_command({"run", db_})); }
  // What only the engine's own connections can do.
  void behind_the_fence(const std::string& sql) const {
    auto writer = apply::SourceWriter::open(db_).value();
    const auto done = writer.connection().exec(sql);
    ASSERT_TRUE(done) << describe(done.error());
  }
  [[nodiscard]] std::string audit() const { return read_bytes(db_ + ".crossfade/audit.jsonl"); }

  std::unique_ptr<Process> watching_;
};

TEST_F(WatchTest, ACommandThatFailsBringsEveryWriterBack) {
  make_shop();
  app("CREATE TABLE app_entry(id INTEGER PRIMARY KEY, writer INTEGER, n INTEGER)");
  follow();
  begin_watch("60s", {"--rollback-if", fails_when_bad()});
  PostgresWriters writers(url_, 2, std::chrono::milliseconds(4));
  ASSERT_TRUE(wait_until([&] { return writers.acknowledged() > 200; }, seconds(20)));
  ASSERT_TRUE(wait_until([&] { return watch().value("verified_rounds", 0) > 0; }, seconds(30)))
      << "beside the writers: " << watch();
  EXPECT_EQ(watch().at("state"), "watching");
  write_bytes(bad(), "");
  const json report = expect_ends(8, "rolled_back");
  EXPECT_EQ(report.at("primary"), "sqlite");
  EXPECT_EQ(report.at("epoch"), 2);
  EXPECT_EQ(report.at("watch").at("epoch"), 1);
  EXPECT_EQ(report.at("watch").at("trigger"), "command");
  EXPECT_THAT(report.at("watch").at("reason").get<std::string>(), HasSubstr("exited with 1"));
  ASSERT_TRUE(wait_until([&] { return writers.refused() == 2; }, seconds(10)));
  writers.stop();
  const auto result = writers.result();
  for (size_t i = 0; i < result.size(); ++i) {
    EXPECT_EQ(AppDb(db_).value(fmt::format("SELECT count(*)||' '||count(DISTINCT n)||' '||max(n) "
                                           "FROM app_entry WHERE writer={}",
                                           i)),
              fmt::format("{0} {0} {0}", result[i].acknowledged));
  }
  ASSERT_TRUE(await_phase("following")) << engine_->err();
  app("INSERT INTO journal VALUES(9,'on SQLite')");
  expect_becomes_equal();
  EXPECT_THAT(audit(), AllOf(HasSubstr("watch_began"), HasSubstr("watch_triggered"),
                             HasSubstr("watch_ended"), Not(HasSubstr("test ! -e"))));
}

TEST_F(WatchTest, OneThatPassesStaysWithAnEngineAndWithout) {
  make_shop();
  ASSERT_EQ(run_until_verified().code, 0);
  const Finished here = crossfade(cutover("2s", {"--rollback-if", "true"}));
  ASSERT_EQ(here.code, 0) << here.out << here.err;
  const json report = json::parse(here.out);
  EXPECT_EQ(report.at("primary"), "postgres");
  EXPECT_EQ(report.at("watch").at("state"), "passed");
  EXPECT_EQ(refusal_by_sqlite(), kMoved);
  const Finished again = crossfade(cutover("2s", {"--rollback-if", "true"}));
  EXPECT_EQ(again.code, 0) << "it has been watched: " << again.err;
  EXPECT_THAT(crossfade(cutover("1h")).err, HasSubstr("other settings"));
  EXPECT_EQ(status().at("watch").at("state"), "passed");
  ASSERT_EQ(crossfade({"rollback", db_}).code, 0);
  EXPECT_EQ(status().at("watch").at("state"), "passed") << "it did";

  follow();
  const Finished there = crossfade(cutover("2s", {"--rollback-if", "true"}));
  EXPECT_EQ(there.code, 0) << there.out << there.err;
  EXPECT_EQ(json::parse(there.out).at("epoch"), 3);
  const json seen = watch();
  EXPECT_EQ(seen.at("state"), "passed");
  EXPECT_GT(seen.at("checks").get<int>(), 0);
  EXPECT_EQ(refusal_by_sqlite(), kMoved);
}

TEST_F(WatchTest, AnEngineThatIsKilledIsWatchedOnByTheNext) {
  make_shop();
  follow();
  begin_watch("60s", {"--rollback-if", fails_when_bad()});
  const std::string until = watch().at("until").get<std::string>();
  engine_->signal(SIGKILL);
  (void)engine_->wait(seconds(5));
  EXPECT_THAT(crossfade({"status", db_}).out, HasSubstr("NOBODY WATCHES"));
  start_engine();
  ASSERT_TRUE(await_phase("reversed")) << engine_->err();
  EXPECT_EQ(watch().at("state"), "watching");
  EXPECT_EQ(watch().at("until"), until) << "the same window";
  target_exec("INSERT INTO public.setting VALUES('written meanwhile','1')");
  write_bytes(bad(), "");
  (void)expect_ends(8, "rolled_back");
  EXPECT_EQ(AppDb(db_).value("SELECT value FROM setting WHERE name='written meanwhile'"), "1");
  EXPECT_EQ(compare_databases(db_, url_), "");
}

// The flip had come, and the engine ended before it could begin the watch.
TEST_F(WatchTest, AnArmedWatchIsBegunWhereTheRowSaysThatTheFlipCame) {
  make_shop();
  follow();
  ASSERT_EQ(crossfade({"cutover", db_}).code, 0);
  EXPECT_EQ(stop_engine(), 0);
  const std::string file = db_ + ".crossfade/watch.json";
  const json armed = {{"epoch", 1},
                      {"state", "armed"},
                      {"cause", "none"},
                      {"until_ms", 0},
                      {"ended_ms", 0},
                      {"attempts", 0},
                      {"reason", ""},
                      {"last_step", ""},
                      {"max_pause_ms", 5000},
                      {"options",
                       {{"window_ms", 60'000},
                        {"command", fails_when_bad()},
                        {"every_ms", 200},
                        {"failures", 2},
                        {"target_lost_after_ms", 0}}}};
  write_bytes(file, armed.dump());
  start_engine();
  ASSERT_TRUE(await_watch("watching")) << engine_->err();
  write_bytes(bad(), "");
  ASSERT_TRUE(await_watch("rolled_back")) << engine_->err();
  EXPECT_EQ(target_value("SELECT \"primary\" FROM crossfade.route"), "sqlite");
  // And where it says that it did not, there is nothing to watch.
  EXPECT_EQ(stop_engine(), 0);
  json never = armed;
  never["epoch"] = 3;
  write_bytes(file, never.dump());
  ASSERT_EQ(run_until_verified().code, 0);
  EXPECT_FALSE(std::filesystem::exists(file));
}

TEST_F(WatchTest, AWindowThatEndedUnwatchedHasNotPassed) {
  make_shop();
  follow();
  begin_watch("60s");
  engine_->signal(SIGKILL);
  (void)engine_->wait(seconds(5));
  const std::string file = db_ + ".crossfade/watch.json";
  json record = json::parse(read_bytes(file));
  record["until_ms"] = 1'700'000'000'000;
  write_bytes(file, record.dump());
  start_engine();
  ASSERT_TRUE(await_watch("lapsed")) << engine_->err();
  (void)expect_ends(9, "lapsed");
  EXPECT_EQ(refusal_by_sqlite(), kMoved);
}

TEST_F(WatchTest, AStoppedForegroundSaysThatNobodyWatches) {
  make_shop();
  ASSERT_EQ(run_until_verified().code, 0);
  begin_watch("60s");
  watching_->signal(SIGTERM);
  EXPECT_EQ(watching_->wait(seconds(15)), 9);
  EXPECT_THAT(watching_->err(), HasSubstr("crossfade run"));
  // The same command goes on with it.
  begin_watch("60s");
  ASSERT_EQ(crossfade({"rollback", db_}).code, 0);
  (void)expect_ends(8, "rolled_back");
}

TEST_F(WatchTest, WhatFailsAlreadyIsNotBegun) {
  make_shop();
  follow();
  const Finished done = crossfade(cutover("60s", {"--rollback-if", "exit 7"}));
  EXPECT_EQ(done.code, 3) << done.out;
  EXPECT_THAT(done.err, AllOf(HasSubstr("exited with 7"), HasSubstr("CROSSFADE_PRIMARY")));
  app("INSERT INTO journal VALUES(9,'goes on')");
  expect_becomes_equal();
  EXPECT_TRUE(watch().is_null());
  EXPECT_FALSE(std::filesystem::exists(db_ + ".crossfade/watch.json"));
}

TEST_F(WatchTest, TheCommandKnowsWhereItIsAndNoPassword) {
  make_shop();
  ASSERT_EQ(run_until_verified().code, 0);
  const std::string said = dir_.file("said");
  Process::Options options = crossfade_command(
      cutover("2s", {"--rollback-if", fmt::format("env >> '{0}'; pwd >> '{0}'", said)}));
  options.env["PGPASSWORD"] = "unheard";
  options.env["DATABASE_URL"] = url_;
  ASSERT_EQ(run_process(options).code, 0);
  const std::string env = read_bytes(said);
  EXPECT_THAT(env, AllOf(HasSubstr("CROSSFADE_PRIMARY=sqlite\n"), HasSubstr("CROSSFADE_EPOCH=0\n"),
                         HasSubstr("CROSSFADE_PRIMARY=postgres\n"),
                         HasSubstr("CROSSFADE_EPOCH=1\n"), HasSubstr("PATH=/usr/local/sbin:"),
                         HasSubstr("CROSSFADE_DATABASE=" + db_ + "\n"), HasSubstr("\n/\n")));
  EXPECT_THAT(env, AllOf(Not(HasSubstr("unheard")), Not(HasSubstr("DATABASE_URL"))));
}

TEST_F(WatchTest, ADifferenceIsTriedAndNotRolledBackWhileItIsThere) {
  make_shop();
  follow();
  begin_watch("60s");
  behind_the_fence("DELETE FROM purchase WHERE id=17");
  ASSERT_TRUE(wait_until([&] { return watch().value("attempts", 0) >= 1; }, seconds(30)))
      << engine_->err();
  const json seen = watch();
  EXPECT_EQ(seen.at("trigger"), "difference");
  EXPECT_THAT(seen.at("reason").get<std::string>(), AllOf(HasSubstr("purchase"), HasSubstr("17")));
  EXPECT_EQ(target_value("SELECT \"primary\" FROM crossfade.route"), "postgres");
  EXPECT_EQ(refusal_by_sqlite(), kMoved);
  // Mended by hand it goes back.
  behind_the_fence("INSERT INTO purchase SELECT 17, 17%20+1, 17*7, 17/3.0");
  const json report = expect_ends(8, "rolled_back");
  EXPECT_EQ(report.at("primary"), "sqlite");
  EXPECT_EQ(compare_databases(db_, url_), "");
}

TEST_F(WatchTest, ADifferenceThatStaysLeavesPostgresThePrimary) {
  make_shop();
  follow();
  begin_watch("10s");
  behind_the_fence("UPDATE customer SET name='by hand' WHERE id=3");
  const json report = expect_ends(4, "failed");
  EXPECT_EQ(report.at("primary"), "postgres");
  EXPECT_EQ(report.at("watch").at("trigger"), "difference");
  EXPECT_THAT(report.at("watch").at("stepped_back").get<std::string>(),
              HasSubstr("not known to be equal"));
  EXPECT_EQ(refusal_by_sqlite(), kMoved);
  behind_the_fence("UPDATE customer SET name='Customer 3' WHERE id=3");
  EXPECT_EQ(crossfade({"rollback", db_}).code, 0) << "by hand it goes on";
}

TEST_F(WatchTest, ItCanBeginLaterAndEndsWithFinish) {
  make_shop();
  follow();
  ASSERT_EQ(crossfade({"cutover", db_}).code, 0);
  ASSERT_TRUE(await_phase("reversed"));
  EXPECT_TRUE(watch().is_null());
  begin_watch("60s", {"--rollback-if", fails_when_bad()});
  EXPECT_EQ(stop_engine(), 0);
  ASSERT_EQ(crossfade({"finish", db_}).code, 0);
  EXPECT_EQ(watching_->wait(seconds(15)), 9);
  EXPECT_THAT(watching_->err(), HasSubstr("called off"));
  EXPECT_FALSE(std::filesystem::exists(db_ + ".crossfade/watch.json"));
}

TEST_F(WatchTest, WhereThereIsNoWayBackThereIsNoWatch) {
  make_shop();
  ASSERT_EQ(run_until_verified().code, 0);
  for (const std::vector<std::string>& more :
       {std::vector<std::string>{"--no-rollback"}, {"--dry-run"}, {"--watch-every", "2h"}}) {
    EXPECT_EQ(crossfade(cutover("60s", more)).code, 2) << more.front();
  }
  EXPECT_EQ(crossfade({"cutover", db_, "--rollback-if", "true"}).code, 2);
  EXPECT_EQ(crossfade(cutover("60")).code, 2) << "without a unit";
  ASSERT_EQ(crossfade({"cutover", db_, "--no-rollback"}).code, 0);
  const Finished done = crossfade(cutover("60s"));
  EXPECT_EQ(done.code, 3) << done.out;
  EXPECT_THAT(done.err, HasSubstr("no way back"));
}

// A server of its own, which can be stopped.
class WatchedServerTest : public WatchTest {
 protected:
  void SetUp() override {
    WatchTest::SetUp();
    if (url_.empty()) return;
    shared_url_ = url_;
    start();
    url_ = server_->url();
  }
  void TearDown() override {
    if (server_) start();
    end_all();
    if (server_) (void)server_->destroy();
    url_ = shared_url_;
    MoveTest::TearDown();
  }
  void start() {
    auto started = postgres::EmbeddedCluster::start({dir_.file("server"), "crossfade", {}});
    ASSERT_TRUE(started) << describe(started.error());
    server_ = std::move(started).value();
  }
  void stop() {
    const auto stopped = server_->stop();
    ASSERT_TRUE(stopped) << describe(stopped.error());
  }

  std::string shared_url_;
  std::optional<postgres::EmbeddedCluster> server_;
};

TEST_F(WatchedServerTest, AServerThatComesBackIsRolledBackWithAllThatItHas) {
  make_shop();
  follow();
  begin_watch("120s", {"--rollback-if", "true"});
  target_exec("INSERT INTO public.setting VALUES('before it went','1')");
  stop();
  ASSERT_TRUE(await_watch("triggered")) << engine_->err();
  const json seen = watch();
  EXPECT_EQ(seen.at("trigger"), "target");
  EXPECT_EQ(refusal_by_sqlite(), kMoved) << "what PostgreSQL has would be lost";
  EXPECT_THAT(audit(), HasSubstr("watch_triggered"));
  // An engine that is started while the server is away waits for it, too.
  EXPECT_EQ(stop_engine(), 0);
  start_engine();
  ASSERT_TRUE(wait_until([&] { return engine_->err().find("trying again") != std::string::npos; },
                         seconds(20)))
      << engine_->err();
  EXPECT_TRUE(await_watch("triggered")) << engine_->err();
  start();
  const json report = expect_ends(8, "rolled_back");
  EXPECT_EQ(report.at("primary"), "sqlite");
  EXPECT_EQ(AppDb(db_).value("SELECT value FROM setting WHERE name='before it went'"), "1");
  EXPECT_EQ(compare_databases(db_, url_), "");
}

// Its postmaster stands still: nobody new gets in, and who is in goes on writing.
TEST_F(WatchedServerTest, AServerThatWorksForThoseWhoAreInIsNotGivenUp) {
  make_shop();
  follow();
  begin_watch("120s", {"--watch-target-lost", "1s"});
  auto inside = connect_or_die(url_);
  const auto file = inside.exec("SELECT pg_read_file('postmaster.pid')");
  ASSERT_TRUE(file) << describe(file.error());
  const pid_t postmaster = std::stoi(file.value().text(0, 0));
  ASSERT_TRUE(wait_until(
      [&] { return target_value("SELECT count(*) FROM pg_stat_replication") == "1"; }, seconds(20)))
      << engine_->err();
  ASSERT_EQ(::kill(postmaster, SIGSTOP), 0);
  // One that the engine loses, so that it asks for new ones, is no word on the others.
  const auto ended = inside.exec(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type='walsender'");
  const bool lost = wait_until(
      [&] { return engine_->err().find("trying again") != std::string::npos; }, seconds(20));
  const bool refused = wait_until(
      [&] { return engine_->err().find("answers by one that is open") != std::string::npos; },
      seconds(60));
  const auto written = inside.exec("INSERT INTO public.setting VALUES('from inside','1')");
  EXPECT_EQ(refusal_by_sqlite(), kMoved);
  ASSERT_EQ(::kill(postmaster, SIGCONT), 0);
  EXPECT_TRUE(ended.has_value() && ended.value().rows() == 1);
  EXPECT_TRUE(lost) << engine_->err();
  EXPECT_TRUE(refused) << engine_->err();
  ASSERT_TRUE(written) << describe(written.error());
  (void)expect_ends(8, "rolled_back");
  EXPECT_EQ(AppDb(db_).value("SELECT value FROM setting WHERE name='from inside'"), "1");
}

TEST_F(WatchedServerTest, AServerThatIsLostIsGivenUpWhereThatWasAskedFor) {
  make_shop();
  follow();
  begin_watch("120s", {"--watch-target-lost", "2s"});
  target_exec("INSERT INTO public.setting VALUES('reached it','1')");
  ASSERT_TRUE(wait_until(
      [&] { return AppDb(db_).value("SELECT value FROM setting WHERE name='reached it'") == "1"; },
      seconds(20)));
  stop();
  const json report = expect_ends(8, "target_lost");
  EXPECT_EQ(report.at("primary"), "sqlite");
  EXPECT_EQ(report.at("epoch"), 2);
  const json& lost = report.at("watch").at("lost");
  EXPECT_THAT(lost.at("drained_lsn").get<std::string>(), HasSubstr("/"));
  EXPECT_TRUE(lost.contains("committed_at"));
  EXPECT_EQ(engine_->wait(seconds(15)), 3) << "there is nothing to follow it on";
  app("INSERT INTO journal VALUES(9,'goes on')");
  EXPECT_EQ(AppDb(db_).value("SELECT value FROM setting WHERE name='reached it'"), "1");
  start();
  const Finished refused = crossfade({"run", db_});
  EXPECT_EQ(refused.code, 3) << refused.out;
  EXPECT_THAT(refused.err, HasSubstr("was given up"));
  EXPECT_THAT(audit(), HasSubstr("target_given_up"));
}

}  // namespace
}  // namespace crossfade::testing
