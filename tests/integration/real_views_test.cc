// Promise: what the views of real applications show after a cutover is what they showed in SQLite.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/answers.h"
#include "tests/support/cluster.h"
#include "tests/support/oracle_sides.h"
#include "tests/support/process.h"
#include "tests/support/real_dbs.h"

namespace crossfade::testing {
namespace {

using std::chrono::seconds;

// Views have an order only where they say so.
std::vector<std::string> sorted(Answer answer) {
  EXPECT_EQ(answer.error, "");
  std::sort(answer.rows.begin(), answer.rows.end());
  return std::move(answer.rows);
}

TEST(RealViewsTest, ShowTheSameRowsAfterTheCutover) {
  CROSSFADE_NEEDS_POSTGRES();
  CROSSFADE_NEEDS_REAL_DBS();
  // How many each has, and how many of them are carried. One of Northwind's adds names with +.
  const std::map<std::string, std::pair<size_t, size_t>> expected = {{"northwind", {17, 16}},
                                                                     {"sakila_jooq", {5, 5}},
                                                                     {"datasette_fixtures", {4, 4}},
                                                                     {"thoughts", {1, 1}}};
  for (const auto& [name, counts] : expected) {
    SCOPED_TRACE(name);
    const TempDir dir;
    const std::string db = copy_real_db(name, dir);
    const std::string url = TestCluster::create_database();
    const Finished run = run_process(
        crossfade_command({"run", db, "--target", url, "--until", "verified", "--json"}),
        seconds(120));
    ASSERT_EQ(run.code, 0) << run.err;
    const Finished cut =
        run_process(crossfade_command({"cutover", db, "--no-rollback"}), seconds(60));
    ASSERT_EQ(cut.code, 0) << cut.err;
    std::string error;
    const auto source = oracle::open_source(db, &error);
    const auto target = oracle::open_target(url, &error);
    ASSERT_EQ(error, "");
    const auto query_of = [](const std::string& column) {
      return "SELECT 'SELECT * FROM \"' || " + column + " || '\"' FROM ";
    };
    const Answer views = ask(source.get(), query_of("name") + "sqlite_schema WHERE type = 'view'");
    const Answer carried =
        ask(target.get(), query_of("viewname") + "pg_views WHERE schemaname = 'public'");
    EXPECT_EQ(views.rows.size(), counts.first);
    EXPECT_EQ(carried.rows.size(), counts.second) << run.out;
    for (const std::string& text : carried.rows) {
      const std::string query = text.substr(1, text.size() - 2);  // out of its quotes
      EXPECT_EQ(sorted(ask(source.get(), query)), sorted(ask(target.get(), query))) << query;
    }
    TestCluster::drop_database(url);
  }
}

}  // namespace
}  // namespace crossfade::testing
