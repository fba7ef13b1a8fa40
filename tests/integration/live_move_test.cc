// Promise: a live application moves while it is written to. Strangers hammer a real database during
// copy, follow and cutover; afterwards both sides are equal, and every acknowledged write is there
// exactly once.
#include <gtest/gtest.h>
#include <signal.h>

#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/support/cluster.h"
#include "tests/support/oracle.h"
#include "tests/support/process.h"
#include "tests/support/real_dbs.h"
#include "tests/support/wait.h"
#include "tests/support/writers.h"

namespace crossfade::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Of following under load; CROSSFADE_LIVE_SECONDS=60 for a minute.
int live_seconds() {
  const char* text = std::getenv("CROSSFADE_LIVE_SECONDS");
  return text == nullptr ? 10 : std::atoi(text);
}

nlohmann::json status_of(const std::string& db) {
  const Finished done = run_process(crossfade_command({"status", db, "--json"}));
  return nlohmann::json::parse(done.out, nullptr, false);
}

class LiveMoveTest : public ::testing::TestWithParam<std::string> {};

TEST_P(LiveMoveTest, EveryAcknowledgedWriteArrivesOnce) {
  CROSSFADE_NEEDS_POSTGRES();
  CROSSFADE_NEEDS_REAL_DBS();
  const TempDir dir;
  const std::string db = copy_real_db(GetParam(), dir);
  const std::string url = TestCluster::create_database();
  const int total = live_seconds();
  WritersOptions load;
  load.db = db;
  load.seconds = total + 120;  // they end when they are told that the data moved
  load.pause_ms = 5;
  Writers writers(load);
  ASSERT_TRUE(wait_until([&] { return writers.acknowledged() > 20; }, seconds(20)));

  Process engine(crossfade_command({"run", db, "--target", url}));
  ASSERT_TRUE(wait_until([&] { return status_of(db).value("phase", "") == "following"; },
                         seconds(60), milliseconds(100)))
      << engine.err();
  // The load goes on through following; what is compared meanwhile is compared under fire.
  const Deadline until = Deadline::after(seconds(total));
  int verified = 0;
  while (!until.expired()) {
    const Finished verify = run_process(crossfade_command({"verify", db, "--json"}), seconds(120));
    ASSERT_EQ(verify.code, 0) << verify.out << verify.err << engine.err();
    ++verified;
    (void)wait_until([&] { return until.expired(); }, seconds(5), milliseconds(100));
  }
  const Finished cutover =
      run_process(crossfade_command({"cutover", db, "--no-rollback", "--json"}), seconds(120));
  ASSERT_EQ(cutover.code, 0) << cutover.out << cutover.err << engine.err();
  const auto report = nlohmann::json::parse(cutover.out);
  EXPECT_EQ(report.at("primary"), "postgres");
  EXPECT_EQ(engine.wait(seconds(10)), 0) << engine.err();

  EXPECT_EQ(writers.finish(/*now=*/false, seconds(60)), "");
  EXPECT_EQ(writers.moved(), 3U);
  EXPECT_EQ(writers.check_postgres(url), "");
  EXPECT_EQ(compare_databases(db, url), "");
  RecordProperty("acknowledged", static_cast<int>(writers.acknowledged()));
  RecordProperty("verified_under_load", verified);
  RecordProperty("write_pause_ms", std::to_string(report.at("write_pause_ms").get<double>()));
  TestCluster::drop_database(url);
}

INSTANTIATE_TEST_SUITE_P(RealDatabases, LiveMoveTest,
                         ::testing::Values("chinook", "northwind", "sakila_jooq", "django_contrib",
                                           "flux_rag", "thoughts"),
                         [](const auto& param_info) { return param_info.param; });

}  // namespace
}  // namespace crossfade::testing
