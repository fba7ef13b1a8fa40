// Promise: while nobody takes what the thread has read, it stands in nobody's way: without a WAL an
// open snapshot would keep the application from committing for as long, which may be until an index
// is built.
#include "engine/run/source_thread.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>

#include "engine/core/limits.h"
#include "tests/support/temp_dir.h"
#include "tests/support/wait.h"
#include "tests/unit/capture_fixture.h"

namespace crossfade::run {
namespace {

using capture::testing::CapturedDatabase;
using capture::testing::Content;
using crossfade::testing::TempDir;
using crossfade::testing::wait_until;
using std::chrono::seconds;

class SourceThreadTest : public ::testing::Test {
 protected:
  void start() {
    auto file = SourceFile::open(db_.source().path());
    ASSERT_TRUE(file) << describe(file.error());
    file_.emplace(std::move(file).value());
    auto version = db_.source().query_int("PRAGMA schema_version");
    ASSERT_TRUE(version);
    auto thread = SourceThread::start(*file_, board_,
                                      {.shapes = db_.shapes(), .schema_version = version.value()});
    ASSERT_TRUE(thread) << describe(thread.error());
    thread_ = std::move(thread).value();
  }

  SourceItem next() {
    auto item = thread_->pop(Deadline::after(seconds(20)));
    EXPECT_TRUE(item) << "the thread is quiet";
    return item ? std::move(*item) : SourceItem(SchemaChanged{});
  }

  // One commit, for which nobody may have a read lock.
  [[nodiscard]] bool application_can_write() {
    db_.source().set_busy_timeout(std::chrono::milliseconds(0));
    return wait_until(
        [&] { return db_.source().exec("INSERT INTO t(b) VALUES('late')").has_value(); },
        seconds(10));
  }

  TempDir dir_;
  CapturedDatabase db_{"CREATE TABLE t(id INTEGER PRIMARY KEY, b)", dir_.file("app.db")};
  StatusBoard board_;
  std::optional<SourceFile> file_;
  std::unique_ptr<SourceThread> thread_;
};

TEST_F(SourceThreadTest, ABacklogThatWaitsHoldsNoSnapshot) {
  db_.capture();
  Content model = db_.model();
  db_.must(
      fmt::format("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE "
                  "i < {}) INSERT INTO t SELECT i, zeroblob(1000000) FROM n",
                  3 * limits::kQueueBytesMax / 1000000));
  start();
  SourceItem item = next();  // the first of many parts: a snapshot is open
  EXPECT_TRUE(application_can_write());
  while (true) {
    auto* const changes = std::get_if<ChangesItem>(&item);
    ASSERT_NE(changes, nullptr);
    capture::testing::replay(changes->batch, &model);
    if (changes->batch.closes_watermark) break;
    item = next();
  }
  EXPECT_TRUE(db_.is_there(model));
}

TEST_F(SourceThreadTest, RowsToCompareThatWaitHoldNoSnapshot) {
  constexpr int64_t kRows = 250'000;
  db_.must(
      fmt::format("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE "
                  "i < {}) INSERT INTO t SELECT i, 'row ' || i FROM n",
                  kRows));
  db_.capture();
  start();
  thread_->request(RoundRequest{{db_.shapes().begin()->second.table}, 1});
  SourceItem item = next();
  EXPECT_TRUE(application_can_write());
  int64_t rows = 0;
  Lsn at;
  while (true) {
    if (auto* const changes = std::get_if<ChangesItem>(&item)) {
      at = changes->batch.through;
    } else {
      auto* const chunk = std::get_if<ChunkItem>(&item);
      ASSERT_NE(chunk, nullptr);
      EXPECT_EQ(chunk->at, at) << "rows are compared where they were read";
      rows += static_cast<int64_t>(chunk->chunk.rows.size());
      if (chunk->chunk.last) break;
    }
    item = next();
  }
  EXPECT_EQ(rows, kRows + 1);
}

}  // namespace
}  // namespace crossfade::run
