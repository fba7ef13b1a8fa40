// Promise: the cutover loses no acknowledged write, lets nobody write on both sides, and steps
// back whole when it cannot be done in time.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/connect.h"
#include "tests/support/move_test.h"
#include "tests/support/oracle.h"
#include "tests/support/wait.h"

namespace crossfade::testing {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr const char* kMoved = "no such function: crossfade_moved_to_postgresql";

class CutoverTest : public MoveTest {
 protected:
  [[nodiscard]] Finished cut_over(std::vector<std::string> more = {"--no-rollback"}) const {
    std::vector<std::string> arguments = {"cutover", db_, "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return crossfade(std::move(arguments));
  }
  [[nodiscard]] json route() const {
    return json::parse(crossfade({"route", db_, "--json"}).out, nullptr, false);
  }
  void expect_sqlite_is_primary() const {
    EXPECT_EQ(route().value("primary", ""), "sqlite");
    EXPECT_EQ(target_value("SELECT \"primary\" FROM crossfade.route"), "sqlite");
    app("INSERT INTO journal VALUES(99,'still writable')");
  }
};

TEST_F(CutoverTest, EveryAcknowledgedWriteIsThereOnce) {
  make_shop();
  AppWriters writers(db_, 3);
  follow();
  ASSERT_TRUE(wait_until([&] { return writers.acknowledged() > 300; }, seconds(20)));
  const Finished done = cut_over();
  ASSERT_EQ(done.code, 0) << done.out << done.err << engine_->err();
  const json report = json::parse(done.out);
  EXPECT_EQ(report.at("primary"), "postgres");
  EXPECT_EQ(report.at("epoch"), 1);
  EXPECT_GT(report.at("write_pause_ms").get<double>(), 0);
  EXPECT_GT(report.at("verified_rows").get<int64_t>(), 200);
  EXPECT_GT(report.at("drained_lsn").get<int64_t>(), 0);
  EXPECT_TRUE(wait_until([&] { return writers.refused() == 3; }, seconds(10)));
  const auto result = writers.result();
  for (size_t i = 0; i < result.size(); ++i) {
    EXPECT_EQ(result[i].refusal, kMoved);
    EXPECT_EQ(target_value(fmt::format("SELECT count(*)||' '||count(DISTINCT n)||' '||max(n) FROM "
                                       "public.app_entry WHERE writer={}",
                                       i)),
              fmt::format("{0} {0} {0}", result[i].acknowledged));
  }
  EXPECT_EQ(engine_->wait(seconds(5)), 0) << engine_->err();
  EXPECT_EQ(compare_databases(db_, url_), "");
}

TEST_F(CutoverTest, AfterwardsTheFileCanBeReadAndNotWritten) {
  make_shop();
  ASSERT_EQ(run_until_verified().code, 0);
  AppDb open_since_before(db_);
  ASSERT_EQ(cut_over().code, 0);
  for (const char* sql :
       {"INSERT INTO journal VALUES(1,'x')", "INSERT OR IGNORE INTO setting VALUES('theme','x')",
        "INSERT OR REPLACE INTO setting VALUES('theme','x')", "UPDATE purchase SET cents=0",
        "UPDATE OR IGNORE purchase SET cents=0 WHERE id=1", "DELETE FROM customer",
        "INSERT INTO setting VALUES('theme','x') ON CONFLICT(name) DO UPDATE SET value='x'"}) {
    EXPECT_EQ(open_since_before.run(sql), kMoved) << sql;
    EXPECT_EQ(AppDb(db_).run(sql), kMoved) << sql;
  }
  EXPECT_EQ(AppDb(db_).value("SELECT count(*) FROM purchase"), "200");
  EXPECT_EQ(compare_databases(db_, url_), "");
}

TEST_F(CutoverTest, WhereThereCanBeNoSlotItSaysWhyNot) {
  make_shop();
  const std::string role = fmt::format("plain_{}", getpid());
  target_exec(
      fmt::format("CREATE ROLE {0} LOGIN; GRANT ALL ON DATABASE \"{1}\" TO {0}; GRANT ALL "
                  "ON SCHEMA public TO {0}",
                  role, target_value("SELECT current_database()")));
  const std::string admin = url_;
  const size_t user = url_.find("://") + 3;
  url_.replace(user, url_.find('@', user) - user, role);
  ASSERT_EQ(run_until_verified().code, 0);
  for (const std::vector<std::string>& flags :
       {std::vector<std::string>{"--way-back", "slot"}, {"--way-back", "slot", "--dry-run"}}) {
    const Finished done = cut_over(flags);
    EXPECT_EQ(done.code, 3) << done.out;
    EXPECT_THAT(done.err, AllOf(HasSubstr("no way back"), HasSubstr("REPLICATION"),
                                HasSubstr("--way-back outbox"), HasSubstr("--no-rollback")));
  }
  expect_sqlite_is_primary();
  EXPECT_EQ(cut_over().code, 0);
  url_ = admin;
  target_exec(fmt::format("DROP OWNED BY {0}; DROP ROLE {0}", role));
}

TEST_F(CutoverTest, BeforeAMoveHasBegunItSaysSo) {
  make_shop();
  const Finished done = cut_over();
  EXPECT_EQ(done.code, 3) << done.err;
  EXPECT_THAT(done.err, HasSubstr("crossfade run"));
  EXPECT_EQ(traces_in_source(), "");
}

TEST_F(CutoverTest, ADryRunChangesNothing) {
  make_shop();
  AppWriters writers(db_, 3);
  follow();
  ASSERT_TRUE(wait_until([&] { return writers.acknowledged() > 100; }, seconds(20)));
  AppDb db(db_);
  const std::string schema = db.value("SELECT group_concat(sql) FROM sqlite_master");
  const Finished done = cut_over({"--dry-run"});
  EXPECT_EQ(done.code, 0) << done.out << done.err;
  EXPECT_EQ(json::parse(done.out).at("primary"), "sqlite");
  EXPECT_GT(json::parse(done.out).at("write_pause_ms").get<double>(), 0);
  const int64_t before = writers.acknowledged();
  EXPECT_TRUE(wait_until([&] { return writers.acknowledged() > before + 50; }, seconds(10)));
  EXPECT_EQ(writers.refused(), 0);
  EXPECT_EQ(db.value("SELECT group_concat(sql) FROM sqlite_master"), schema);
  expect_sqlite_is_primary();
  EXPECT_EQ(target_value("SELECT epoch::text FROM crossfade.route"), "0");
  EXPECT_TRUE(await_phase("following"));
  writers.stop();
  expect_becomes_equal();
}

// Every transaction on the target's table takes a second longer than the pause may last, and the
// writers see to it that one is under way. They are slow enough that the stream stays near.
TEST_F(CutoverTest, AnOverrunPauseStepsBack) {
  make_shop();
  AppWriters writers(db_, 3, milliseconds(20));
  follow();
  target_exec(R"(
    CREATE FUNCTION public.dawdle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF coalesce(current_setting('dawdle.done', true), '') <> 'yes' THEN
        PERFORM set_config('dawdle.done', 'yes', true), pg_sleep(1.2);
      END IF;
      RETURN NULL;
    END $$;
    CREATE TRIGGER dawdle AFTER INSERT ON public.app_entry EXECUTE FUNCTION public.dawdle();
    ALTER TABLE public.app_entry ENABLE ALWAYS TRIGGER dawdle)");
  for (const char* max_pause : {"1", "200"}) {
    const Finished done = cut_over({"--no-rollback", "--max-pause", max_pause});
    EXPECT_EQ(done.code, 8) << done.out << done.err << engine_->err();
    EXPECT_THAT(done.err, HasSubstr("cutover"));
    expect_sqlite_is_primary();
    const int64_t before = writers.acknowledged();
    EXPECT_TRUE(wait_until([&] { return writers.acknowledged() > before + 20; }, seconds(10)));
  }
  EXPECT_EQ(writers.refused(), 0);
  EXPECT_LT(writers.longest_wait(), milliseconds(1000)) << "the pause was kept short";
  target_exec("DROP FUNCTION public.dawdle() CASCADE");
  writers.stop();
  expect_becomes_equal();
  EXPECT_EQ(cut_over().code, 0) << "and after that it can be done";
}

TEST_F(CutoverTest, AWriterThatHoldsTheLockStepsItBack) {
  make_shop();
  follow();
  AppDb holder(db_);
  ASSERT_EQ(holder.run("BEGIN IMMEDIATE; INSERT INTO journal VALUES(8,'open')"), "");
  const Finished done = cut_over({"--no-rollback", "--max-pause", "200"});
  EXPECT_EQ(done.code, 8) << done.out << done.err;
  ASSERT_EQ(holder.run("COMMIT"), "");
  expect_sqlite_is_primary();
  expect_becomes_equal();
}

TEST_F(CutoverTest, TwiceIsOnce) {
  make_shop();
  ASSERT_EQ(run_until_verified().code, 0);
  const Finished first = cut_over();
  ASSERT_EQ(first.code, 0) << first.err;
  const Finished second = cut_over();
  EXPECT_EQ(second.code, 0) << second.err;
  EXPECT_EQ(json::parse(second.out).at("epoch"), json::parse(first.out).at("epoch"));
  EXPECT_EQ(json::parse(second.out).at("primary"), "postgres");
  for (const Finished& run : {crossfade({"run", db_}), crossfade({"run", db_, "--target", url_})}) {
    EXPECT_EQ(run.code, 0) << run.err;
    EXPECT_THAT(run.out + run.err, HasSubstr("PostgreSQL is primary"));
  }
  const Finished until = run_until_verified();
  EXPECT_EQ(until.code, 0) << until.out << until.err;
  EXPECT_EQ(AppDb(db_).run("INSERT INTO journal VALUES(1,'x')"), kMoved);
  EXPECT_EQ(status().at("primary"), "postgres");
  EXPECT_EQ(status().at("phase"), "finished");
}

TEST_F(CutoverTest, TheRouteFileIsMendedFromTheRow) {
  make_shop();
  ASSERT_EQ(run_until_verified().code, 0);
  ASSERT_EQ(cut_over().code, 0);
  write_bytes(db_ + ".crossfade/route", std::string(1024, 'x'));
  EXPECT_NE(crossfade({"route", db_}).code, 0);
  EXPECT_EQ(crossfade({"run", db_}).code, 0);
  EXPECT_EQ(route().value("primary", ""), "postgres");
}

TEST_F(CutoverTest, SequencesAndForeignKeysAreReady) {
  make_shop();
  app("INSERT INTO customer(id,name) VALUES(500,'Gone'); DELETE FROM customer WHERE id=500");
  ASSERT_EQ(run_until_verified().code, 0);
  app("INSERT INTO purchase(id,customer_id,cents) VALUES(7000,1,1)");
  ASSERT_EQ(cut_over().code, 0);
  EXPECT_EQ(target_value("INSERT INTO public.purchase(customer_id,cents) VALUES(1,1) RETURNING "
                         "id::text"),
            "7001");
  // AUTOINCREMENT never gives a number again, the newest row's neither.
  EXPECT_EQ(target_value("INSERT INTO public.customer(name) VALUES('New') RETURNING id::text"),
            "501");
  EXPECT_EQ(target_value("SELECT string_agg(conrelid::regclass||' '||convalidated,',') FROM "
                         "pg_constraint WHERE contype='f' AND connamespace='public'::regnamespace"),
            "public.purchase true");
  auto connection = connect_or_die(url_);
  EXPECT_EQ(connection.exec("INSERT INTO public.purchase(customer_id,cents) VALUES(999,1)")
                .error()
                .sqlstate,
            "23503");
}

}  // namespace
}  // namespace crossfade::testing
