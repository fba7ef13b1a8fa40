// Promise: a slot's changes come in the order of their commits, each at least until it was
// confirmed and none after; and whatever ends the stream is an error with a remedy.
#include "engine/postgres/replication_stream.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "capture/pgoutput.h"
#include "tests/support/cluster.h"
#include "tests/support/connect.h"
#include "tests/support/end_backends.h"
#include "tests/support/wait.h"

namespace crossfade::postgres {
namespace {

namespace pgoutput = capture::pgoutput;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::connect_or_die;
using testing::TestCluster;
using testing::wait_until;

class ReplicationStreamTest : public ::testing::Test {
 protected:
  void SetUp() override {
    CROSSFADE_NEEDS_POSTGRES();
    url_ = TestCluster::create_database();
    slot_ = "slot_" + url_.substr(url_.find("test_"), url_.find('?') - url_.find("test_"));
    exec(
        "CREATE TABLE public.t(id bigint PRIMARY KEY, v text); CREATE PUBLICATION \"the p\" FOR "
        "TABLE "
        "public.t");
    exec(fmt::format("SELECT pg_create_logical_replication_slot('{}', 'pgoutput')", slot_));
  }
  void TearDown() override {
    if (url_.empty()) return;
    testing::end_reader_of(url_, slot_);
    exec(
        fmt::format("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE "
                    "slot_name = '{}'",
                    slot_));
    TestCluster::drop_database(url_);
  }

  void exec(const std::string& sql) const {
    auto connection = connect_or_die(url_);
    const auto done = connection.exec(sql);
    ASSERT_TRUE(done) << sql << ": " << describe(done.error());
  }
  [[nodiscard]] std::string value(const std::string& sql) const {
    auto connection = connect_or_die(url_);
    auto row = connection.exec(sql);
    EXPECT_TRUE(row) << sql;
    return row && row.value().rows() == 1 ? std::string(row.value().text(0, 0)) : "";
  }

  [[nodiscard]] Result<ReplicationStream> open(PgLsn applied = {}) const {
    StreamOptions options;
    CROSSFADE_TRY(options.params, ConnectionParams::parse(url_));
    options.slot = slot_;
    options.publication = "the p";
    options.applied = applied;
    return ReplicationStream::open(options);
  }

  // Keys that were inserted, until a commit that ends at or after `end`.
  std::vector<std::string> inserted(ReplicationStream& stream, PgLsn end) {
    std::vector<std::string> out;
    pgoutput::Decoder decoder;
    const Deadline deadline = Deadline::after(seconds(20));
    while (committed_ < end && !deadline.expired()) {
      const auto message = stream.next(deadline);
      if (!message) ADD_FAILURE() << describe(message.error());
      if (!message || !message.value()) return out;
      const auto decoded = decoder.decode(message.value()->bytes);
      if (!decoded) ADD_FAILURE() << describe(decoded.error());
      if (!decoded) return out;
      const pgoutput::Content& content = decoded.value().content;
      if (const auto* insert = std::get_if<pgoutput::Insert>(&content)) {
        out.emplace_back(insert->after.front().bytes);
      }
      if (const auto* commit = std::get_if<pgoutput::Commit>(&content)) committed_ = commit->end;
    }
    return out;
  }
  [[nodiscard]] PgLsn now() const {
    return *parse_pg_lsn(value("SELECT pg_current_wal_insert_lsn()"));
  }

  std::string url_;
  std::string slot_;
  PgLsn committed_;
};

using Keys = std::vector<std::string>;

TEST_F(ReplicationStreamTest, ChangesComeInTheOrderOfCommits) {
  auto first = connect_or_die(url_);
  ASSERT_TRUE(first.exec("BEGIN; INSERT INTO public.t VALUES (1, 'begun first')"));
  exec("INSERT INTO public.t VALUES (2, 'committed first')");
  ASSERT_TRUE(first.exec("INSERT INTO public.t VALUES (3); COMMIT"));
  exec("BEGIN; INSERT INTO public.t VALUES (4); ROLLBACK; INSERT INTO public.t VALUES (5)");
  const PgLsn end = now();
  auto stream = open();
  ASSERT_TRUE(stream) << describe(stream.error());
  EXPECT_EQ(inserted(stream.value(), end), (Keys{"2", "1", "3", "5"}));
}

TEST_F(ReplicationStreamTest, WhatWasNotConfirmedComesAgain) {
  exec("INSERT INTO public.t VALUES (1)");
  const PgLsn middle = now();
  exec("INSERT INTO public.t VALUES (2)");
  const PgLsn end = now();
  {
    auto stream = open();
    ASSERT_TRUE(stream) << describe(stream.error());
    EXPECT_EQ(inserted(stream.value(), middle), (Keys{"1"}));
    ASSERT_TRUE(stream.value().confirm(committed_));
    const std::string flushed = fmt::format(
        "SELECT confirmed_flush_lsn >= '{}' FROM pg_replication_slots WHERE slot_name = '{}'",
        to_string(committed_), slot_);
    EXPECT_TRUE(wait_until([&] { return value(flushed) == "t"; }, seconds(10)));
    EXPECT_EQ(inserted(stream.value(), end), (Keys{"2"}));
  }
  const std::string idle =
      fmt::format("SELECT NOT active FROM pg_replication_slots WHERE slot_name = '{}'", slot_);
  ASSERT_TRUE(wait_until([&] { return value(idle) == "t"; }, seconds(10)));
  committed_ = {};
  auto again = open();
  ASSERT_TRUE(again) << describe(again.error());
  EXPECT_EQ(inserted(again.value(), end), (Keys{"2"}));
}

// A keepalive says that the server has nothing left below a position.
TEST_F(ReplicationStreamTest, AnIdleStreamMovesOn) {
  auto stream = open();
  ASSERT_TRUE(stream) << describe(stream.error());
  exec(
      "CREATE TABLE public.other(id int); INSERT INTO public.other SELECT generate_series(1, 100)");
  const PgLsn end = now();
  EXPECT_TRUE(wait_until(
      [&] {
        const auto none = stream.value().next(Deadline::after(milliseconds(50)));
        return none && stream.value().confirm(stream.value().received()) &&
               stream.value().received() >= end;
      },
      seconds(20)));
}

TEST_F(ReplicationStreamTest, NothingToReadIsNoError) {
  auto stream = open();
  ASSERT_TRUE(stream) << describe(stream.error());
  const auto none = stream.value().next(Deadline::after(milliseconds(20)));
  ASSERT_TRUE(none) << describe(none.error());
  EXPECT_FALSE(none.value());
}

TEST_F(ReplicationStreamTest, EndsAreNamed) {
  auto stream = open();
  ASSERT_TRUE(stream) << describe(stream.error());
  const auto busy = open();
  ASSERT_FALSE(busy);
  EXPECT_EQ(busy.error().sqlstate, "55006") << "the slot is active";
  testing::end_reader_of(url_, slot_);
  const auto cut = stream.value().next(Deadline::after(seconds(10)));
  ASSERT_FALSE(cut);
  EXPECT_EQ(cut.error().remedy, Remedy::kReconnect) << describe(cut.error());
  exec(fmt::format("SELECT pg_drop_replication_slot('{}')", slot_));
  const auto gone = open();
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().sqlstate, "42704") << describe(gone.error());
}

}  // namespace
}  // namespace crossfade::postgres
