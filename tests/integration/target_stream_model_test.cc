// Promise: whatever several writers do at once, and however often the stream is cut, what it tells
// makes the very rows that PostgreSQL has, each change once.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <iostream>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "capture/target_stream.h"
#include "engine/core/way_back_kind.h"
#include "tests/support/stream_test.h"

namespace crossfade {
namespace {

constexpr int kWriters = 3;
constexpr int kTransactions = 100;  // of each writer

uint64_t chosen_seed() {
  const char* given = std::getenv("CROSSFADE_SEED");
  return given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device()();
}

// Statements on tables t0 to t2 (id, v, n), whose ids are few, so that writers meet.
class Writer {
 public:
  Writer(const std::string& url, uint64_t seed)
      : connection_(testing::connect_or_die(url)), random_(seed) {}

  void run() {
    for (int i = 0; i < kTransactions; ++i) transaction();
  }

 private:
  int64_t below(int64_t n) { return static_cast<int64_t>(random_() % static_cast<uint64_t>(n)); }
  std::string key() { return fmt::format("{}", below(30)); }
  // Some lie out of line.
  std::string text() {
    return below(4) == 0 ? fmt::format("repeat('{}', 9000)", below(10))
                         : fmt::format("'v{}'", below(1000));
  }
  std::string statement() {
    const std::string table = fmt::format("public.t{}", below(3));
    switch (below(12)) {
      case 0:
        return fmt::format("DELETE FROM {} WHERE id = {}", table, key());
      case 1:
        return fmt::format("UPDATE {} SET id = {} WHERE id = {}", table, key(), key());
      case 2:
        return fmt::format("UPDATE {} SET v = {} WHERE id % 7 = {}", table, text(), below(7));
      case 3:
        return fmt::format("UPDATE {} SET n = n + 1 WHERE id BETWEEN {} AND {}", table, key(),
                           key());
      case 4:
        return below(6) == 0 ? fmt::format("TRUNCATE {}", table) : "SELECT 1";
      case 5:
        return fmt::format("UPDATE {} SET id = 100 + id WHERE id = {}", table, key());
      default:
        return fmt::format(
            "INSERT INTO {} VALUES ({}, {}, 0) ON CONFLICT (id) DO UPDATE SET n = excluded.n + 1",
            table, key(), text());
    }
  }
  // What collides or deadlocks is rolled back, as applications do.
  void transaction() {
    if (!connection_.exec("BEGIN")) return;
    const int64_t statements = 1 + below(6);
    for (int64_t i = 0; i < statements; ++i) {
      const bool nested = below(3) == 0;
      if (nested) (void)connection_.exec("SAVEPOINT s");
      const auto done = connection_.exec(statement());
      if (nested && (!done || below(2) == 0)) {
        (void)connection_.exec("ROLLBACK TO s");
      } else if (!done) {
        break;
      }
    }
    if (below(5) == 0 || !connection_.exec("COMMIT")) connection_.rollback();
  }

