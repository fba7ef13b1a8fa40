// Promise: after a cutover SQLite is kept in step, and the rollback loses no acknowledged write,
// lets nobody write on both sides, and steps back whole when it cannot be done; any number of
// times.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "tests/support/connect.h"
#include "tests/support/move_test.h"
#include "tests/support/oracle.h"
#include "tests/support/postgres_writers.h"
#include "tests/support/slow_standby.h"
#include "tests/support/wait.h"

namespace crossfade::testing {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr const char* kMoved = "no such function: crossfade_moved_to_postgresql";

// By either kind of way back.
class RollbackTest : public MoveTest, public ::testing::WithParamInterface<std::string> {
 protected:
  void TearDown() override {
    engine_.reset();
    // A slot would keep the database from being dropped.
    if (!url_.empty() && std::filesystem::exists(db_)) {
      (void)crossfade({"finish", db_, "--target", url_});
    }
    MoveTest::TearDown();
  }
  [[nodiscard]] bool by_outbox() const { return GetParam() == "outbox"; }
  [[nodiscard]] Finished cut_over() const {
    return crossfade({"cutover", db_, "--json", "--way-back", GetParam()});
  }
  [[nodiscard]] Finished roll_back(std::vector<std::string> more = {}) const {
    std::vector<std::string> arguments = {"rollback", db_, "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return crossfade(std::move(arguments));
  }
  // A shop that was cut over to PostgreSQL, with an engine that keeps SQLite in step.
  void reversed() {
    make_shop();
    follow();
    const Finished done = cut_over();
    ASSERT_EQ(done.code, 0) << done.out << done.err << engine_->err();
    ASSERT_TRUE(await_phase("reversed")) << engine_->err();
  }
  // Waits until SQLite has what PostgreSQL has.
  void expect_in_step() { expect_becomes_equal(); }
  void expect_rolled_back(const Finished& done) {
    ASSERT_EQ(done.code, 0) << done.out << done.err << (engine_ ? engine_->err() : "");
    EXPECT_EQ(json::parse(done.out).at("primary"), "sqlite");
    EXPECT_EQ(target_value("SELECT \"primary\" FROM crossfade.route"), "sqlite");
    EXPECT_EQ(compare_databases(db_, url_), "");
  }
  [[nodiscard]] std::string refusal_by_postgres() const {
    auto connection = connect_or_die(url_);
    const auto done = connection.exec("INSERT INTO public.setting VALUES('late','\"x\"')");
    return done ? "" : done.error().sqlstate;
  }
  // What there is of either kind on the server.
  [[nodiscard]] std::string ways_back() const {
    return target_value(
        "SELECT (SELECT count(*) FROM pg_replication_slots WHERE database=current_database()) + "
        "(SELECT count(*) FROM pg_class WHERE relname='outbox') + (SELECT count(DISTINCT tgrelid) "
        "FROM pg_trigger WHERE tgname LIKE '!_crossfade!_outbox%' ESCAPE '!')");
  }
};

TEST_P(RollbackTest, ThereAndBackAndThereAgain) {
  reversed();
  for (int round = 1; round <= 2; ++round) {
    SCOPED_TRACE(round);
    const int base = round * 1000;
    for (const std::string& sql : {
             fmt::format("INSERT INTO public.customer(name) VALUES('new {0}'),('second {0}')",
                         base),
             fmt::format("INSERT INTO public.purchase SELECT {0}+n, 1, n, n/7.0 FROM "
                         "generate_series(1,50) n",
                         base),
             std::string("UPDATE public.purchase SET cents=cents+1, weight=NULL WHERE id%3=0"),
             fmt::format("UPDATE public.purchase SET id=id+500 WHERE id={}", base + 1),
             fmt::format("DELETE FROM public.purchase WHERE id={}", base + 2),
             fmt::format("INSERT INTO public.setting VALUES('theme','\"light {0}\"') ON CONFLICT "
                         "(name) DO UPDATE SET value=excluded.value",
                         base),
             std::string("BEGIN; INSERT INTO public.journal VALUES(7,'kept'); SAVEPOINT s; INSERT "
                         "INTO public.journal VALUES(8,'not kept'); ROLLBACK TO s; COMMIT"),
             std::string("BEGIN; DELETE FROM public.purchase; ROLLBACK"),
             std::string("UPDATE public.journal SET what='closed again' WHERE at=2"),
         }) {
      target_exec(sql);
    }
    expect_in_step();
    EXPECT_EQ(AppDb(db_).run("DELETE FROM journal"), kMoved);
    const Finished back = roll_back();
    expect_rolled_back(back);
    EXPECT_EQ(json::parse(back.out).at("epoch"), round * 2);
    EXPECT_EQ(refusal_by_postgres(), "25006");
    EXPECT_EQ(ways_back(), "0");
    ASSERT_TRUE(await_phase("following")) << engine_->err();
    EXPECT_EQ(target_value("SELECT count(*) FROM public.purchase"),
              AppDb(db_).value("SELECT count(*) FROM purchase"));
    app(
        fmt::format("INSERT INTO purchase(customer_id,cents) VALUES(1,{0}); INSERT INTO "
                    "journal VALUES({0},'on SQLite'); DELETE FROM customer WHERE name='new {0}';"
                    "INSERT INTO customer(name) VALUES('after {0}')",
                    base));
    expect_becomes_equal();
    const Finished again = cut_over();
    ASSERT_EQ(again.code, 0) << again.out << again.err << engine_->err();
    ASSERT_TRUE(await_phase("reversed")) << engine_->err();
    EXPECT_EQ(AppDb(db_).run("DELETE FROM journal"), kMoved);
  }
  expect_in_step();
}

TEST_P(RollbackTest, KeysThatWereGivenOutAreNotGivenOutAgain) {
  reversed();
  target_exec(
      "INSERT INTO public.customer(name) VALUES('a'),('b'); DELETE FROM public.customer "
      "WHERE name IN ('a','b')");
  const std::string last = target_value(
      "SELECT max(last_value) FROM pg_sequences WHERE "
      "schemaname='public' AND sequencename LIKE 'customer%'");
  expect_rolled_back(roll_back());
  app("INSERT INTO customer(name) VALUES('next')");
  EXPECT_EQ(AppDb(db_).value("SELECT id FROM customer WHERE name='next'"),
            std::to_string(std::stoll(last) + 1));
}

TEST_P(RollbackTest, EveryAcknowledgedWriteIsThereOnce) {
  make_shop();
  app("CREATE TABLE app_entry(id INTEGER PRIMARY KEY, writer INTEGER, n INTEGER)");
  follow();
  ASSERT_EQ(cut_over().code, 0) << engine_->err();
  // Slow enough for an engine under sanitizers to keep pace with: else it never begins.
  PostgresWriters writers(url_, 3, milliseconds(6));
  ASSERT_TRUE(wait_until([&] { return writers.acknowledged() > 300; }, seconds(20)));
  const Finished done = roll_back();
  ASSERT_EQ(done.code, 0) << done.out << done.err << engine_->err();
  ASSERT_TRUE(wait_until([&] { return writers.refused() == 3; }, seconds(10)));
  writers.stop();
  const auto result = writers.result();
  for (size_t i = 0; i < result.size(); ++i) {
    EXPECT_EQ(result[i].refusal, "25006");
    EXPECT_EQ(AppDb(db_).value(fmt::format("SELECT count(*)||' '||count(DISTINCT n)||' '||max(n) "
                                           "FROM app_entry WHERE writer={}",
                                           i)),
              fmt::format("{0} {0} {0}", result[i].acknowledged));
  }
  EXPECT_EQ(compare_databases(db_, url_), "");
  const json report = json::parse(done.out);
  EXPECT_GT(report.at("write_pause_ms").get<double>(), 0);
  EXPECT_GT(report.at("verified_rows").get<int64_t>(), 200);
}

TEST_P(RollbackTest, AnEngineThatIsKilledGoesOnWhereItWas) {
  make_shop();
  app("CREATE TABLE app_entry(id INTEGER PRIMARY KEY, writer INTEGER, n INTEGER)");
  follow();
  ASSERT_EQ(cut_over().code, 0) << engine_->err();
  PostgresWriters writers(url_, 2);
  for (int i = 1; i <= 4; ++i) {
    const int64_t before = writers.acknowledged();
    ASSERT_TRUE(wait_until([&] { return writers.acknowledged() > before + 100; }, seconds(20)));
    engine_->signal(SIGKILL);
    (void)engine_->wait(seconds(5));
    engine_ = std::make_unique<Process>(crossfade_command({"run", db_}));
    ASSERT_TRUE(await_phase("reversed")) << engine_->err();
  }
  writers.stop();
  expect_in_step();
  expect_rolled_back(roll_back());
}

TEST_P(RollbackTest, WithoutAnEngineTheVerbDoesItItself) {
  reversed();
  EXPECT_EQ(stop_engine(), 0);
  engine_.reset();
  target_exec("INSERT INTO public.setting VALUES('while nobody looked','1')");
  expect_rolled_back(roll_back());
  EXPECT_EQ(AppDb(db_).value("SELECT value FROM setting WHERE name='while nobody looked'"), "1");
  const Finished again = roll_back();
  EXPECT_EQ(again.code, 0) << "there is nothing to do: " << again.err;
  EXPECT_EQ(json::parse(again.out).at("primary"), "sqlite");
}

TEST_P(RollbackTest, ADryRunChangesNothing) {
  reversed();
  const Finished done = roll_back({"--dry-run"});
  ASSERT_EQ(done.code, 0) << done.out << done.err << engine_->err();
  EXPECT_EQ(json::parse(done.out).at("primary"), "postgres");
  EXPECT_EQ(refusal_by_postgres(), "");
  EXPECT_EQ(AppDb(db_).run("DELETE FROM journal"), kMoved);
  expect_in_step();
  expect_rolled_back(roll_back());
}

// PostgreSQL shows a truncated table as empty to snapshots from before, and a comparison has one.
TEST_P(RollbackTest, ATableThatIsTruncatedMeanwhileIsNotDifferent) {
  reversed();
  std::atomic<bool> enough{false};
  std::thread application([&] {
    auto connection = connect_or_die(url_);
    while (!enough) {
      EXPECT_TRUE(connection.exec(
          "BEGIN; CREATE TEMP TABLE kept ON COMMIT DROP AS SELECT * FROM public.purchase; TRUNCATE "
          "public.purchase; INSERT INTO public.purchase SELECT * FROM kept; COMMIT"));
      // The pace of a writer that even a sanitized engine keeps up with.
      std::this_thread::sleep_for(milliseconds(400));
    }
  });
  for (int i = 0; i < 10; ++i) {
    const Finished done = crossfade({"verify", db_, "--json"});
    EXPECT_EQ(done.code, 0) << done.out << done.err;
  }
  enough = true;
  application.join();
  expect_rolled_back(roll_back());
}

// So it is said, and does not go on for ever.
TEST_P(RollbackTest, ATableThatIsTruncatedAllTheTimeCannotBeCompared) {
  reversed();
  std::atomic<bool> enough{false};
  // One has the table or is given it by the other's COMMIT: whoever reads it waits for a COMMIT
  // that its snapshot does not see.
  const auto application = [&] {
    auto connection = connect_or_die(url_);
    while (!enough) {
      EXPECT_TRUE(connection.exec(
          "BEGIN; TRUNCATE public.setting; INSERT INTO public.setting VALUES('theme','\"dark\"'); "
          "SELECT pg_sleep(0.01); COMMIT"));
    }
  };
  std::thread one(application);
  std::thread other(application);
  const Finished done = crossfade({"verify", db_, "--json"});
  EXPECT_EQ(done.code, 8) << done.out << done.err;
  EXPECT_THAT(done.err, AllOf(HasSubstr("setting"), HasSubstr("truncated again and again")));
  enough = true;
  one.join();
  other.join();
  expect_in_step();
  expect_rolled_back(roll_back());
}

TEST_P(RollbackTest, WhatIsLoggedAndNotYetVisibleIsNoDifference) {
  reversed();
  SlowStandby standby(dir_);
  std::thread application([&] {
    auto connection = connect_or_die(url_);
    EXPECT_TRUE(connection.exec("SET synchronous_commit = remote_apply"));
    EXPECT_TRUE(connection.exec("UPDATE public.purchase SET cents=-1 WHERE id=7"));
  });
  EXPECT_TRUE(wait_until([&] { return standby.is_waited_for(); }, seconds(30), milliseconds(10)));
  // The stream has it; a snapshot has not. An outbox is read by snapshots.
  const auto in_sqlite = [&] {
    return AppDb(db_).value("SELECT cents FROM purchase WHERE id=7") == "-1";
  };
  if (!by_outbox()) {
    EXPECT_TRUE(wait_until(in_sqlite, seconds(30), milliseconds(10)));
  }
  EXPECT_NE(target_value("SELECT cents FROM public.purchase WHERE id=7"), "-1");
  const Finished done = crossfade({"verify", db_, "--json"});
  EXPECT_EQ(done.code, by_outbox() ? 0 : 8) << done.out << done.err;
  standby.let_go();
  application.join();
  expect_in_step();
  EXPECT_TRUE(in_sqlite());
}

// Of what came to SQLite before an engine was begun it knows nothing but a position.
TEST_P(RollbackTest, WhatIsNotYetVisibleSinceBeforeTheEngineIsNoDifference) {
  reversed();
  SlowStandby standby(dir_);
  std::thread application([&] {
    auto connection = connect_or_die(url_);
    EXPECT_TRUE(connection.exec("SET synchronous_commit = remote_apply"));
    EXPECT_TRUE(connection.exec("UPDATE public.purchase SET cents=-1 WHERE id=7"));
  });
  EXPECT_TRUE(wait_until([&] { return standby.is_waited_for(); }, seconds(30), milliseconds(10)));
  if (!by_outbox()) {
    EXPECT_TRUE(wait_until(
        [&] { return AppDb(db_).value("SELECT cents FROM purchase WHERE id=7") == "-1"; },
        seconds(30), milliseconds(10)));
  }
  EXPECT_EQ(stop_engine(), 0);
  engine_ = std::make_unique<Process>(crossfade_command({"run", db_}));
  EXPECT_TRUE(await_phase("reversed")) << engine_->err();
  EXPECT_NE(target_value("SELECT cents FROM public.purchase WHERE id=7"), "-1");
  const Finished done = crossfade({"verify", db_, "--json"});
  EXPECT_EQ(done.code, by_outbox() ? 0 : 8) << done.out << done.err;
  if (!by_outbox()) {
    EXPECT_THAT(done.err, HasSubstr("began before this engine"));
  }
  standby.let_go();
  application.join();
  expect_in_step();
}

TEST_P(RollbackTest, SomebodysLockMakesItStepBackAndIsNamed) {
  reversed();
  postgres::ConnectOptions options;
  options.application_name = "the report";
  auto other = connect_or_die(url_, std::move(options));
  ASSERT_TRUE(other.exec("BEGIN; UPDATE public.purchase SET cents=0 WHERE id=1"));
  const Finished done = crossfade({"rollback", db_, "--json"}, seconds(120));
  EXPECT_EQ(done.code, 8) << done.out << done.err;
  EXPECT_THAT(done.err, HasSubstr("the report"));
  EXPECT_EQ(refusal_by_postgres(), "");
  ASSERT_TRUE(other.exec("COMMIT"));
  expect_in_step();
  expect_rolled_back(roll_back());
}

// It is committed when all that is missing is the locks, so SQLite is far behind once they are had.
TEST_P(RollbackTest, ALargeTransactionDoesNotOutlastThePause) {
  reversed();
  auto large = connect_or_die(url_);
  ASSERT_TRUE(large.exec(
      "BEGIN; INSERT INTO public.journal SELECT n,'large' FROM generate_series(1,300000) n"));
  Finished done;
  std::thread operating([&] { done = roll_back({"--max-pause", "200"}); });
  const bool asks = wait_until(
      [&] {
        return target_value(
                   "SELECT count(*) FROM pg_locks WHERE NOT granted AND "
                   "mode='ExclusiveLock' AND relation='public.journal'::regclass") != "0";
      },
      seconds(30), milliseconds(2));
  EXPECT_TRUE(asks) << engine_->err();
  EXPECT_TRUE(large.exec("COMMIT"));
  operating.join();
  // Had it been read to its end while writers waited, it would be in SQLite.
  EXPECT_EQ(AppDb(db_).value("SELECT count(*) FROM journal WHERE what='large'"), "0");
  EXPECT_EQ(done.code, 8) << done.out << done.err;
  EXPECT_EQ(refusal_by_postgres(), "");
  expect_becomes_equal(seconds(120));
  expect_rolled_back(roll_back());
}

TEST_P(RollbackTest, ARowThatDoesNotFitIsNamedAndIsMendedOnPostgres) {
  make_shop();
  app("CREATE TABLE limited(id INTEGER PRIMARY KEY, n INTEGER, u INTEGER UNIQUE, CHECK(n <> 13 OR "
      "typeof(n)='text')); INSERT INTO limited VALUES(1,1,1),(2,2,2)");
  follow();
  ASSERT_EQ(cut_over().code, 0) << engine_->err();
  // Whatever of the CHECK was carried is taken away: PostgreSQL takes what SQLite does not.
  target_exec(
      "DO $$DECLARE c text; BEGIN FOR c IN SELECT conname FROM pg_constraint WHERE "
      "conrelid='public.limited'::regclass AND contype='c' LOOP EXECUTE 'ALTER TABLE "
      "public.limited DROP CONSTRAINT ' || quote_ident(c); END LOOP; END$$");
  target_exec(
      "UPDATE public.limited SET n=13 WHERE id=2; UPDATE public.limited SET u=9 WHERE id=2");
  target_exec("BEGIN; UPDATE public.limited SET u=7 WHERE id=1; COMMIT");
  ASSERT_TRUE(
      wait_until([&] { return status()["reverse"].value("set_aside", 0) == 1; }, seconds(30)))
      << status().dump() << engine_->err();
  const Finished refused = roll_back();
  EXPECT_EQ(refused.code, 8) << refused.out << refused.err;
  EXPECT_THAT(refused.err, AllOf(HasSubstr("limited"), HasSubstr("2")));
  EXPECT_EQ(refusal_by_postgres(), "") << "PostgreSQL is the primary still";
  target_exec("UPDATE public.limited SET n=14 WHERE id=2");
  expect_rolled_back(roll_back());
  EXPECT_EQ(AppDb(db_).value("SELECT group_concat(id||':'||n||':'||u) FROM limited"),
            "1:1:7,2:14:9");
}

// A role that cannot keep foreign keys quiet (session_replication_role) has them only while
// PostgreSQL is the primary.
TEST_P(RollbackTest, ARoleThatIsNoSuperuserGoesThereAndBack) {
  make_shop();
  const std::string role = fmt::format("mover_{}", getpid());
  target_exec(fmt::format(
      "CREATE ROLE {0} LOGIN {2}; GRANT ALL ON DATABASE \"{1}\" TO {0}; "
      "GRANT ALL ON SCHEMA public TO {0}",
      role, target_value("SELECT current_database()"), by_outbox() ? "" : "REPLICATION"));
  const std::string admin = url_;
  const size_t user = url_.find("://") + 3;
  url_.replace(user, url_.find('@', user) - user, role);
  const std::string keys = "SELECT count(*) FROM pg_constraint WHERE contype='f'";
  follow();
  // It finds out what the role may do.
  const Finished cut = crossfade({"cutover", db_});
  ASSERT_EQ(cut.code, 0) << cut.err << engine_->err();
  EXPECT_EQ(status()["reverse"].value("kind", ""), GetParam());
  ASSERT_TRUE(await_phase("reversed")) << engine_->err();
  EXPECT_EQ(target_value(keys), "1");
  target_exec("UPDATE public.purchase SET cents=5 WHERE id=1");
  expect_in_step();
  expect_rolled_back(roll_back());
  ASSERT_TRUE(await_phase("following")) << engine_->err();
  EXPECT_EQ(target_value(keys), "0");
  // In an order that a foreign key which is checked at once would not take.
  app("BEGIN; INSERT INTO purchase VALUES(9000,900,1,1.5); INSERT INTO customer(id,name) "
      "VALUES(900,'late'); COMMIT");
  expect_becomes_equal();
  EXPECT_EQ(stop_engine(), 0);
  engine_.reset();
  ASSERT_EQ(crossfade({"finish", db_, "--target", url_}).code, 0);
  url_ = admin;
  target_exec(fmt::format("DROP OWNED BY {0} CASCADE; DROP ROLE {0}", role));
}

// Rows that the target went without are no difference on the way back either.
TEST_P(RollbackTest, WhatWasAcceptedAsSetAsideIsThereAfterwards) {
  make_shop();
  app("CREATE TABLE person(id INTEGER PRIMARY KEY, name TEXT); INSERT INTO person VALUES(1,'Ann'),"
      "(2,CAST(x'610062' AS TEXT))");
  ASSERT_EQ(crossfade({"run", db_, "--target", url_, "--until", "verified", "--quarantine"}).code,
            3);
  ASSERT_EQ(crossfade({"quarantine", "accept", db_, "--all"}).code, 0);
  ASSERT_EQ(cut_over().code, 0);
  target_exec("UPDATE public.person SET name='Anna'");
  const Finished verified = crossfade({"verify", db_, "--json"});
  EXPECT_EQ(verified.code, 0) << verified.out << verified.err;
  const Finished back = roll_back();
  ASSERT_EQ(back.code, 0) << back.out << back.err;
  EXPECT_EQ(AppDb(db_).value("SELECT group_concat(hex(name)) FROM person"), "416E6E61,610062");
}

TEST_P(RollbackTest, AColumnThatSqliteHasNotGotIsNamed) {
  reversed();
  target_exec(
      "ALTER TABLE public.journal ADD COLUMN mood text; INSERT INTO public.journal "
      "VALUES(5,'added',DEFAULT,'glad')");
  const Finished refused = roll_back();
  EXPECT_EQ(refused.code, 8) << refused.out << refused.err << engine_->err();
  EXPECT_THAT(refused.err, AllOf(HasSubstr("journal"), HasSubstr("mood")));
}

TEST_P(RollbackTest, AWayBackThatIsGoneIsSaidToBe) {
  reversed();
  EXPECT_EQ(stop_engine(), 0);
  engine_.reset();
  target_exec(by_outbox() ? "DROP TABLE crossfade.outbox, crossfade.outbox_position CASCADE"
                          : "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots "
                            "WHERE database=current_database()");
  const Finished done = roll_back();
  EXPECT_EQ(done.code, 3) << done.out << done.err;
  EXPECT_THAT(done.err, AllOf(HasSubstr(GetParam()), HasSubstr("gone"), HasSubstr("finish")));
  if (by_outbox()) return;  // writers of the tables are refused then by the server itself
  EXPECT_EQ(refusal_by_postgres(), "");
  EXPECT_EQ(AppDb(db_).run("DELETE FROM journal"), kMoved) << "SQLite stays closed";
}

TEST_P(RollbackTest, AnOlderCopyOfTheFileIsRefused) {
  reversed();
  EXPECT_EQ(stop_engine(), 0);
  engine_.reset();
  EXPECT_EQ(AppDb(db_).run("PRAGMA wal_checkpoint(TRUNCATE)"), "");
  const std::string older = read_bytes(db_);
  engine_ = std::make_unique<Process>(crossfade_command({"run", db_}));
  ASSERT_TRUE(await_phase("reversed")) << engine_->err();
  target_exec("INSERT INTO public.setting VALUES('newer','1')");
  expect_in_step();
  EXPECT_EQ(stop_engine(), 0);
  engine_.reset();
  std::filesystem::remove(db_ + "-wal");
  std::filesystem::remove(db_ + "-shm");
  write_bytes(db_, older);
  const Finished done = roll_back();
  EXPECT_EQ(done.code, 3) << done.out << done.err;
  EXPECT_THAT(done.err, HasSubstr("older copy"));
  EXPECT_EQ(refusal_by_postgres(), "");
}

TEST_P(RollbackTest, AFileThatIsMovedAwayIsNamed) {
  reversed();
  const auto rename = [](const std::string& from, const std::string& to) {
    for (const char* part : {"", "-wal", "-shm"}) {
      if (std::filesystem::exists(from + part)) std::filesystem::rename(from + part, to + part);
    }
  };
  const std::string away = dir_.file("away.db");
  rename(db_, away);
  EXPECT_EQ(engine_->wait(seconds(20)), 5) << engine_->err();
  EXPECT_THAT(engine_->err(), HasSubstr("PostgreSQL stays the primary"));
  engine_.reset();
  EXPECT_EQ(roll_back().code, 5);
  // Another file in its place is left as it is.
  EXPECT_EQ(AppDb(db_).run("CREATE TABLE other(a)"), "");
  EXPECT_EQ(roll_back().code, 3);
  EXPECT_EQ(AppDb(db_).value("SELECT group_concat(name) FROM sqlite_master"), "other");
  rename(db_, dir_.file("other.db"));
  target_exec("INSERT INTO public.setting VALUES('meanwhile','1')");
  rename(away, db_);
  engine_ = std::make_unique<Process>(crossfade_command({"run", db_}));
  ASSERT_TRUE(await_phase("reversed")) << engine_->err();
  expect_in_step();
  EXPECT_EQ(roll_back().code, 0);
}

TEST_P(RollbackTest, FinishTakesTheWayBackAway) {
  reversed();
  EXPECT_NE(ways_back(), "0");
  EXPECT_EQ(stop_engine(), 0);
  engine_.reset();
  const Finished done = crossfade({"finish", db_});
  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(ways_back(), "0");
  EXPECT_EQ(target_value("SELECT count(*) FROM pg_publication"), "0");
  EXPECT_EQ(traces_in_source(), "");
  EXPECT_EQ(refusal_by_postgres(), "");
}

TEST_P(RollbackTest, ACutoverThatStepsBackLeavesNoWayBack) {
  make_shop();
  app("CREATE TABLE checked(id INTEGER PRIMARY KEY, n INTEGER CHECK(n > 0))");
  follow();
  auto other = connect_or_die(url_);
  ASSERT_TRUE(other.exec("BEGIN; SELECT count(*) FROM public.checked"));  // the CHECK has to wait
  const Finished done = crossfade({"cutover", db_, "--max-pause", "300", "--way-back", GetParam()});
  EXPECT_EQ(done.code, 8) << done.out << done.err;
  ASSERT_TRUE(other.exec("COMMIT"));
  EXPECT_TRUE(wait_until([&] { return ways_back() == "0"; }, seconds(10)));
  app("INSERT INTO journal VALUES(3,'still writable')");
  expect_becomes_equal();
}

// Whatever writes a row, and whatever is in a column's name or type.
TEST_P(RollbackTest, EveryWayToWriteGoesBack) {
  make_shop();
  app("CREATE TABLE odd(\"a b\" TEXT, \"seq\" INTEGER, \"_told\" BLOB, \"n\"\"q\" REAL, twice "
      "GENERATED ALWAYS AS (seq*2) STORED); INSERT INTO odd VALUES('x',1,x'00ff',0.1),"
      "(NULL,NULL,NULL,NULL),('',2,x'',-1e300)");
  follow();
  ASSERT_EQ(cut_over().code, 0) << engine_->err();
  ASSERT_TRUE(await_phase("reversed")) << engine_->err();
  target_exec(
      "SET timezone='Asia/Tokyo'; SET bytea_output='escape'; SET extra_float_digits=-3; UPDATE "
      "public.odd SET \"a b\"=E'quote \" backslash \\\\ comma, (paren)\n', \"n\"\"q\"=1.0/3; "
      "INSERT "
      "INTO public.odd(\"a b\",seq) SELECT 'n'||n, n FROM generate_series(1,100) n; DELETE FROM "
      "public.odd WHERE seq=50");
  target_exec(
      "SET session_replication_role=replica; UPDATE public.purchase SET cents=0 WHERE id<5; RESET "
      "session_replication_role; TRUNCATE public.journal; INSERT INTO public.journal "
      "VALUES(1,'new')");
  expect_in_step();
  expect_rolled_back(roll_back());
}

TEST_P(RollbackTest, ATableThatIsNotWatchedAnyMoreIsNamed) {
  reversed();
  target_exec(by_outbox() ? "ALTER TABLE public.journal DISABLE TRIGGER ALL"
                          : "ALTER PUBLICATION crossfade DROP TABLE public.journal");
  const Finished refused = roll_back();
  EXPECT_EQ(refused.code, 8) << refused.out << refused.err << engine_->err();
  EXPECT_THAT(refused.err, HasSubstr("journal"));
  EXPECT_EQ(refusal_by_postgres(), "");
}

INSTANTIATE_TEST_SUITE_P(WaysBack, RollbackTest, ::testing::Values("slot", "outbox"),
                         [](const auto& param_info) { return param_info.param; });

}  // namespace
}  // namespace crossfade::testing
