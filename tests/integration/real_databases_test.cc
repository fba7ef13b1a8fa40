// Promise: every database goes through `run --until verified` and is equal by the oracle, or ends
// with exit 3 and findings that name each row; nothing aborts half way.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "tests/support/cluster.h"
#include "tests/support/oracle.h"
#include "tests/support/process.h"
#include "tests/support/real_dbs.h"

namespace crossfade::testing {
namespace {

TEST(RealDatabasesTest, EachMovesAndIsEqual) {
  CROSSFADE_NEEDS_POSTGRES();
  CROSSFADE_NEEDS_REAL_DBS();
  ASSERT_GE(real_db_names().size(), 12U);
  for (const std::string& name : real_db_names()) {
    SCOPED_TRACE(name);
    const TempDir dir;
    const std::string db = copy_real_db(name, dir);
    const std::string url = TestCluster::create_database();
    const Finished run = run_process(
        crossfade_command({"run", db, "--target", url, "--until", "verified", "--json"}),
        std::chrono::seconds(120));
    ASSERT_EQ(run.code, 0) << run.out << run.err;
    const auto document = nlohmann::json::parse(run.out);
    EXPECT_EQ(document.at("verdict"), "equal");
    EXPECT_EQ(document.at("phase"), "following");
    EXPECT_EQ(document.at("quarantined"), 0);
    EXPECT_EQ(compare_databases(db, url), "");
    TestCluster::drop_database(url);
  }
}

}  // namespace
}  // namespace crossfade::testing
