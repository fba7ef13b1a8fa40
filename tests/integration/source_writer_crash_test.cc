// Promise: a writer that dies, at whatever instant of a commit, leaves rows, what is set aside and
// the position of one and the same moment, and the next one goes on from there.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "tests/support/process.h"
#include "tests/support/source_file.h"
#include "tests/support/wait.h"

namespace crossfade::testing {
namespace {

using std::chrono::seconds;

constexpr int64_t kRows = 2000;

// The child: one transaction upon the state it finds. It waits before the commit if it is asked to.
TEST(SourceWriterChild, DISABLED_OneTransaction) {
  const char* const path = std::getenv("CROSSFADE_WRITER_FILE");
  const char* const ready = std::getenv("CROSSFADE_WRITER_READY");
  ASSERT_NE(path, nullptr);
  auto connection = sqlite::Connection::open({.path = path});
  ASSERT_TRUE(connection);
  auto catalog = schema::read_catalog(connection.value());
  ASSERT_TRUE(catalog);
  const auto table = std::make_shared<const Table>(catalog.value().tables.front());
  auto writer = apply::SourceWriter::open(path);
  ASSERT_TRUE(writer) << describe(writer.error());
  apply::ReverseState state = writer.value().state();
  const auto step = static_cast<int64_t>(++state.applied.value);
  ASSERT_TRUE(writer.value().begin(Deadline::after(seconds(30))));
  for (int64_t id = 1; id <= kRows; ++id) {
    TargetChange change = updated(table, {number(id)}, {number(id), number(step), text("w")});
    if (id == 1 + step % 2) change = misfitting(std::move(change), 2, "NaN");
    ASSERT_TRUE(writer.value().apply(change));
  }
  ASSERT_TRUE(writer.value().end_transaction());
  if (ready != nullptr) {
    std::filesystem::create_directory(ready);
    while (true) ::pause();
  }
  const Status done = writer.value().commit(state);
  ASSERT_TRUE(done) << describe(done.error());
}

class SourceWriterCrashTest : public ::testing::Test {
 protected:
  void SetUp() override {
    file_.exec(
        fmt::format("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<{}) "
                    "INSERT INTO t SELECT i, 0, zeroblob(500) FROM n",
                    kRows));
  }

  [[nodiscard]] Process::Options child(std::map<std::string, std::string> env) const {
    Process::Options options;
    options.argv = {std::filesystem::read_symlink("/proc/self/exe").string(),
                    "--gtest_also_run_disabled_tests",
                    "--gtest_filter=SourceWriterChild.DISABLED_OneTransaction"};
    options.env = std::move(env);
    options.env["CROSSFADE_WRITER_FILE"] = file_.path();
    options.env_removed = {"GTEST_TOTAL_SHARDS", "GTEST_SHARD_INDEX"};
    return options;
  }

  // The state of exactly `step` transactions.
  void expect_step(int64_t step) {
    const auto state = apply::read_reverse_state(file_.connection()).value();
    EXPECT_EQ(state ? state->applied.value : 0, static_cast<uint64_t>(step));
    // The row that the newest one set aside has an older version.
    EXPECT_EQ(file_.rows(fmt::format("SELECT count(*) FROM t WHERE v={}", step)),
              fmt::format("{}\n", step == 0 ? kRows : kRows - 1));
    EXPECT_EQ(file_.rows("PRAGMA integrity_check"), "'ok'\n");
    auto writer = apply::SourceWriter::open(file_.path());
    ASSERT_TRUE(writer) << describe(writer.error());
    const auto aside = writer.value().set_aside(10).value();
    ASSERT_EQ(aside.size(), step == 0 ? 0U : 1U);
    if (step != 0) {
      EXPECT_EQ(aside[0].key, Row{number(1 + step % 2)});
    }
  }

  SourceFile file_{"CREATE TABLE t(id INTEGER PRIMARY KEY, v, w)"};
};

TEST_F(SourceWriterCrashTest, KilledBeforeTheCommit) {
  for (int64_t step = 0; step < 2; ++step) {
    TempDir dir;
    Process writer(child({{"CROSSFADE_WRITER_READY", dir.file("ready")}}));
    ASSERT_TRUE(wait_until([&] { return std::filesystem::exists(dir.file("ready")); }, seconds(60)))
        << writer.out() << writer.err();
    writer.signal(SIGKILL);
    EXPECT_EQ(writer.wait(seconds(10)), 128 + SIGKILL);
    expect_step(step);
    Process next(child({}));
    EXPECT_EQ(next.wait(seconds(60)), 0) << next.out() << next.err();
    expect_step(step + 1);
  }
}

#ifdef CROSSFADE_FAULTS
TEST_F(SourceWriterCrashTest, DeadAtEachFaultPoint) {
  constexpr int kDied = 70;
  Process before(child({{"CROSSFADE_FAULT", "reverse.commit.before"}}));
  EXPECT_EQ(before.wait(seconds(60)), kDied) << before.out() << before.err();
  expect_step(0);
  Process after(child({{"CROSSFADE_FAULT", "reverse.commit.after"}}));
  EXPECT_EQ(after.wait(seconds(60)), kDied) << after.out() << after.err();
  expect_step(1);
}
#endif

}  // namespace
}  // namespace crossfade::testing
