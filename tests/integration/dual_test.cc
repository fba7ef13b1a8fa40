// Promise: while applications write to both sides each has the other's changes; rows that both
// changed come out the same on both, by the rule that was given, and every one is on record.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <map>
#include <thread>
#include <utility>

#include "engine/core/limits.h"
#include "tests/support/app_db.h"
#include "tests/support/connect.h"
#include "tests/support/dual_test.h"
#include "tests/support/net_proxy.h"
#include "tests/support/oracle.h"
#include "tests/support/slow_standby.h"
#include "tests/support/wait.h"

namespace crossfade::testing {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;

// Some are under way between the two at any time, and each of them is there at some time.
TEST_F(DualTest, AComparisonEndsWhileBothSidesAreWritten) {
  make_accounts();
  NetProxy line(url_);
  AppWriters writers(db_, 2, milliseconds(10));
  {
    const std::string direct = std::exchange(url_, line.url());
    run_dual();
    url_ = direct;
  }
  for (const Way way : {Way::kToServer, Way::kToClient}) line.slow(way, {0, milliseconds(15)});
  std::atomic<bool> stop{false};
  std::thread there([&] {
    auto target = connect_or_die(url_);
    for (int i = 0; !stop.load(); ++i) {
      const auto done =
          target.exec(fmt::format("INSERT INTO public.setting VALUES('{0}','v');"
                                  "DELETE FROM public.setting WHERE name = '{1}'",
                                  i, i - 50));
      EXPECT_TRUE(done) << describe(done.error());
      std::this_thread::sleep_for(milliseconds(10));
    }
  });
  const Finished verify = crossfade({"verify", db_, "--json"}, seconds(100));
  EXPECT_EQ(verify.code, 0) << verify.out << verify.err << engine_->err();
  // Those that are different are told from those under way.
  Process::Options unseen;
  unseen.argv = {"sqlite3",
                 "-cmd",
                 ".timeout 5000",
                 "-cmd",
                 ".dbconfig enable_trigger off",
                 db_,
                 "UPDATE app_entry SET n=-1 WHERE id=1; UPDATE item SET name='unseen' WHERE id=3"};
  EXPECT_EQ(run_process(unseen, seconds(20)).code, 0);
  const Finished again = crossfade({"verify", db_, "--json"}, seconds(100));
  EXPECT_EQ(again.code, 4) << again.err;
  stop.store(true);
  there.join();
  const json report = json::parse(again.out, nullptr, false);
  for (const json& table : report["tables"]) {
    const bool differs = table["name"] == "app_entry" || table["name"] == "item";
    EXPECT_EQ(table["changed"], differs ? 1 : 0) << table;
    EXPECT_EQ(table["missing"], 0) << table;
    EXPECT_EQ(table["extra"], 0) << table;
  }
}

// Rows that are never alike on both sides at a time: that is said, and not gone on with for ever.
TEST_F(DualTest, ARowThatIsWrittenAllTheTimeEndsAComparison) {
  make_accounts();
  NetProxy line(url_);
  url_ = line.url();
  run_dual();
  for (const Way way : {Way::kToServer, Way::kToClient}) line.slow(way, {0, milliseconds(40)});
  std::atomic<bool> stop{false};
  std::thread hot([&] {
    AppDb db(db_);
    while (!stop.load()) {
      EXPECT_EQ(db.run("UPDATE account SET balance=balance+1 WHERE id=2"), "");
      std::this_thread::sleep_for(milliseconds(5));
    }
  });
  const Finished verify = crossfade({"verify", db_}, seconds(100));
  stop.store(true);
  hot.join();
  EXPECT_EQ(verify.code, 8) << verify.out << verify.err << engine_->err();
  EXPECT_THAT(verify.err, HasSubstr("account"));
  EXPECT_THAT(verify.err, HasSubstr("id=2"));
  line.heal();
  EXPECT_EQ(crossfade({"verify", db_}).code, 0) << engine_->err();
}

// A commit on PostgreSQL is several ways there and back: what SQLite commits meanwhile goes with
// the next one, or it would never come to an end.
TEST_F(DualTest, CommitsThatHaveQueuedUpGoTogether) {
  constexpr int kCommits = 40;
  NetProxy line(url_);
  url_ = line.url();
  make_accounts();
  run_dual();
  for (const Way way : {Way::kToServer, Way::kToClient}) {
    line.slow(way, {0, milliseconds(50) * patience()});
  }
  for (int i = 1; i <= kCommits; ++i) {
    const auto before = status()["captured_lsn"].get<int64_t>();
    app(fmt::format("INSERT INTO item VALUES({},1,'one of many',0)", 1'000 + i));
    // Read by itself, whatever comes after.
    ASSERT_TRUE(wait_until([&] { return status()["captured_lsn"] > before; }, seconds(20)));
  }
  line.heal();
  expect_becomes_equal(seconds(60));
  EXPECT_LE(std::stoi(target_value("SELECT count(DISTINCT xmin::text) FROM public.item "
                                   "WHERE name = 'one of many'")),
            kCommits * 3 / 4);
}

TEST_F(DualTest, EachSideHasTheOthersChanges) {
  make_accounts();
  run_dual();
  app("INSERT INTO item VALUES(10,1,'from sqlite',2.5); UPDATE account SET balance=balance+1 WHERE "
      "id=1; DELETE FROM item WHERE id=3; UPDATE setting SET value='fr' WHERE name='lang'");
  target_exec("INSERT INTO public.item VALUES(20,2,'from postgres',NULL)");
  target_exec("UPDATE public.account SET note='seen' WHERE id=2");
  target_exec("UPDATE public.item SET id=21 WHERE id=20");
  target_exec("DELETE FROM public.setting WHERE name='theme'");
  expect_becomes_equal();
  EXPECT_EQ(here("SELECT name FROM item WHERE id=21"), "from postgres");
  EXPECT_EQ(here("SELECT count(*) FROM setting"), "1");
  EXPECT_EQ(target_value("SELECT name FROM public.item WHERE id=10"), "from sqlite");
  EXPECT_EQ(target_value("SELECT balance FROM public.account WHERE id=1"), "101");
  EXPECT_EQ(conflicts(), "");
}

// Rows that both changed are decided with both held still.
TEST_F(DualTest, ALostLineKeepsNoWriterWaiting) {
  make_accounts();
  write_rules("[defaults]\nconflict = \"source_wins\"\n");
  AppWriters writers(db_, 2, milliseconds(20));
  NetProxy line(url_);
  const auto run_through = [&] {
    engine_ = std::make_unique<Process>(crossfade_command(
        {"run", db_, "--target", line.url(), "--mode", "dual", "--rules", rules_}));
    ASSERT_TRUE(await_phase("dual")) << engine_->err();
  };
  run_through();
  stop();
  app("UPDATE account SET note='s' WHERE id=1");
  target_exec("UPDATE public.account SET note='t' WHERE id=1");
  line.set_trap({Trap::What::kSilenceOne, "", "INSERT INTO crossfade.conflicts"});
  run_through();
  ASSERT_TRUE(wait_until([&] { return line.counts().sprung == 1; }, seconds(20)));
  const int64_t before = writers.acknowledged();
  EXPECT_TRUE(wait_until([&] { return writers.acknowledged() > before + 10; }, seconds(20)));
  line.end_dead_sessions();
  EXPECT_TRUE(wait_until([&] { return !conflicts().empty(); }, seconds(30))) << engine_->err();
  writers.stop();
  EXPECT_LE(writers.longest_wait().count(),
            ((limits::kDualAnswerMax + milliseconds(2'500)) * patience()).count());
  expect_becomes_equal();
  EXPECT_EQ(conflicts(), "account update_origin_differs resolved source");
}

struct PolicyCase {
  const char* name;
  const char* rules;
  const char* update;          // what account 1's balance and note come to
  const char* insert;          // item 50's name
  const char* source_deleted;  // whether account 2 is there
  const char* target_deleted;  // account 3
  const char* taken;
};

// From here on PostgreSQL takes what SQLite refuses, as where a condition cannot be carried over.
void leave_conditions_to_sqlite(const std::string& url, const std::string& table,
                                const std::string& column) {
  auto target = connect_or_die(url);
  const auto done = target.exec(fmt::format(
      R"(DO $$DECLARE x text; BEGIN
        FOR x IN SELECT format('ALTER TABLE public.{0} DROP CONSTRAINT %I',conname) FROM
          pg_constraint WHERE conrelid='public.{0}'::regclass AND contype IN ('c','u') LOOP
          EXECUTE x; END LOOP;
        FOR x IN SELECT 'DROP INDEX '||indexrelid::regclass FROM pg_index WHERE
          indrelid='public.{0}'::regclass AND NOT indisprimary LOOP EXECUTE x; END LOOP;
        END$$; ALTER TABLE public.{0} ALTER {1} DROP NOT NULL)",
      table, column));
  ASSERT_TRUE(done) << describe(done.error());
}

class DualPolicyTest : public DualTest, public ::testing::WithParamInterface<PolicyCase> {};

TEST_P(DualPolicyTest, WhatBothChangedComesOutTheSame) {
  const PolicyCase& of = GetParam();
  make_accounts();
  write_rules(of.rules);
  run_dual();
  stop();
  app("UPDATE account SET balance=balance+10, changed=5, note='s' WHERE id=1;"
      "INSERT INTO item VALUES(50,1,'s',5);"
      "DELETE FROM item; INSERT INTO item VALUES(50,1,'s',5);"
      "DELETE FROM account WHERE id=2; UPDATE account SET note='s',changed=5 WHERE id=3;");
  target_exec("UPDATE public.account SET balance=balance+7, changed=9, note='t' WHERE id=1");
  target_exec("INSERT INTO public.item VALUES(50,1,'t',9)");
  target_exec("UPDATE public.account SET note='t', changed=9 WHERE id=2");
  target_exec("DELETE FROM public.item WHERE account_id=3");
  target_exec("DELETE FROM public.account WHERE id=3");
  run_dual();
  expect_becomes_equal();
  EXPECT_EQ(here("SELECT balance||' '||note FROM account WHERE id=1"), of.update);
  EXPECT_EQ(here("SELECT name FROM item WHERE id=50"), of.insert);
  EXPECT_EQ(here("SELECT count(*) FROM account WHERE id=2"), of.source_deleted);
  EXPECT_EQ(here("SELECT count(*) FROM account WHERE id=3"), of.target_deleted);
  EXPECT_EQ(target_value("SELECT string_agg(DISTINCT kind,',' ORDER BY kind) FROM "
                         "crossfade.conflicts WHERE state='resolved'"),
            "delete_origin_differs,insert_exists,update_missing,update_origin_differs");
  EXPECT_EQ(target_value("SELECT count(*) FROM crossfade.conflicts"), "4");
  EXPECT_EQ(target_value("SELECT resolution FROM crossfade.conflicts WHERE "
                         "kind='update_origin_differs'"),
            of.taken);
}

INSTANTIATE_TEST_SUITE_P(
    Policies, DualPolicyTest,
    ::testing::Values(PolicyCase{"source_wins", "[defaults]\nconflict = \"source_wins\"\n", "110 s",
                                 "s", "0", "1", "source"},
                      PolicyCase{"target_wins", "[defaults]\nconflict = \"target_wins\"\n", "107 t",
                                 "t", "1", "0", "target"},
                      PolicyCase{"newest_wins",
                                 "[tables.account]\nconflict = \"newest_wins(changed)\"\n"
                                 "[tables.item]\nconflict = \"newest_wins(size)\"\n",
                                 "107 t", "t", "0", "0", "target"},
                      PolicyCase{"delta",
                                 "[defaults]\nconflict = \"source_wins\"\n"
                                 "[tables.account.columns.balance]\nconflict = \"delta\"\n",
                                 "117 s", "s", "0", "1", "merged"}),
    [](const auto& of) { return of.param.name; });

TEST_F(DualTest, WithoutARuleBothKeepWhatTheyHaveUntilSomebodyDecides) {
  make_accounts();
  run_dual();
  stop();
  app("UPDATE account SET note='s' WHERE id IN (1,2)");
  target_exec("UPDATE public.account SET note='t' WHERE id IN (1,2)");
  run_dual();
  ASSERT_TRUE(wait_until([&] { return status().value("conflicts_waiting", 0) == 2; }, seconds(20)))
      << engine_->err();
  // Later changes of the keys wait with them; others pass.
  app("UPDATE account SET note='s2' WHERE id=1; UPDATE account SET note='free' WHERE id=3");
  target_exec("UPDATE public.account SET note='t2' WHERE id=2");
  ASSERT_TRUE(wait_until(
      [&] { return target_value("SELECT note FROM public.account WHERE id=3") == "free"; },
      seconds(10)));
  EXPECT_EQ(here("SELECT group_concat(note) FROM account WHERE id<3"), "s2,s");
  EXPECT_EQ(target_value("SELECT string_agg(note,',' ORDER BY id) FROM public.account WHERE id<3"),
            "t,t2");
  EXPECT_EQ(crossfade({"verify", db_, "--json"}).code, 4);
  EXPECT_EQ(crossfade({"cutover", db_, "--json"}).code, 8);
  target_exec("UPDATE crossfade.conflicts SET decision='source' WHERE key LIKE '%1%'");
  target_exec("UPDATE crossfade.conflicts SET decision='target' WHERE key LIKE '%2%'");
  expect_becomes_equal();
  EXPECT_EQ(here("SELECT group_concat(note) FROM account WHERE id<3"), "s2,t2");
  EXPECT_EQ(status().value("conflicts_waiting", -1), 0);
}

TEST_F(DualTest, AUniqueValueThatBothTakeIsAConflict) {
  for (const char* policy : {"source_wins", "target_wins"}) {
    SCOPED_TRACE(policy);
    if (engine_) {
      stop();
      ASSERT_EQ(crossfade({"finish", db_, "--target", url_}).code, 0);
      target_exec("DROP TABLE IF EXISTS public.item, public.account, public.setting CASCADE");
      std::filesystem::remove(db_);
    }
    make_accounts();
    write_rules(fmt::format("[defaults]\nconflict = \"{}\"\n", policy));
    run_dual();
    stop();
    app("INSERT INTO account(id,owner,note) VALUES(1000,'eve','s')");
    target_exec("INSERT INTO public.account(id,owner,note) VALUES(2000,'eve','t')");
    run_dual();
    expect_becomes_equal();
    EXPECT_EQ(here("SELECT group_concat(id||note) FROM account WHERE owner='eve'"),
              std::string(policy) == "source_wins" ? "1000s" : "2000t");
    EXPECT_THAT(conflicts(), HasSubstr("account insert_exists resolved"));
  }
}

TEST_F(DualTest, AnEngineThatIsKilledGoesOn) {
  make_accounts();
  write_rules(
      "[defaults]\nconflict = \"source_wins\"\n[tables.account.columns.balance]\nconflict = "
      "\"delta\"\n");
  run_dual();
  int64_t expected = 100;
  for (int round = 0; round < 5; ++round) {
    for (int i = 0; i < 20; ++i) {
      app("UPDATE account SET balance=balance+3 WHERE id=1");
      target_exec("UPDATE public.account SET balance=balance+5 WHERE id=1");
      expected += 8;
    }
    engine_->signal(SIGKILL);
    (void)engine_->wait(seconds(5));
    run_dual();
  }
  expect_becomes_equal();
  EXPECT_EQ(here("SELECT balance FROM account WHERE id=1"), std::to_string(expected));
}

TEST_F(DualTest, BackToSqliteAlone) {
  make_accounts();
  run_dual();
  target_exec("INSERT INTO public.account(owner) VALUES('there')");
  app("INSERT INTO account(owner) VALUES('here')");
  expect_becomes_equal();
  stop();
  engine_ = std::make_unique<Process>(crossfade_command({"run", db_, "--mode", "follow"}));
  ASSERT_TRUE(await_phase("following")) << engine_->err();
  EXPECT_EQ(target_value("SELECT count(*) FROM pg_replication_slots WHERE "
                         "database=current_database()"),
            "0");
  app("INSERT INTO account(owner) VALUES('after')");
  expect_becomes_equal();
  const Finished done = crossfade({"cutover", db_, "--json"});
  ASSERT_EQ(done.code, 0) << done.out << done.err << engine_->err();
  target_exec("INSERT INTO public.account(owner) VALUES('last')");
  EXPECT_EQ(target_value("SELECT id=(SELECT max(id) FROM public.account) FROM public.account WHERE "
                         "owner='last'"),
            "t");
}

TEST_F(DualTest, SidesThatDifferAreNamedAndLeftAsTheyAre) {
  make_accounts();
  ASSERT_EQ(run_until_verified().code, 0);
  target_exec("UPDATE public.account SET note='mine' WHERE id=2");
  const Finished done = crossfade({"run", db_, "--target", url_, "--mode", "dual"});
  EXPECT_EQ(done.code, 4) << done.err;
  EXPECT_THAT(done.err, HasSubstr("id=2"));
  EXPECT_EQ(target_value("SELECT note FROM public.account WHERE id=2"), "mine");
  EXPECT_EQ(here("SELECT coalesce(note,'-') FROM account WHERE id=2"), "-");
}

TEST_F(DualTest, ATableWithoutAKeyIsRefused) {
  make_accounts();
  app("CREATE TABLE journal(at INTEGER, what TEXT); INSERT INTO journal VALUES(1,'x')");
  const Finished done = crossfade({"run", db_, "--target", url_, "--mode", "dual"});
  EXPECT_EQ(done.code, 3) << done.err;
  EXPECT_THAT(done.err, HasSubstr("journal"));
  EXPECT_EQ(target_value("SELECT count(*) FROM pg_replication_slots WHERE "
                         "database=current_database()"),
            "0");
}

TEST_F(DualTest, AnApplicationThatHoldsARowIsNotDisturbed) {
  make_accounts();
  write_rules("[defaults]\nconflict = \"source_wins\"\n");
  run_dual();
  auto holder = connect_or_die(url_);
  ASSERT_TRUE(holder.exec("BEGIN; UPDATE public.account SET note='held' WHERE id=1"));
  app("UPDATE account SET note='s' WHERE id=1");
  target_exec("UPDATE public.account SET note='other' WHERE id=2");
  // What does not need the row goes on, to SQLite too.
  ASSERT_TRUE(wait_until([&] { return here("SELECT note FROM account WHERE id=2") == "other"; },
                         seconds(10)));
  app("UPDATE account SET balance=7 WHERE id=3");
  ASSERT_TRUE(holder.exec("COMMIT"));
  expect_becomes_equal();
  EXPECT_EQ(here("SELECT note FROM account WHERE id=1"), "s");
  EXPECT_THAT(conflicts(), HasSubstr("update_origin_differs"));
}

// More than may be looked at under SQLite's lock, on both sides, with conflicts at either end.
TEST_F(DualTest, AfterALongTimeWithoutAnEngine) {
  make_accounts();
  write_rules(
      "[defaults]\nconflict = \"source_wins\"\n[tables.account.columns.balance]\nconflict = "
      "\"delta\"\n");
  run_dual();
  stop();
  app(R"(
    UPDATE account SET balance=balance+1 WHERE id=1;
    WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM c WHERE i<20000)
      INSERT INTO item(id,name,size) SELECT 1000+i, hex(randomblob(150)), i/7.0 FROM c;
    INSERT INTO account(id,owner,note) VALUES(5000000,'eve','s');
    UPDATE account SET balance=balance+1 WHERE id IN (1,2);)");
  target_exec("UPDATE public.account SET balance=balance+10 WHERE id IN (1,2)");
  target_exec(
      "INSERT INTO public.item SELECT 500000+i, 1, repeat(md5(i::text),10), i/3.0 FROM "
      "generate_series(1,20000) i");
  target_exec("INSERT INTO public.account(id,owner,note) VALUES(6000000,'eve','t')");
  target_exec("UPDATE public.item SET name='t' WHERE id=1");
  app("UPDATE item SET name='s' WHERE id=1");
  run_dual();
  expect_becomes_equal(seconds(60));
  EXPECT_EQ(here("SELECT group_concat(balance) FROM account WHERE id<3"), "112,211");
  EXPECT_EQ(here("SELECT count(*)||' '||(SELECT name FROM item WHERE id=1) FROM item"), "40003 s");
  EXPECT_EQ(here("SELECT group_concat(id||note) FROM account WHERE owner='eve'"), "5000000s");
}

// As many keys of SQLite's on their way as may be, before PostgreSQL's stream can be read on, and
// as many of PostgreSQL's read as may wait for SQLite: one of the two has to go first.
TEST_F(DualTest, MoreKeysOnBothSidesThanMayBeOnTheirWay) {
  app("CREATE TABLE n(id INTEGER PRIMARY KEY, v INT)");
  run_dual();
  stop();
  app(
      fmt::format("WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM c WHERE i<{}) "
                  "INSERT INTO n SELECT i, i FROM c",
                  limits::kDualKeysInFlightMax * 5 / 4));
  target_exec(fmt::format("INSERT INTO public.n SELECT 5000000+i, i FROM generate_series(1,{}) i",
                          limits::kReverseBatchChangesMax * 2));
  run_dual();
  expect_becomes_equal(seconds(60));
}

TEST_F(DualTest, CutoverWhilePostgresIsWrittenTo) {
  make_accounts();
  write_rules("[defaults]\nconflict = \"source_wins\"\n");
  run_dual();
  app("INSERT INTO account(owner) VALUES('late')");
  target_exec("INSERT INTO public.setting VALUES('x','y')");
  EXPECT_EQ(crossfade({"cutover", db_, "--json", "--dry-run"}).code, 0) << engine_->err();
  ASSERT_TRUE(await_phase("dual")) << engine_->err();
  app("INSERT INTO account(owner) VALUES('later')");
  const Finished done = crossfade({"cutover", db_, "--json"});
  ASSERT_EQ(done.code, 0) << done.out << done.err << engine_->err();
  ASSERT_TRUE(await_phase("reversed")) << engine_->err();
  EXPECT_THAT(AppDb(db_).run("DELETE FROM item"), HasSubstr("crossfade_moved_to_postgresql"));
  target_exec("INSERT INTO public.account(owner) VALUES('after')");
  target_exec("INSERT INTO public.item(name) VALUES('after')");
  expect_becomes_equal();
  EXPECT_GT(std::stoll(here("SELECT max(id) FROM item")), 3);
  const Finished back = crossfade({"rollback", db_, "--json"});
  ASSERT_EQ(back.code, 0) << back.out << back.err << engine_->err();
  EXPECT_EQ(compare_databases(db_, url_), "");
}

// The stream has a COMMIT that waits for a standby; nobody on PostgreSQL sees it.
TEST_F(DualTest, WhatIsLoggedAndNotYetVisibleIsNoDifference) {
  make_accounts();
  run_dual();
  SlowStandby standby(dir_);
  std::thread application([&] {
    auto connection = connect_or_die(url_);
    EXPECT_TRUE(connection.exec("SET synchronous_commit = remote_apply"));
    EXPECT_TRUE(connection.exec("UPDATE public.account SET note='logged' WHERE id=1"));
  });
  EXPECT_TRUE(wait_until([&] { return standby.is_waited_for(); }, seconds(30), milliseconds(10)));
  EXPECT_TRUE(wait_until([&] { return here("SELECT note FROM account WHERE id=1") == "logged"; },
                         seconds(30), milliseconds(10)));
  const Finished done = crossfade({"verify", db_, "--json"});
  EXPECT_EQ(done.code, 8) << done.out << done.err;
  EXPECT_THAT(done.err, HasSubstr("account"));
  standby.let_go();
  application.join();
  expect_becomes_equal();
}

// As any change does: PostgreSQL's row is the one that it was based on.
TEST_F(DualTest, ARowThatIsReplacedIsNoConflict) {
  make_accounts();
  write_rules("[defaults]\nconflict = \"target_wins\"\n");
  run_dual();
  app("INSERT OR REPLACE INTO item(id) VALUES(1); INSERT OR REPLACE INTO item(id) VALUES(77);"
      "INSERT OR REPLACE INTO item VALUES(2,1,'sofa',2.5);"
      "INSERT OR REPLACE INTO account(id,owner,note) VALUES(900,'bob','in the way of 2')");
  expect_becomes_equal();
  EXPECT_EQ(target_value("SELECT count(*) FROM public.item WHERE name IS NULL"), "2");
  EXPECT_EQ(target_value("SELECT name FROM public.item WHERE id=2"), "sofa");
  EXPECT_EQ(here("SELECT id FROM account WHERE owner='bob'"), "900");
  EXPECT_EQ(conflicts(), "");
}

// Nothing is in the way of its other changes, so the key is not held; but somebody has to know.
TEST_F(DualTest, ARowThatSqliteRefusesIsListedUntilItFits) {
  make_accounts();
  write_rules("[defaults]\nconflict = \"source_wins\"\n");
  app("CREATE TABLE stock(id INTEGER PRIMARY KEY, n INTEGER CHECK(n < 100),"
      " label TEXT NOT NULL, tag TEXT UNIQUE);"
      "INSERT INTO stock VALUES(1,1,'a','x'),(2,2,'b','y'),(3,3,'c','z'),(4,4,'d','w')");
  run_dual();
  leave_conditions_to_sqlite(url_, "stock", "label");
  target_exec("UPDATE public.stock SET n=500 WHERE id=1");
  target_exec("UPDATE public.stock SET label=NULL WHERE id=2");
  target_exec("INSERT INTO public.stock VALUES(-9,9,'new','z')");
  target_exec("UPDATE public.stock SET n=700 WHERE id=4");
  ASSERT_TRUE(wait_until([&] { return status().value("conflicts_waiting", 0) == 4; }, seconds(20)))
      << conflicts() << engine_->err();
  EXPECT_EQ(status().at("reverse").at("set_aside"), 4);
  const json listed = json::parse(crossfade({"conflicts", "list", db_, "--json"}).out);
  EXPECT_EQ(listed.at("waiting"), 4);
  EXPECT_EQ(listed.at("set_aside"), 4);
  ASSERT_EQ(listed.at("conflicts").size(), 4U);
  std::map<std::string, std::string> number;
  for (const json& one : listed.at("conflicts")) {
    EXPECT_EQ(one.at("kind"), "source_refuses");
    EXPECT_THAT(one.at("why").get<std::string>(), HasSubstr("constraint failed"));
    number[one.at("key")] = std::to_string(one.at("id").get<int64_t>());
  }
  const Finished text = crossfade({"conflicts", "list", db_});
  EXPECT_THAT(text.out, HasSubstr("4 wait"));
  EXPECT_THAT(text.out, HasSubstr("4 rows of PostgreSQL's are set aside"));
  EXPECT_THAT(crossfade({"conflicts", "show", db_, number["id=1"]}).out, HasSubstr("500"));
  const Finished refused = crossfade({"cutover", db_, "--json"});
  EXPECT_EQ(refused.code, 8) << refused.out;
  EXPECT_THAT(refused.out + refused.err, HasSubstr("conflicts list"));
  // Looked at again and again, each is one event.
  const std::string versions =
      "SELECT string_agg(xmin::text,',' ORDER BY id) FROM crossfade.conflicts";
  const std::string noted = target_value(versions);
  for (int look = 0; look < 2; ++look) {
    // By its version: what a look writes there may be what the one before it wrote.
    const std::string mark = target_value("SELECT xmin FROM crossfade.probe");
    ASSERT_TRUE(wait_until([&] { return target_value("SELECT xmin FROM crossfade.probe") != mark; },
                           seconds(20)))
        << engine_->err();
  }
  EXPECT_EQ(target_value(versions), noted);
  // Mended on PostgreSQL; its rival's value freed on SQLite; by the verb; changed on SQLite.
  target_exec("UPDATE public.stock SET n=50 WHERE id=1");
  ASSERT_TRUE(
      wait_until([&] { return here("SELECT n FROM stock WHERE id=1") == "50"; }, seconds(20)));
  app("UPDATE stock SET tag='other' WHERE id=3");
  const Finished take =
      crossfade({"conflicts", "resolve", db_, number["id=2"], "--take", "source"});
  EXPECT_EQ(take.code, 0) << take.out << take.err;
  app("UPDATE stock SET n=8 WHERE id=4");
  expect_becomes_equal();
  ASSERT_TRUE(wait_until([&] { return status().value("conflicts_waiting", -1) == 0; }, seconds(20)))
      << conflicts();
  EXPECT_EQ(here("SELECT group_concat(id||':'||n||label||tag,' ') FROM (SELECT * FROM stock ORDER "
                 "BY id)"),
            "-9:9newz 1:50ax 2:2by 3:3cother 4:8dw");
  EXPECT_EQ(target_value("SELECT string_agg(key||' '||resolution||' '||by_person,', ' ORDER BY "
                         "key) FROM crossfade.conflicts WHERE kind='source_refuses'"),
            "id=-9 same false, id=1 same false, id=2 source true, id=4 same false");
  EXPECT_EQ(json::parse(crossfade({"conflicts", "list", db_, "--json"}).out).at("set_aside"), 0);
}

// Beginning again meets it again, so it is no reason to begin again.
TEST_F(DualTest, ARowWithNullInItsKeyEndsTheEngineAndIsNamed) {
  make_accounts();
  app("CREATE TABLE tag(name TEXT PRIMARY KEY, n INTEGER); INSERT INTO tag VALUES('red',1)");
  run_dual();
  app("INSERT INTO setting VALUES('before','1'); INSERT INTO tag VALUES(NULL,2)");
  EXPECT_EQ(engine_->wait(seconds(30)), 3) << engine_->err();
  EXPECT_THAT(engine_->err(), HasSubstr("tag"));
  EXPECT_THAT(engine_->err(), HasSubstr("NULL in its key"));
  EXPECT_EQ(target_value("SELECT count(*) FROM public.tag"), "1");
  EXPECT_EQ(crossfade({"finish", db_, "--target", url_}).code, 0);
}

}  // namespace
}  // namespace crossfade::testing
