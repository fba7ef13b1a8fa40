// Promise: what an outbox tells is what was committed, each change once, whoever wrote it and
// however; nobody else can put anything into it; and nothing of it is left when it is taken away.
#include "capture/outbox_stream.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>

#include "tests/support/stream_test.h"

namespace crossfade {
namespace {

using ::testing::HasSubstr;
using testing::Lines;

class OutboxStreamTest : public testing::StreamTest {
 protected:
  capture::OutboxStream simple(
      const std::string& ddl = "CREATE TABLE public.t(id bigint PRIMARY KEY, v text)") {
    exec(ddl);
    return outbox_of({plan("t", {{"id", TargetType::kBigint}, {"v", TargetType::kText}})});
  }
  [[nodiscard]] std::string entries() const {
    return value("SELECT count(*) FROM crossfade.outbox");
  }
  void remove() {
    auto connection = testing::connect_or_die(url_);
    const auto removed =
        capture::remove_outbox(connection, Deadline::after(std::chrono::seconds(2)));
    ASSERT_TRUE(removed) << describe(removed.error());
  }
};

TEST_F(OutboxStreamTest, EveryOperationComes) {
  auto stream = simple();
  exec("INSERT INTO public.t VALUES(1,'a'),(2,NULL)");
  exec("UPDATE public.t SET v='b', id=3 WHERE id=1");
  exec("DELETE FROM public.t WHERE id=2");
  exec("TRUNCATE public.t");
  EXPECT_EQ(events(stream), (Lines{"insert t 1 'a'", "insert t 2 NULL", "update t [1] 3 'b'",
                                   "delete t [2]", "truncate t"}));
}

TEST_F(OutboxStreamTest, EveryWayToWriteComes) {
  exec(
      "CREATE TABLE public.child(id bigint PRIMARY KEY, v text, parent bigint); CREATE TABLE "
      "public.t(id bigint PRIMARY KEY, v text); ALTER TABLE public.child ADD FOREIGN KEY(parent) "
      "REFERENCES public.t ON DELETE CASCADE ON UPDATE CASCADE; INSERT INTO public.t VALUES(1,'a');"
      "INSERT INTO public.child VALUES(7,'c',1),(8,'d',1)");
  auto stream = outbox_of({plan("t", {{"id", TargetType::kBigint}, {"v", TargetType::kText}}),
                           plan("child", {{"id", TargetType::kBigint},
                                          {"v", TargetType::kText},
                                          {"parent", TargetType::kBigint}})});
  exec("UPDATE public.t SET id=2");
  EXPECT_THAT(events(stream),
              ::testing::UnorderedElementsAre("update t [1] 2 'a'", "update child [7] 7 'c' 2",
                                              "update child [8] 8 'd' 2"));
  exec("DELETE FROM public.t");
  EXPECT_THAT(events(stream), ::testing::UnorderedElementsAre("delete t [2]", "delete child [7]",
                                                              "delete child [8]"));
  exec("INSERT INTO public.t VALUES(1,'x') ON CONFLICT(id) DO UPDATE SET v='y'");
  exec("INSERT INTO public.t VALUES(1,'x'),(2,'z') ON CONFLICT(id) DO UPDATE SET v='y'");
  EXPECT_EQ(events(stream), (Lines{"insert t 1 'x'", "update t [1] 1 'y'", "insert t 2 'z'"}));
  auto connection = testing::connect_or_die(url_);
  ASSERT_TRUE(connection.copy_in_begin("COPY public.t FROM STDIN"));
  ASSERT_TRUE(connection.copy_in_put("5\tcopied\n"));
  ASSERT_TRUE(connection.copy_in_end());
  ASSERT_TRUE(connection.exec("SET session_replication_role = replica"));
  ASSERT_TRUE(connection.exec("DELETE FROM public.t WHERE id=2"));
  EXPECT_EQ(events(stream), (Lines{"insert t 5 'copied'", "delete t [2]"}));
  if (connection.server_version() < 150'000) return;
  exec(
      "MERGE INTO public.t USING (VALUES(1),(5),(6)) AS s(n) ON t.id=s.n WHEN MATCHED AND n=1 THEN "
      "DELETE WHEN MATCHED THEN UPDATE SET v='merged' WHEN NOT MATCHED THEN INSERT VALUES(n,'m')");
  EXPECT_THAT(events(stream), ::testing::UnorderedElementsAre(
                                  "delete t [1]", "update t [5] 5 'merged'", "insert t 6 'm'"));
}

TEST_F(OutboxStreamTest, ASessionsSettingsDoNotBearOnValues) {
  exec("CREATE TABLE public.t(id bigint PRIMARY KEY, at timestamptz, f float8, b bytea)");
  auto stream = outbox_of({plan("t", {{"id", TargetType::kBigint},
                                      {"at", TargetType::kTimestamptz},
                                      {"f", TargetType::kDouble},
                                      {"b", TargetType::kBytea}})});
  for (const char* settings :
       {"",
        "SET timezone='America/New_York'; SET datestyle='German'; SET bytea_output='escape'; "
        "SET extra_float_digits=-5; SET search_path=public;"}) {
    exec(
        fmt::format("{} INSERT INTO public.t VALUES(1,'2026-01-02 03:04:05.678901+00',0.1::float8"
                    "+0.2,'\\x00ff'); DELETE FROM public.t",
                    settings));
  }
  const Lines seen = events(stream);
  ASSERT_EQ(seen.size(), 4U);
  EXPECT_EQ(seen[0], seen[2]);
  EXPECT_THAT(seen[0], HasSubstr("0.30000000000000004"));
}

TEST_F(OutboxStreamTest, WhatIsRolledBackDoesNotCome) {
  auto stream = simple();
  exec(
      "BEGIN; INSERT INTO public.t VALUES(1,'kept'); SAVEPOINT s; INSERT INTO public.t "
      "VALUES(2,'no'"
      "); ROLLBACK TO s; INSERT INTO public.t VALUES(3,'kept'); COMMIT");
  exec("BEGIN; INSERT INTO public.t VALUES(4,'no'); ROLLBACK");
  EXPECT_EQ(events(stream), (Lines{"insert t 1 'kept'", "insert t 3 'kept'"}));
}

// One that began first and ends last, and a reader that looked in between.
TEST_F(OutboxStreamTest, WhoEndsLaterComesLater) {
  auto stream = simple();
  auto slow = testing::connect_or_die(url_);
  ASSERT_TRUE(slow.exec("BEGIN; INSERT INTO public.t VALUES(1,'began first')"));
  exec("INSERT INTO public.t VALUES(2,'ended first')");
  EXPECT_EQ(events(stream), (Lines{"insert t 2 'ended first'"}));
  ASSERT_TRUE(stream.confirm(last_commit_.end));
  auto again = open_outbox();
  ASSERT_TRUE(again) << describe(again.error());
  ASSERT_TRUE(slow.exec("COMMIT"));
  EXPECT_EQ(events(again.value()), (Lines{"insert t 1 'began first'"}));
}

// SQLite's position sees a later number; this one ended in between, and was not read.
TEST_F(OutboxStreamTest, WhatIsConfirmedDoesNotTakeAlongWhoEndedSince) {
  auto stream = simple();
  auto slow = testing::connect_or_die(url_);
  ASSERT_TRUE(slow.exec("BEGIN; INSERT INTO public.t VALUES(1,'began first')"));
  exec("INSERT INTO public.t VALUES(2,'ended first')");
  EXPECT_EQ(events(stream), (Lines{"insert t 2 'ended first'"}));
  ASSERT_TRUE(slow.exec("COMMIT"));
  ASSERT_TRUE(stream.confirm(last_commit_.end));
  EXPECT_EQ(events(stream), (Lines{"insert t 1 'began first'"}));
}

// The application goes on; nothing comes that would be a state which the server never had.
TEST_F(OutboxStreamTest, BeyondItsBoundTheWayBackIsGivenUpAndWritersGoOn) {
  auto stream = simple();
  exec("INSERT INTO public.t VALUES(0,'before')");
  EXPECT_EQ(events(stream), (Lines{"insert t 0 'before'"}));
  ASSERT_TRUE(stream.confirm(last_commit_.end));
  exec("UPDATE crossfade.outbox_position SET max_bytes = 1");
  auto connection = testing::connect_or_die(url_);
  int written = 0;
  while (written < 5'000 && value("SELECT count(*) FROM crossfade.outbox_lost") == "0") {
    ASSERT_TRUE(connection.exec(fmt::format("INSERT INTO public.t VALUES({},'x')", ++written)));
  }
  EXPECT_EQ(value("SELECT count(*) FROM crossfade.outbox_lost"), "1");
  const std::string kept = entries();
  for (const char* isolation : {"READ COMMITTED", "SERIALIZABLE"}) {
    ASSERT_TRUE(
        connection.exec(fmt::format("BEGIN ISOLATION LEVEL {}; UPDATE public.t SET v='y'; "
                                    "DELETE FROM public.t WHERE id=1; COMMIT",
                                    isolation)));
  }
  EXPECT_EQ(entries(), kept) << "it does not grow any more";
  EXPECT_EQ(value("SELECT count(*) FROM public.t"), std::to_string(written));
  std::string refused;
  for (int i = 0; i < 10'000 && refused.empty(); ++i) {
    const auto event = stream.next(Deadline::after(std::chrono::seconds(10)));
    if (!event) {
      refused = event.error().native;
    } else {
      ASSERT_TRUE(event.value());
      EXPECT_FALSE(std::holds_alternative<TargetChange>(*event.value())) << show(*event.value());
    }
  }
  EXPECT_THAT(refused, HasSubstr("the way back is gone"));
  const auto health = capture::outbox_health(connection);
  ASSERT_TRUE(health);
  EXPECT_TRUE(health.value().lost && health.value().at_risk);
}

TEST_F(OutboxStreamTest, NearItsBoundItIsAtRisk) {
  auto stream = simple();
  auto connection = testing::connect_or_die(url_);
  const auto at_risk = [&] {
    const auto health = capture::outbox_health(connection);
    return health && health.value().at_risk;
  };
  EXPECT_FALSE(at_risk());
  exec(
      "UPDATE crossfade.outbox_position SET max_bytes = "
      "pg_total_relation_size('crossfade.outbox') + 1000");
  EXPECT_TRUE(at_risk());
  exec("UPDATE crossfade.outbox_position SET max_bytes = 0");
  EXPECT_FALSE(at_risk()) << "there is none";
}

TEST_F(OutboxStreamTest, WhatWasNotConfirmedComesAgainAndNothingElse) {
  auto stream = simple();
  exec("INSERT INTO public.t VALUES(1,'a')");
  EXPECT_EQ(events(stream), (Lines{"insert t 1 'a'"}));
  const auto first = last_commit_;
  ASSERT_TRUE(stream.confirm(first.end));
  exec("INSERT INTO public.t VALUES(2,'b')");
  EXPECT_EQ(events(stream), (Lines{"insert t 2 'b'"}));
  last_commit_ = first;
  auto again = open_outbox();
  ASSERT_TRUE(again) << describe(again.error());
  EXPECT_THAT(events(again.value()), ::testing::Contains("insert t 2 'b'"));
  ASSERT_TRUE(again.value().confirm(last_commit_.end));
  EXPECT_EQ(entries(), "0") << "what SQLite has is not kept";
}

// What the server has not on its disk could be taken back by a crash.
TEST_F(OutboxStreamTest, NoPositionIsAheadOfTheServersDisk) {
  auto stream = simple();
  // Who does not wait for the disk has nobody else write for him.
  exec("ALTER SYSTEM SET wal_writer_delay = '10s'");
  exec("SELECT pg_reload_conf()");
  for (int i = 0; i < 5; ++i) {
    exec(fmt::format("SET synchronous_commit=off; INSERT INTO public.t VALUES({},'a')", i));
    const auto event = [&] {
      while (true) {
        auto next = stream.next(Deadline::after(std::chrono::seconds(10)));
        if (!next || !next.value()) return std::string("none");
        if (const auto* commit = std::get_if<capture::TargetCommit>(&*next.value())) {
          return postgres::to_string(commit->end);
        }
      }
    }();
    EXPECT_EQ(value(fmt::format("SELECT pg_current_wal_flush_lsn() >= '{}'", event)), "t") << event;
  }
  exec("ALTER SYSTEM RESET wal_writer_delay");
  exec("SELECT pg_reload_conf()");
}

TEST_F(OutboxStreamTest, CrossfadesOwnWritesBeforeTheFlipDoNotCome) {
  exec("CREATE TABLE public.t(id bigint PRIMARY KEY, v text)");
  auto stream =
      outbox_of({plan("t", {{"id", TargetType::kBigint}, {"v", TargetType::kText}})}, false);
  exec("INSERT INTO public.t VALUES(1,'own')");
  auto early = testing::connect_or_die(url_);
  ASSERT_TRUE(early.exec("BEGIN; INSERT INTO public.t VALUES(2,'ends after the flip')"));
  exec(
      "BEGIN; UPDATE public.t SET v='own'; UPDATE crossfade.route SET \"primary\"='postgres', "
      "epoch=epoch+1; COMMIT");
  ASSERT_TRUE(early.exec("COMMIT"));
  exec("INSERT INTO public.t VALUES(3,'new')");
  const Lines all = {"route postgres 1", "commit", "insert t 2 'ends after the flip'",
                     "insert t 3 'new'"};
  EXPECT_EQ(events(stream), all);
}

// Columns are those of the moment at which it was written.
TEST_F(OutboxStreamTest, AChangedTableIsTold) {
  auto stream = simple("CREATE TABLE public.t(id bigint PRIMARY KEY, v text, extra int)");
  exec("INSERT INTO public.t VALUES(1,'a')");
  exec("ALTER TABLE public.t DROP extra; INSERT INTO public.t VALUES(2,'b')");
  exec(
      "ALTER TABLE public.t ADD twice bigint GENERATED ALWAYS AS (id*2) STORED; UPDATE public.t "
      "SET v='c' WHERE id=2");
  EXPECT_EQ(
      events(stream),
      (Lines{"t: column extra has no place in the source: its values do not go back (goes on)",
             "insert t 1 'a'", "insert t 2 'b'", "update t [2] 2 'c'"}));
  exec(
      "ALTER TABLE public.t RENAME v TO w; ALTER TABLE public.t ADD v int; INSERT INTO public.t"
      "(id,w,v) VALUES(3,'x',4)");
  auto connection = testing::connect_or_die(url_);
  ASSERT_TRUE(capture::send_probe(connection, "until"));
  Lines seen;
  while (true) {
    const auto event = stream.next(Deadline::after(std::chrono::seconds(10)));
    if (!event) {
      seen.push_back(event.error().native);
      break;
    }
    ASSERT_TRUE(event.value());
    if (!std::holds_alternative<capture::TargetBegin>(*event.value())) {
      seen.push_back(show(*event.value()));
    }
  }
  EXPECT_THAT(seen.back(), HasSubstr("column v is integer now, and was text"));
}

TEST_F(OutboxStreamTest, ARenamedTableAndOneWithoutTriggersAreFound) {
  auto stream = simple();
  auto connection = testing::connect_or_die(url_);
  const auto unwatched = [&]() -> std::string {
    const auto found = capture::find_unwatched(connection, "public");
    if (!found) return describe(found.error());
    return found.value().empty() ? "" : found.value().front().what;
  };
  EXPECT_EQ(unwatched(), "");
  exec("ALTER TABLE public.t DISABLE TRIGGER ALL");
  EXPECT_THAT(unwatched(), HasSubstr("dropped or disabled"));
  exec("ALTER TABLE public.t ENABLE TRIGGER ALL");
  EXPECT_THAT(unwatched(), HasSubstr("dropped or disabled")) << "what was written is not known";
  exec("ALTER TABLE public.t RENAME TO u");
  EXPECT_THAT(unwatched(), HasSubstr("called public.u now"));
  exec("DROP TABLE public.u; CREATE TABLE public.t(id bigint PRIMARY KEY, v text)");
  EXPECT_EQ(unwatched(), "it was dropped and made anew");
}

// What is written by way of another table calls no trigger of this one's statements.
TEST_F(OutboxStreamTest, ATableThatBecomesAPartOfAnotherIsFound) {
  auto stream = simple();
  auto connection = testing::connect_or_die(url_);
  const auto unwatched = [&]() -> std::string {
    const auto found = capture::find_unwatched(connection, "public");
    if (!found) return describe(found.error());
    return found.value().empty() ? "" : found.value().front().what;
  };
  exec("CREATE TABLE public.heir() INHERITS (public.t)");
  EXPECT_THAT(unwatched(), HasSubstr("inherit from it"));
  exec("DROP TABLE public.heir");
  EXPECT_EQ(unwatched(), "");
  exec(
      "CREATE TABLE public.whole(id bigint PRIMARY KEY, v text) PARTITION BY RANGE(id); ALTER "
      "TABLE "
      "public.whole ATTACH PARTITION public.t FOR VALUES FROM (0) TO (100)");
  EXPECT_THAT(unwatched(), HasSubstr("a part of another table"));
}

TEST_F(OutboxStreamTest, AnOrdinaryRoleWritesAndForgesNothing) {
  auto stream = simple();
  const std::string role = fmt::format("cf_app_{}", getpid());
  exec(
      fmt::format("CREATE ROLE {0}; GRANT ALL ON public.t TO {0}; GRANT ALL ON SCHEMA public TO "
                  "{0}",
                  role));
  exec(
      fmt::format("SET ROLE {}; SET search_path=public; INSERT INTO t VALUES(1,'a'); UPDATE t SET "
                  "v='b'; DELETE FROM t; TRUNCATE t",
                  role));
  const auto refusal = [&](const std::string& sql) -> std::string {
    auto connection = testing::connect_or_die(url_);
    const auto done = connection.exec(fmt::format("SET ROLE {}; {}", role, sql));
    return done ? "" : done.error().sqlstate;
  };
  EXPECT_EQ(refusal("INSERT INTO crossfade.outbox(began,relation,shape,op) VALUES(1,1,1,'T')"),
            "42501");
  EXPECT_EQ(refusal("DELETE FROM crossfade.outbox"), "42501");
  exec(fmt::format("GRANT USAGE ON SCHEMA crossfade TO {}", role));
  EXPECT_EQ(refusal("INSERT INTO crossfade.outbox(began,relation,shape,op) VALUES(1,1,1,'T')"),
            "42501");
  EXPECT_EQ(refusal("CREATE TABLE public.mine(id bigint, v text); CREATE TRIGGER x AFTER INSERT ON "
                    "public.mine FOR EACH ROW EXECUTE FUNCTION crossfade.outbox_row()"),
            "42501");
  EXPECT_EQ(refusal("SELECT crossfade.outbox_row()"), "42501");
  EXPECT_EQ(events(stream),
            (Lines{"insert t 1 'a'", "update t [1] 1 'b'", "delete t [1]", "truncate t"}));
  exec(fmt::format("DROP OWNED BY {0}; DROP ROLE {0}", role));
}

TEST_F(OutboxStreamTest, NothingIsLeftAndItCanBeMadeAgain) {
  for (int i = 0; i < 2; ++i) {
    if (i == 0) exec("CREATE TABLE public.t(id bigint PRIMARY KEY, v text)");
    tables_ = {plan("t", {{"id", TargetType::kBigint}, {"v", TargetType::kText}})};
    ASSERT_TRUE(make_outbox());
    const Status again = make_outbox();  // in the place of another attempt's
    ASSERT_TRUE(again) << describe(again.error());
    exec("DELETE FROM public.t; INSERT INTO public.t VALUES(1,'a')");
    remove();
    EXPECT_EQ(value("SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal"), "0");
    EXPECT_EQ(
        value("SELECT string_agg(relname, ',') FROM pg_class c JOIN pg_namespace n ON n.oid = "
              "relnamespace WHERE nspname='crossfade' AND relkind IN ('r','S')"),
        "route");
    EXPECT_EQ(value("SELECT count(*) FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace "
                    "WHERE nspname='crossfade'"),
              "0");
    remove();
  }
}

// A table in use keeps its triggers for now; writers go on, and nothing is written down for them.
TEST_F(OutboxStreamTest, ATableInUseIsNamedAndTakenLater) {
  auto stream = simple();
  auto other = testing::connect_or_die(url_);
  ASSERT_TRUE(other.exec("BEGIN; SELECT count(*) FROM public.t"));
  auto connection = testing::connect_or_die(url_);
  const auto refused = capture::remove_outbox(connection, Deadline::after(std::chrono::seconds(2)));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().remedy, Remedy::kRetry);
  EXPECT_THAT(describe(refused.error()), HasSubstr("public.t"));
  exec("INSERT INTO public.t VALUES(1,'a')");
  EXPECT_EQ(entries(), "0");
  ASSERT_TRUE(other.exec("COMMIT"));
  remove();
}

TEST_F(OutboxStreamTest, ALargeTransactionIsReadRowByRowAndGoesInParts) {
  auto stream = simple();
  exec("INSERT INTO public.t SELECT n, repeat('x', 100) FROM generate_series(1, 60000) n");
  EXPECT_EQ(events(stream).size(), 60000U);
  ASSERT_TRUE(stream.confirm(last_commit_.end));
  EXPECT_TRUE(testing::wait_until(
      [&] {
        EXPECT_TRUE(stream.next(Deadline::at({})));
        return entries() == "0";
      },
      std::chrono::seconds(20)));
}

// Two sides are compared at a snapshot that somebody else holds.
TEST_F(OutboxStreamTest, ATransactionEndsWhereASnapshotIsAskedFor) {
  auto stream = simple();
  exec("INSERT INTO public.t VALUES(1,'before')");
  auto held = testing::connect_or_die(url_);
  ASSERT_TRUE(held.exec("BEGIN ISOLATION LEVEL REPEATABLE READ"));
  const auto snapshot = held.exec("SELECT pg_current_snapshot()::text");
  ASSERT_TRUE(snapshot);
  exec("INSERT INTO public.t VALUES(2,'after')");
  stream.part_at(snapshot.value().text(0, 0));
  Lines seen;
  int commits = 0;
  while (commits < 2) {
    const auto event = stream.next(Deadline::after(std::chrono::seconds(10)));
    ASSERT_TRUE(event) << describe(event.error());
    ASSERT_TRUE(event.value());
    if (const auto* begin = std::get_if<capture::TargetBegin>(&*event.value())) {
      const auto seen_by = postgres::PgSnapshot::parse(snapshot.value().text(0, 0));
      EXPECT_EQ(seen_by->sees(begin->xid), commits == 0);
      continue;
    }
    if (std::holds_alternative<capture::TargetCommit>(*event.value())) ++commits;
    seen.push_back(show(*event.value()));
  }
  EXPECT_EQ(seen, (Lines{"insert t 1 'before'", "commit", "insert t 2 'after'", "commit"}));
}

}  // namespace
}  // namespace crossfade
