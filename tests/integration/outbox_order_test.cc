// Promise: what an outbox tells can be done in the order in which it comes, also where triggers of
// the application write to the table whose triggers they are, and where writers waited for one
// another.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>

#include "capture/outbox_stream.h"
#include "tests/support/stream_test.h"
#include "tests/support/wait.h"

namespace crossfade {
namespace {

using testing::Lines;

using OutboxOrderTest = testing::StreamTest;

TEST_F(OutboxOrderTest, ATriggerOfTheRowWritesToItsTable) {
  exec(
      "CREATE TABLE public.t(id bigint PRIMARY KEY, v text); CREATE FUNCTION public.f() RETURNS "
      "trigger LANGUAGE plpgsql AS $$BEGIN UPDATE public.t SET v='made by it' WHERE id=NEW.id; "
      "RETURN NULL; END$$; CREATE TRIGGER a AFTER INSERT ON public.t FOR EACH ROW EXECUTE FUNCTION "
      "public.f()");
  auto stream = outbox_of({plan("t", {{"id", TargetType::kBigint}, {"v", TargetType::kText}})});
  exec("INSERT INTO public.t VALUES(1,'a'),(2,'b')");
  EXPECT_EQ(events(stream), (Lines{"insert t 1 'a'", "insert t 2 'b'",
                                   "update t [1] 1 'made by it'", "update t [2] 2 'made by it'"}));
}

// Before ours and after ours, by name.
TEST_F(OutboxOrderTest, ATriggerOfTheStatementWritesToItsTable) {
  for (const char* name : {"A", "z"}) {
    exec(fmt::format(
        "DROP TABLE IF EXISTS public.t; CREATE TABLE public.t(id bigint PRIMARY KEY, v text); "
        "CREATE OR REPLACE FUNCTION public.f() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN UPDATE "
        "public.t SET v='x' WHERE v='a'; RETURN NULL; END$$; CREATE TRIGGER \"{}\" AFTER INSERT ON "
        "public.t FOR EACH STATEMENT EXECUTE FUNCTION public.f()",
        name));
    auto stream = outbox_of({plan("t", {{"id", TargetType::kBigint}, {"v", TargetType::kText}})});
    exec("BEGIN; INSERT INTO public.t VALUES(1,'a'); INSERT INTO public.t VALUES(2,'a'); COMMIT");
    EXPECT_EQ(events(stream), (Lines{"insert t 1 'a'", "update t [1] 1 'x'", "insert t 2 'a'",
                                     "update t [2] 2 'x'"}))
        << name;
  }
}

// The second began first, and waited for the row.
TEST_F(OutboxOrderTest, WhoWaitedForARowComesAfterWhoHadIt) {
  exec(
      "CREATE TABLE public.t(id bigint PRIMARY KEY, v text); INSERT INTO public.t VALUES(1,'0'),"
      "(2,'0')");
  auto stream = outbox_of({plan("t", {{"id", TargetType::kBigint}, {"v", TargetType::kText}})});
  auto first = testing::connect_or_die(url_);
  auto second = testing::connect_or_die(url_);
  ASSERT_TRUE(first.exec("SELECT 1"));
  ASSERT_TRUE(second.exec("BEGIN; UPDATE public.t SET v='second' WHERE id=2"));
  ASSERT_TRUE(first.exec("BEGIN; UPDATE public.t SET v='first' WHERE id=1"));
  std::jthread waiting(
      [&] { EXPECT_TRUE(second.exec("UPDATE public.t SET v=v||'+' WHERE id=1")); });
  ASSERT_TRUE(testing::wait_until(
      [&] { return value("SELECT count(*) FROM pg_locks WHERE NOT granted") == "1"; },
      std::chrono::seconds(10)));
  ASSERT_TRUE(first.exec("COMMIT"));
  waiting.join();
  ASSERT_TRUE(second.exec("COMMIT"));
  EXPECT_EQ(events(stream), (Lines{"update t [1] 1 'first'", "update t [2] 2 'second'",
                                   "update t [1] 1 'first+'"}));
}

TEST_F(OutboxOrderTest, PartitionsAndSubscribedTablesAreWatchedRowByRow) {
  exec(
      "CREATE TABLE public.t(id bigint PRIMARY KEY, v text) PARTITION BY RANGE(id); CREATE TABLE "
      "public.low PARTITION OF public.t FOR VALUES FROM (0) TO (100)");
  auto stream = outbox_of({plan("low", {{"id", TargetType::kBigint}, {"v", TargetType::kText}})});
  exec("INSERT INTO public.t VALUES(1,'by the parent'); INSERT INTO public.low VALUES(2,'itself')");
  exec("UPDATE public.t SET id=id+1 WHERE id=2; DELETE FROM public.t WHERE id=1");
  EXPECT_EQ(events(stream), (Lines{"insert low 1 'by the parent'", "insert low 2 'itself'",
                                   "update low [2] 3 'itself'", "delete low [1]"}));
  exec("TRUNCATE public.low; INSERT INTO public.t VALUES(4,'x'); TRUNCATE public.t");
  EXPECT_EQ(events(stream), (Lines{"truncate low", "insert low 4 'x'", "truncate low"}));
}

}  // namespace
}  // namespace crossfade
