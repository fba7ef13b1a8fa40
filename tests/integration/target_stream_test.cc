// Promise: what applications commit to the moved tables comes out as what becomes of the source's
// rows, transaction by transaction in the order of their commits, each until it was confirmed.
#include "capture/target_stream.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/net_proxy.h"
#include "tests/support/stream_test.h"

namespace crossfade {
namespace {

using testing::Lines;
using testing::wait_until;

class TargetStreamTest : public testing::StreamTest {
 protected:
  void SetUp() override {
    StreamTest::SetUp();
    if (url_.empty()) return;
    exec("CREATE TABLE public.t(id bigint PRIMARY KEY, v text, n bigint)");
    t_ = plan("t",
              {{"id", TargetType::kBigint}, {"v", TargetType::kText}, {"n", TargetType::kBigint}});
  }

  std::shared_ptr<const Table> t_;
};

TEST_F(TargetStreamTest, EveryOperationComes) {
  auto stream = stream_of({t_});
  exec("INSERT INTO public.t VALUES (1, 'one', NULL), (2, 'it''s', 5)");
  exec("UPDATE public.t SET n = 6 WHERE id = 2");
  exec("UPDATE public.t SET id = 3, v = NULL WHERE id = 2");
  exec("DELETE FROM public.t WHERE id = 1");
  exec("TRUNCATE public.t");
  EXPECT_EQ(events(stream), (Lines{"insert t 1 'one' NULL", "insert t 2 'it''s' 5", "commit",
                                   "update t [2] 2 'it''s' 6", "commit", "update t [2] 3 NULL 6",
                                   "commit", "delete t [1]", "commit", "truncate t", "commit"}));
}

TEST_F(TargetStreamTest, ACommitSaysWhen) {
  auto stream = stream_of({t_});
  exec("INSERT INTO public.t VALUES (1)");
  events(stream);
  const std::string now = value("SELECT (extract(epoch FROM clock_timestamp()) * 1e6)::bigint");
  const int64_t age = std::stoll(now) - last_commit_.committed_us;
  EXPECT_GE(age, 0);
  EXPECT_LT(age, int64_t{600} * 1'000'000);
}

TEST_F(TargetStreamTest, TransactionsComeWholeInTheOrderOfTheirCommits) {
  auto stream = stream_of({t_});
  auto first = testing::connect_or_die(url_);
  ASSERT_TRUE(first.exec("BEGIN; INSERT INTO public.t VALUES (1, 'begun first')"));
  exec("INSERT INTO public.t VALUES (2, 'committed first')");
  ASSERT_TRUE(first.exec("INSERT INTO public.t VALUES (3); COMMIT"));
  EXPECT_EQ(events(stream),
            (Lines{"insert t 2 'committed first' NULL", "commit", "insert t 1 'begun first' NULL",
                   "insert t 3 NULL NULL", "commit"}));
}

TEST_F(TargetStreamTest, WhatIsRolledBackDoesNotCome) {
  auto stream = stream_of({t_});
  exec(
      "BEGIN; INSERT INTO public.t VALUES (1); SAVEPOINT a; INSERT INTO public.t VALUES (2); "
      "SAVEPOINT b; INSERT INTO public.t VALUES (3); ROLLBACK TO a; INSERT INTO public.t VALUES "
      "(4); COMMIT");
  exec("BEGIN; INSERT INTO public.t VALUES (5); ROLLBACK");
  exec(
      "DO $$ BEGIN INSERT INTO public.t VALUES (6); BEGIN INSERT INTO public.t VALUES (7); RAISE "
      "division_by_zero; EXCEPTION WHEN division_by_zero THEN INSERT INTO public.t VALUES (8); "
      "END; END $$");
  EXPECT_EQ(events(stream), (Lines{"insert t 1 NULL NULL", "insert t 4 NULL NULL", "commit",
                                   "insert t 6 NULL NULL", "insert t 8 NULL NULL", "commit"}));
}

TEST_F(TargetStreamTest, CopyAndUpsertCome) {
  auto stream = stream_of({t_});
  auto writer = testing::connect_or_die(url_);
  ASSERT_TRUE(writer.copy_in_begin("COPY public.t(id, v) FROM STDIN"));
  ASSERT_TRUE(writer.copy_in_put("1\tone\n2\ttwo\n"));
  ASSERT_TRUE(writer.copy_in_end());
  exec(
      "INSERT INTO public.t VALUES (2, 'again'), (3, 'three') ON CONFLICT (id) DO UPDATE SET v = "
      "excluded.v");
  exec("INSERT INTO public.t VALUES (3, 'no') ON CONFLICT DO NOTHING");
  EXPECT_EQ(events(stream),
            (Lines{"insert t 1 'one' NULL", "insert t 2 'two' NULL", "commit",
                   "update t [2] 2 'again' NULL", "insert t 3 'three' NULL", "commit"}));
}

// Larger than what the server's decoder holds in memory: it comes when it is committed, not before.
TEST_F(TargetStreamTest, ALargeTransactionComesWhenItIsCommitted) {
  exec(fmt::format("ALTER DATABASE {} SET logical_decoding_work_mem = '64kB'",
                   value("SELECT current_database()")));
  auto stream = stream_of({t_});
  auto writer = testing::connect_or_die(url_);
  ASSERT_TRUE(
      writer.exec("BEGIN; INSERT INTO public.t SELECT i, repeat('x', 100) FROM "
                  "generate_series(1, 20000) i"));
  EXPECT_EQ(events(stream), (Lines{}));
  ASSERT_TRUE(writer.exec("DELETE FROM public.t WHERE id > 1; COMMIT"));
  const Lines lines = events(stream);
  ASSERT_EQ(lines.size(), 20'000U + 19'999U + 1U);
  EXPECT_EQ(lines.back(), "commit");
  if (writer.server_version() < 140000) return;  // it spills, and does not count
  const std::string spilled = fmt::format(
      "SELECT spill_txns > 0 FROM pg_stat_replication_slots WHERE slot_name = '{}'", slot());
  EXPECT_TRUE(wait_until([&] { return value(spilled) == "t"; }, std::chrono::seconds(20)));
}

TEST_F(TargetStreamTest, WhatLiesOutOfLineAndWasNotTouchedStaysAsItIs) {
  auto stream = stream_of({t_});
  exec("ALTER TABLE public.t ALTER v SET STORAGE EXTERNAL");
  exec("INSERT INTO public.t VALUES (1, repeat('a', 10000), 1)");
  exec("UPDATE public.t SET n = 2");
  exec("UPDATE public.t SET v = repeat('b', 10000)");
  exec("UPDATE public.t SET id = 2");
  const Lines lines = events(stream);
  ASSERT_EQ(lines.size(), 8U);
  EXPECT_TRUE(lines[0].starts_with("insert t 1 'aaaaaaaa")) << lines[0];
  EXPECT_EQ(lines[2], "update t [1] 1 - 2");
  EXPECT_TRUE(lines[4].starts_with("update t [1] 1 'bbbbbbbb")) << lines[4];
  EXPECT_EQ(lines[6], "update t [1] 2 - 2");
}

TEST_F(TargetStreamTest, AKeyThatLiesOutOfLineIsTold) {
  exec(
      "CREATE TABLE public.k(v text, n bigint); ALTER TABLE public.k ALTER v SET STORAGE EXTERNAL, "
      "ADD PRIMARY KEY (v)");
  exec("INSERT INTO public.k SELECT string_agg(md5(i::text), ''), 1 FROM generate_series(1, 75) i");
  auto stream = stream_of({plan("k", {{"v", TargetType::kText}, {"n", TargetType::kBigint}})});
  exec("UPDATE public.k SET n = 2");
  exec("DELETE FROM public.k");
  const Lines lines = events(stream);
  ASSERT_EQ(lines.size(), 4U);
  EXPECT_TRUE(lines[0].starts_with("update k ['c4ca4238a0b9")) << lines[0];
  EXPECT_TRUE(lines[0].ends_with(" - 2")) << lines[0];
  EXPECT_TRUE(lines[2].starts_with("delete k ['c4ca4238a0b9")) << lines[2];
}

TEST_F(TargetStreamTest, TruncateSaysEachTable) {
  exec(
      "CREATE TABLE public.child(id bigint PRIMARY KEY, t bigint REFERENCES public.t); CREATE "
      "TABLE public.other(id bigint REFERENCES public.t)");
  auto stream =
      stream_of({t_, plan("child", {{"id", TargetType::kBigint}, {"t", TargetType::kBigint}})});
  exec("INSERT INTO public.t VALUES (1); INSERT INTO public.child VALUES (2, 1)");
  exec("TRUNCATE public.t CASCADE");
  Lines lines = events(stream);
  ASSERT_EQ(lines.size(), 6U);
  std::sort(lines.begin() + 3, lines.begin() + 5);
  EXPECT_EQ(lines, (Lines{"insert t 1 NULL NULL", "insert child 2 1", "commit", "truncate child",
                          "truncate t", "commit"}));
}

TEST_F(TargetStreamTest, CascadesOfForeignKeysAreTold) {
  exec(
      "CREATE TABLE public.child(id bigint PRIMARY KEY, t bigint REFERENCES public.t ON DELETE "
      "CASCADE ON UPDATE CASCADE)");
  auto stream =
      stream_of({t_, plan("child", {{"id", TargetType::kBigint}, {"t", TargetType::kBigint}})});
  exec("INSERT INTO public.t VALUES (1); INSERT INTO public.child VALUES (2, 1)");
  exec("UPDATE public.t SET id = 5");
  exec("DELETE FROM public.t");
  EXPECT_EQ(events(stream), (Lines{"insert t 1 NULL NULL", "insert child 2 1", "commit",
                                   "update t [1] 5 NULL NULL", "update child [2] 2 5", "commit",
                                   "delete t [5]", "delete child [2]", "commit"}));
}

TEST_F(TargetStreamTest, RouteAndProbeComeInTheirPlace) {
  auto stream = stream_of({t_});
  exec(
      "BEGIN; INSERT INTO public.t VALUES (1); UPDATE crossfade.route SET \"primary\" = "
      "'postgres', epoch = epoch + 1; COMMIT");
  auto connection = testing::connect_or_die(url_);
  ASSERT_TRUE(capture::send_probe(connection, "abc"));
  exec("INSERT INTO public.t VALUES (2)");
  exec("UPDATE crossfade.route SET \"primary\" = 'sqlite', epoch = epoch + 1");
  EXPECT_EQ(events(stream),
            (Lines{"insert t 1 NULL NULL", "route postgres 1", "commit", "probe abc", "commit",
                   "insert t 2 NULL NULL", "commit", "route other 2", "commit"}));
}

// Neither other tables, nor other databases, nor what a session says by hand.
TEST_F(TargetStreamTest, WhatIsNotOfTheMoveDoesNotCome) {
  auto stream = stream_of({t_});
  exec("CREATE TABLE public.other(id bigint PRIMARY KEY); INSERT INTO public.other VALUES (1)");
  exec("ALTER PUBLICATION crossfade ADD TABLE public.other; INSERT INTO public.other VALUES (2)");
  exec("SELECT pg_logical_emit_message(true, 'crossfade', 'hello')");
  const std::string another = testing::TestCluster::create_database();
  auto there = testing::connect_or_die(another);
  ASSERT_TRUE(
      there.exec("CREATE TABLE public.t(id bigint PRIMARY KEY, v text, n bigint); INSERT INTO "
                 "public.t VALUES (9)"));
  exec("INSERT INTO public.t VALUES (1)");
  EXPECT_EQ(events(stream), (Lines{"insert t 1 NULL NULL", "commit"}));
  testing::TestCluster::drop_database(another);
}

// Whoever wrote it: an application's own subscription is an application.
TEST_F(TargetStreamTest, WhatHasAnOriginComesToo) {
  auto stream = stream_of({t_});
  exec(
      "SELECT pg_replication_origin_create('of stream test'); SELECT "
      "pg_replication_origin_session_setup('of stream test'); INSERT INTO public.t VALUES (1)");
  EXPECT_EQ(events(stream), (Lines{"insert t 1 NULL NULL", "commit"}));
  exec("SELECT pg_replication_origin_drop('of stream test')");
}

TEST_F(TargetStreamTest, WhatWasNotConfirmedComesAgainAndNothingElse) {
  postgres::PgLsn middle;
  {
    auto stream = stream_of({t_});
    exec("INSERT INTO public.t VALUES (1)");
    EXPECT_EQ(events(stream), (Lines{"insert t 1 NULL NULL", "commit"}));
    middle = last_commit_.end;
    exec("INSERT INTO public.t VALUES (2)");
    exec("INSERT INTO public.t VALUES (3)");
    EXPECT_EQ(events(stream),
              (Lines{"insert t 2 NULL NULL", "commit", "insert t 3 NULL NULL", "commit"}));
    ASSERT_TRUE(stream.confirm(middle));
    const std::string flushed = fmt::format(
        "SELECT confirmed_flush_lsn >= '{}' FROM pg_replication_slots WHERE slot_name = '{}'",
        to_string(middle), slot());
    EXPECT_TRUE(wait_until([&] { return value(flushed) == "t"; }, std::chrono::seconds(10)));
  }
  ASSERT_TRUE(idle());
  const Lines rest{"insert t 2 NULL NULL", "commit", "insert t 3 NULL NULL", "commit",
                   "probe until 2",        "commit"};
  {
    auto again = open(middle);
    ASSERT_TRUE(again) << describe(again.error());
    EXPECT_EQ(events(again.value()), rest);
  }
  ASSERT_TRUE(idle());
  // What SQLite has is not sent again, though the server was not told.
  auto further = open(last_commit_.end);
  ASSERT_TRUE(further) << describe(further.error());
  exec("INSERT INTO public.t VALUES (4)");
  EXPECT_EQ(events(further.value()), (Lines{"insert t 4 NULL NULL", "commit"}));
}

// So that the server need not keep its log for a move whose tables are at rest.
TEST_F(TargetStreamTest, AnIdleStreamMovesOn) {
  auto stream = stream_of({t_});
  exec("CREATE TABLE public.other AS SELECT generate_series(1, 1000)");
  const auto end = *postgres::parse_pg_lsn(value("SELECT pg_current_wal_insert_lsn()"));
  EXPECT_TRUE(wait_until(
      [&] {
        const auto none = stream.next(Deadline::after(std::chrono::milliseconds(50)));
        return none && !none.value() && stream.confirm(stream.received()) &&
               stream.received() >= end;
      },
      std::chrono::seconds(20)));
  EXPECT_GE(stream.server_end(), end);
}

// A server that is busy sending it hears nothing for longer than its wal_sender_timeout, and gave
// the stream up each time anew.
TEST_F(TargetStreamTest, ALongMessageComesOverASlowLine) {
  testing::NetProxy proxy(url_);
  tables_ = {t_};
  ASSERT_TRUE(make_slot());
  exec("ALTER TABLE public.t ALTER v SET STORAGE EXTERNAL");
  exec("INSERT INTO public.t VALUES (1, repeat('a', 6000000), 1)");
  const std::string url =
      std::exchange(url_, proxy.url() + "&options=-c%20wal_sender_timeout%3D2s");
  auto stream = open();
  url_ = url;
  ASSERT_TRUE(stream) << describe(stream.error());
  proxy.slow(testing::Way::kToClient, {.bytes_per_s = 1'000'000});
  std::optional<size_t> bytes;
  ASSERT_TRUE(wait_until(
      [&] {
        const auto event = stream.value().next(Deadline::after(std::chrono::milliseconds(50)));
        if (!event) ADD_FAILURE() << describe(event.error());
        if (!event) return true;
        const auto* change = event.value() ? std::get_if<TargetChange>(&*event.value()) : nullptr;
        if (change != nullptr) bytes = change->after[1]->text().size();
        return bytes.has_value();
      },
      std::chrono::seconds(60)));
  EXPECT_EQ(bytes, 6'000'000U);
}

// What was taken from the server but not given out yet is not received.
TEST_F(TargetStreamTest, ReceivedIsWhatWasGivenOut) {
  auto stream = stream_of({t_});
  exec("INSERT INTO public.t VALUES (1), (2)");
  const Deadline deadline = Deadline::after(std::chrono::seconds(20));
  const auto begin = stream.next(deadline);
  ASSERT_TRUE(begin && begin.value());
  EXPECT_TRUE(std::holds_alternative<capture::TargetBegin>(*begin.value()));
  ASSERT_TRUE(stream.next(deadline));
  const postgres::PgLsn before = stream.received();
  ASSERT_TRUE(stream.next(deadline));
  EXPECT_EQ(stream.received(), before);
  const auto commit = stream.next(deadline);
  ASSERT_TRUE(commit && commit.value());
  EXPECT_EQ(show(*commit.value()), "commit");
  EXPECT_GT(stream.received(), before);
  EXPECT_EQ(stream.received(), std::get<capture::TargetCommit>(*commit.value()).end);
}

TEST_F(TargetStreamTest, ATableWithoutAKeyHasItsRowids) {
  exec(
      "CREATE TABLE public.s(v text, _crossfade_rowid bigint GENERATED BY DEFAULT AS IDENTITY "
      "PRIMARY KEY)");
  auto table =
      plan("s", {{"v", TargetType::kText}, {"_crossfade_rowid", TargetType::kBigint}}, {1});
  table->identity = Identity::kSurrogate;
  table->columns[1].synthetic = true;
  auto stream = stream_of({table});
  exec("INSERT INTO public.s VALUES ('a'), ('a')");
  exec("UPDATE public.s SET v = 'b' WHERE _crossfade_rowid = 2");
  exec("DELETE FROM public.s WHERE v = 'a'");
  EXPECT_EQ(events(stream), (Lines{"insert s 'a' 1", "insert s 'a' 2", "commit",
                                   "update s [2] 'b' 2", "commit", "delete s [1]", "commit"}));
}

TEST_F(TargetStreamTest, NamesOfAllKindsAreFound) {
  exec(
      "CREATE TABLE public.\"It's \"\"so\"\"\"(\"the Id\" bigint PRIMARY KEY, \"größe\" text); "
      "CREATE TABLE public.\"T\"(id bigint PRIMARY KEY)");
  auto stream = stream_of(
      {plan("It's \"so\"", {{"the Id", TargetType::kBigint}, {"größe", TargetType::kText}}),
       plan("T", {{"id", TargetType::kBigint}}), t_});
  exec(
      "INSERT INTO public.\"It's \"\"so\"\"\" VALUES (1, 'ü'); INSERT INTO public.\"T\" VALUES "
      "(2)");
  exec("DELETE FROM public.\"It's \"\"so\"\"\"");
  EXPECT_EQ(events(stream), (Lines{"insert It's \"so\" 1 'ü'", "insert T 2", "commit",
                                   "delete It's \"so\" [1]", "commit"}));
}

TEST_F(TargetStreamTest, WhatTheSourceHasNoValueForIsAMisfit) {
  exec("CREATE TABLE public.m(id bigint PRIMARY KEY, at date)");
  ColumnType day = TargetType::kDate;
  day.form = SourceForm::kPattern;
  day.pattern = "%Y-%m-%d";
  auto stream = stream_of({plan("m", {{"id", TargetType::kBigint}, {"at", day}})});
  exec("INSERT INTO public.m VALUES (1, '2026-01-02'), (2, 'infinity')");
  exec("UPDATE public.m SET at = '0044-03-15 BC' WHERE id = 1");
  EXPECT_EQ(events(stream),
            (Lines{"insert m 1 '2026-01-02'", "insert m 2 - misfit at: infinity", "commit",
                   "update m [1] 1 - misfit at: 0044-03-15 BC", "commit"}));
}

}  // namespace
}  // namespace crossfade
