// Promise: while the target is fenced the forward stream goes on, through changes of the schema
// too; the next cutover lets the applications in at its flip, and `finish` leaves nothing of it.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/run/target_fence.h"
#include "engine/run/target_store.h"
#include "tests/support/connect.h"
#include "tests/support/move_test.h"
#include "tests/support/oracle.h"
#include "tests/support/wait.h"

namespace crossfade::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;

class FencedTargetTest : public MoveTest {
 protected:
  // As a rollback leaves it.
  void fence() const {
    postgres::ConnectOptions options;
    options.params = postgres::ConnectionParams::parse(url_).value();
    auto store = run::TargetStore::open(std::move(options)).value();
    const run::FencedTables tables{"public", {"customer", "purchase", "setting", "journal"}};
    ASSERT_TRUE(wait_until(
        [&] { return run::lock_tables(store.connection(), tables, milliseconds(400)).value(); },
        seconds(20)));
    ASSERT_TRUE(run::raise_fence_on_target(store.connection(), tables, {db_, Epoch{2}}));
    ASSERT_TRUE(store.connection().commit());
  }
  // The SQLSTATE, or "".
  [[nodiscard]] std::string write_on_target(const std::string& sql) const {
    const auto done = connect_or_die(url_).exec(sql);
    return done ? "" : done.error().sqlstate;
  }
  [[nodiscard]] std::string triggers(const std::string& condition = "true") const {
    return target_value("SELECT count(*) FROM pg_trigger WHERE tgname LIKE '\\_crossfade%' AND " +
                        condition);
  }
};

TEST_F(FencedTargetTest, TheForwardStreamGoesOn) {
  make_shop();
  follow();
  fence();
  EXPECT_EQ(write_on_target("DELETE FROM public.journal"), "25006");
  app("UPDATE customer SET name='renamed'; DELETE FROM journal; INSERT INTO purchase "
      "SELECT id+1000, customer_id, cents, weight FROM purchase");
  expect_becomes_equal();
  // Tables that are made anew, or new, are fenced as well.
  app("ALTER TABLE setting ADD COLUMN since TEXT; CREATE TABLE extra(id INTEGER PRIMARY KEY);"
      "INSERT INTO extra VALUES(1)");
  ASSERT_TRUE(wait_until([&] { return target_value("SELECT to_regclass('public.extra')") != ""; },
                         seconds(20)));
  expect_becomes_equal();
  EXPECT_EQ(write_on_target("INSERT INTO public.extra VALUES (2)"), "25006");
  EXPECT_EQ(write_on_target("UPDATE public.setting SET since = 'now'"), "25006");
  EXPECT_EQ(write_on_target("DELETE FROM public.journal"), "25006");
}

TEST_F(FencedTargetTest, TheNextCutoverLowersItAndFinishTakesItAway) {
  make_shop();
  ASSERT_EQ(run_until_verified().code, 0);
  fence();
  ASSERT_EQ(crossfade({"cutover", db_, "--dry-run"}).code, 0);
  EXPECT_EQ(write_on_target("DELETE FROM public.journal"), "25006") << "rehearsed, not done";
  const Finished cut = crossfade({"cutover", db_, "--no-rollback"});
  ASSERT_EQ(cut.code, 0) << cut.err;
  EXPECT_EQ(compare_databases(db_, url_), "");
  EXPECT_EQ(write_on_target("DELETE FROM public.journal"), "");
  EXPECT_EQ(triggers("tgenabled <> 'D'"), "0") << "nor do they cost anything any more";
  const Finished finished = crossfade({"finish", db_});
  ASSERT_EQ(finished.code, 0) << finished.err;
  EXPECT_EQ(triggers(), "0");
}

TEST_F(FencedTargetTest, FinishOpensBothSides) {
  make_shop();
  ASSERT_EQ(run_until_verified().code, 0);
  fence();
  auto reader = connect_or_die(url_);
  ASSERT_TRUE(reader.exec("BEGIN; SELECT count(*) FROM public.journal"));
  const Finished blocked = crossfade({"finish", db_});
  EXPECT_EQ(blocked.code, 6) << blocked.out;
  EXPECT_THAT(blocked.err, HasSubstr("SELECT count(*) FROM public.journal"));
  reader.rollback();
  const Finished finished = crossfade({"finish", db_});
  ASSERT_EQ(finished.code, 0) << finished.err;
  EXPECT_THAT(finished.out, HasSubstr("triggers named _crossfade_*"));
  EXPECT_EQ(triggers(), "0");
  EXPECT_EQ(write_on_target("DELETE FROM public.journal"), "");
  app("DELETE FROM journal");
}

TEST_F(FencedTargetTest, FinishCanKeepTheFence) {
  make_shop();
  ASSERT_EQ(run_until_verified().code, 0);
  fence();
  const Finished done = crossfade({"finish", db_, "--keep-fence", "--json"});
  ASSERT_EQ(done.code, 0) << done.err;
  const auto report = nlohmann::json::parse(done.out);
  EXPECT_EQ(report.at("fence_kept"), "postgres");
  EXPECT_EQ(target_value("SELECT to_regnamespace('crossfade')"), "");
  app("DELETE FROM journal");
  EXPECT_EQ(traces_in_source(), "");
  auto stray = connect_or_die(url_);
  for (const char* sql :
       {"DELETE FROM public.journal", "TRUNCATE public.journal",
        "SET session_replication_role=replica; UPDATE public.setting SET value=NULL",
        "INSERT INTO public.customer(name) VALUES('stray')"}) {
    const auto refused = stray.exec(sql);
    ASSERT_FALSE(refused) << sql;
    EXPECT_EQ(refused.error().sqlstate, "25006") << sql;
  }
  EXPECT_THAT(describe(stray.exec("DELETE FROM public.journal").error()), HasSubstr("epoch"));
  EXPECT_EQ(target_value("SELECT count(*) FROM public.journal"), "3");
  // Into these tables no application could write after another move.
  target_exec(
      "SET crossfade.writer='on'; TRUNCATE public.customer, public.purchase, public.setting, "
      "public.journal");
  const Finished again = crossfade({"run", db_, "--target", url_, "--schema-from-target"});
  EXPECT_EQ(again.code, 3) << again.out;
  EXPECT_THAT(again.err, HasSubstr("_crossfade_fence"));
  for (const char* table : {"customer", "purchase", "setting", "journal"}) {
    target_exec(
        fmt::format("ALTER TABLE public.{0} DISABLE TRIGGER _crossfade_fence; ALTER TABLE "
                    "public.{0} DISABLE TRIGGER _crossfade_fence_rows",
                    table));
  }
  const std::string lift = report.at("fence_lifted_by");
  EXPECT_THAT(crossfade({"run", db_, "--target", url_, "--schema-from-target"}).err,
              HasSubstr(lift));
  target_exec(lift);
  EXPECT_EQ(triggers(), "0");
  EXPECT_EQ(write_on_target("INSERT INTO public.journal(at,what) VALUES(1,'free')"), "");
}

TEST_F(FencedTargetTest, WhereNoFenceIsUpNoneIsKept) {
  make_shop();
  ASSERT_EQ(run_until_verified().code, 0);
  const Finished done = crossfade({"finish", db_, "--keep-fence", "--json"});
  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_FALSE(nlohmann::json::parse(done.out).contains("fence_kept"));
  EXPECT_EQ(write_on_target("DELETE FROM public.journal"), "");
  app("DELETE FROM journal");
}

}  // namespace
}  // namespace crossfade::testing