  postgres::Connection connection_;
  std::mt19937_64 random_;
};

class TargetStreamModelTest : public testing::StreamTest,
                              public ::testing::WithParamInterface<WayBackKind> {
 protected:
  using Rows = std::map<std::pair<std::string, int64_t>, Row>;

  // Refuses what does not follow from the rows: an insert of one that is there, say.
  static void apply(const TargetChange& change, Rows* rows) {
    const std::string& table = change.table->target_name;
    if (change.op == TargetOp::kTruncate) {
      std::erase_if(*rows, [&](const auto& each) { return each.first.first == table; });
      return;
    }
    Row row;
    if (change.op != TargetOp::kInsert) {
      const auto before = rows->find({table, change.key[0].integer()});
      ASSERT_NE(before, rows->end()) << show(change);
      row = before->second;
      rows->erase(before);
    }
    if (change.op == TargetOp::kDelete) return;
    row.resize(change.after.size());
    for (size_t i = 0; i < row.size(); ++i) {
      if (change.after[i]) row[i] = *change.after[i];
    }
    const auto key = std::pair(table, row[0].integer());
    ASSERT_FALSE(rows->contains(key)) << show(change);
    (*rows)[key] = std::move(row);
  }
  [[nodiscard]] Rows rows_there() const {
    Rows out;
    auto connection = testing::connect_or_die(url_);
    for (const auto& table : tables_) {
      const auto found =
          connection.exec(fmt::format("SELECT id, v, n FROM public.{}", table->target_name));
      for (int i = 0; found && i < found.value().rows(); ++i) {
        const int64_t id = found.value().integer(i, 0);
        out[{table->target_name, id}] = {Value(id), Value(Text{found.value().text(i, 1)}),
                                         Value(found.value().integer(i, 2))};
      }
    }
    return out;
  }

  // Opened from what `committed` holds, once the server has noticed that the last reader is gone.
  std::unique_ptr<capture::TargetSource> reopen() {
    if (GetParam() == WayBackKind::kOutbox) {
      auto outbox = open_outbox();
      if (!outbox) throw std::runtime_error(describe(outbox.error()));
      return std::make_unique<capture::OutboxStream>(std::move(outbox).value());
    }
    EXPECT_TRUE(idle());
    auto stream = open(last_commit_.end);
    if (!stream) throw std::runtime_error(describe(stream.error()));
    return std::make_unique<capture::TargetStream>(std::move(stream).value());
  }
  // Reads until the probe; without one until `events_max` events, or until there are no more to
  // come. What is not of a whole transaction is forgotten, as by a crash.
  void read(capture::TargetSource& stream, const std::string& until, int64_t events_max) {
    const Deadline deadline = Deadline::after(std::chrono::seconds(60));
    Rows rows = committed_;
    bool probe = false;
    for (int64_t i = 0; i < events_max; ++i) {
      const bool writing = writers_ > 0;
      const auto event = stream.next(Deadline::after(std::chrono::milliseconds(200)));
      ASSERT_TRUE(event) << describe(event.error());
      if (!event.value()) {
        if (until.empty() && !writing) return;
        ASSERT_FALSE(deadline.expired()) << "nothing came";
        continue;
      }
      if (const auto* change = std::get_if<TargetChange>(&*event.value())) {
        ASSERT_NO_FATAL_FAILURE(apply(*change, &rows));
      }
      const auto* seen = std::get_if<capture::ProbeSeen>(&*event.value());
      probe = probe || (seen != nullptr && seen->nonce == until);
      if (const auto* commit = std::get_if<capture::TargetCommit>(&*event.value())) {
        ASSERT_GT(commit->end, last_commit_.end);
        last_commit_ = *commit;
        committed_ = rows;
        if (probe) return;
      }
    }
  }

  std::atomic<int> writers_ = 0;
  Rows committed_;
};

TEST_P(TargetStreamModelTest, TheStreamMakesTheVeryRows) {
  const uint64_t seed = chosen_seed();
  SCOPED_TRACE(fmt::format("CROSSFADE_SEED={}", seed));
  std::cout << "CROSSFADE_SEED=" << seed << "\n";
  exec(R"(
      CREATE TABLE public.t0(id bigint PRIMARY KEY, v text, n bigint);
      CREATE TABLE public.t1(id bigint NOT NULL UNIQUE, v text, n bigint);
      CREATE TABLE public.t2(id bigint UNIQUE, v text, n bigint);
      ALTER TABLE public.t0 ALTER v SET STORAGE EXTERNAL;
      ALTER TABLE public.t1 ALTER v SET STORAGE EXTERNAL;
      ALTER TABLE public.t2 ALTER v SET STORAGE EXTERNAL)");
  for (const char* const name : {"t0", "t1", "t2"}) {
    tables_.push_back(plan(
        name, {{"id", TargetType::kBigint}, {"v", TargetType::kText}, {"n", TargetType::kBigint}}));
  }
  const Status made = GetParam() == WayBackKind::kOutbox ? make_outbox() : make_slot();
  ASSERT_TRUE(made) << describe(made.error());
  std::vector<std::jthread> threads;
  for (int i = 0; i < kWriters; ++i) {
    ++writers_;
    threads.emplace_back([this, seed, i] {
      Writer(url_, seed + static_cast<uint64_t>(i)).run();
      --writers_;
    });
  }
  // While they write: read a little, lose what was not a whole transaction, begin again.
  std::mt19937_64 random(seed);
  for (int i = 0; i < 8 && !HasFailure(); ++i) {
    const auto stream = reopen();
    read(*stream, "", static_cast<int64_t>(random() % 200));
    if (random() % 2 == 0) {
      EXPECT_TRUE(stream->confirm(last_commit_.end));
    }
  }
  for (std::jthread& each : threads) each.join();
  auto connection = testing::connect_or_die(url_);
  ASSERT_TRUE(capture::send_probe(connection, "end"));
  const auto stream = reopen();
  read(*stream, "end", INT64_MAX);
  EXPECT_FALSE(committed_.empty());
  const Rows there = rows_there();
  EXPECT_EQ(committed_.size(), there.size());
  EXPECT_TRUE(committed_ == there);
}

INSTANTIATE_TEST_SUITE_P(WaysBack, TargetStreamModelTest,
                         ::testing::Values(WayBackKind::kSlot, WayBackKind::kOutbox),
                         [](const auto& param_info) {
                           return std::string(to_string(param_info.param));
                         });

}  // namespace
}  // namespace crossfade
