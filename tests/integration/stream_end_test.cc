// Promise: whatever ends the stream, or keeps it from beginning, is named with what is left to do;
// and nothing that SQLite lacks is passed over.
#include "capture/stream_end.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/stream_test.h"

namespace crossfade {
namespace {

using testing::wait_until;

class StreamEndTest : public testing::StreamTest {};

TEST_F(StreamEndTest, WhatBecameOfTheSlotIsNamed) {
  make_tables("CREATE TABLE public.a(id bigint PRIMARY KEY, v text)", {"a"});
  auto stream = stream_of(tables_);
  testing::end_reader_of(url_, slot());
  const auto cut = stream.next(Deadline::after(std::chrono::seconds(10)));
  ASSERT_FALSE(cut);
  EXPECT_EQ(cut.error().remedy, Remedy::kReconnect) << describe(cut.error());
  exec("DROP PUBLICATION crossfade");
  exec("INSERT INTO public.a VALUES (1)");
  const auto written = postgres::parse_pg_lsn(value("SELECT pg_current_wal_lsn()"));
  {
    auto unpublished = open();
    ASSERT_TRUE(unpublished) << "the server looks for it when there is something to send";
    const auto failed = unpublished.value().next(Deadline::after(std::chrono::seconds(10)));
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().remedy, Remedy::kDecide);
    EXPECT_TRUE(failed.error().native.starts_with("the publication crossfade was dropped"))
        << describe(failed.error());
    // Nor is a position past what was left out taken for one that SQLite has.
    EXPECT_LT(unpublished.value().received(), *written);
  }
  ASSERT_TRUE(idle());
  exec(fmt::format("SELECT pg_drop_replication_slot('{}')", slot()));
  const auto gone = open();
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().remedy, Remedy::kDecide);
  EXPECT_TRUE(gone.error().native.starts_with("the slot is gone")) << describe(gone.error());
}

TEST_F(StreamEndTest, ALostSlotIsNamed) {
  make_tables("CREATE TABLE public.a(id bigint PRIMARY KEY, v text)", {"a"});
  auto stream = stream_of(tables_);
  EXPECT_TRUE(health().present);
  EXPECT_FALSE(health().lost);
  EXPECT_FALSE(health().limit_bytes);
  exec("ALTER SYSTEM SET max_slot_wal_keep_size = '16MB'");
  exec("SELECT pg_reload_conf()");
  EXPECT_TRUE(wait_until([&] { return health().limit_bytes == int64_t{16} * 1024 * 1024; },
                         std::chrono::seconds(10)));
  for (int i = 0; i < 5; ++i) {
    exec("SELECT pg_logical_emit_message(false, 'test', 'x'); SELECT pg_switch_wal()");
  }
  EXPECT_TRUE(health().at_risk || health().lost);
  EXPECT_GT(health().retained_bytes, int64_t{16} * 1024 * 1024);
  exec("CHECKPOINT");
  EXPECT_TRUE(wait_until([&] { return health().lost; }, std::chrono::seconds(10)));
  EXPECT_TRUE(
      wait_until([&] { return !stream.next(Deadline::after(std::chrono::milliseconds(50))); },
                 std::chrono::seconds(10)))
      << "its reader is put out";
  const auto lost = open();
  EXPECT_FALSE(lost);
  if (!lost) {
    EXPECT_EQ(lost.error().remedy, Remedy::kDecide);
    EXPECT_TRUE(lost.error().native.starts_with("the slot is lost")) << describe(lost.error());
  }
  exec("ALTER SYSTEM RESET max_slot_wal_keep_size");
  exec("SELECT pg_reload_conf()");
  EXPECT_TRUE(wait_until([&] { return !health().limit_bytes; }, std::chrono::seconds(10)));
  EXPECT_TRUE(make_slot()) << "a lost slot is no obstacle to a new one";
}

// A server that was put back to an earlier state would pass over what it commits until it is there
// again.
TEST_F(StreamEndTest, AServerThatIsBehindSqliteIsRefused) {
  make_tables("CREATE TABLE public.a(id bigint PRIMARY KEY, v text)", {"a"});
  ASSERT_TRUE(make_slot());
  const auto ahead = open(*postgres::parse_pg_lsn("FF/0"));
  ASSERT_FALSE(ahead);
  EXPECT_EQ(ahead.error().remedy, Remedy::kDecide);
  EXPECT_NE(ahead.error().native.find("FF/0"), std::string::npos) << describe(ahead.error());
}

// And a file that was put back would miss what it once confirmed.
TEST_F(StreamEndTest, WhereTheStreamBeginsIsSaid) {
  make_tables("CREATE TABLE public.a(id bigint PRIMARY KEY, v text)", {"a"});
  auto stream = std::make_unique<capture::TargetStream>(stream_of(tables_));
  EXPECT_EQ(to_string(stream->begins_at()),
            value(fmt::format("SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE "
                              "slot_name = '{}'",
                              slot())));
  exec("INSERT INTO public.a VALUES (1)");
  events(*stream);
  const postgres::PgLsn confirmed = last_commit_.end;
  ASSERT_TRUE(stream->confirm(confirmed));
  const std::string flushed = fmt::format(
      "SELECT confirmed_flush_lsn >= '{}' FROM pg_replication_slots WHERE slot_name = '{}'",
      to_string(confirmed), slot());
  EXPECT_TRUE(wait_until([&] { return value(flushed) == "t"; }, std::chrono::seconds(10)));
  stream.reset();
  ASSERT_TRUE(idle());
  const auto again = open(postgres::PgLsn{1});
  ASSERT_TRUE(again) << describe(again.error());
  EXPECT_GE(again.value().begins_at(), confirmed);
}

TEST_F(StreamEndTest, AStreamWithoutAWayBackSaysSo) {
  make_tables("CREATE TABLE public.a(id bigint PRIMARY KEY, v text)", {"a"});
  exec(fmt::format("SELECT pg_create_logical_replication_slot('{}', 'pgoutput')", slot()));
  const auto none = open();
  ASSERT_FALSE(none);
  EXPECT_NE(none.error().native.find("no way back was made"), std::string::npos);
}

}  // namespace
}  // namespace crossfade
