// Promise: every real database goes to PostgreSQL and comes back, each row by way of the stream,
// and is then value for value what it was: class, bytes and text formats included.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <tuple>
#include <vector>

#include "tests/support/cluster.h"
#include "tests/support/connect.h"
#include "tests/support/contents.h"
#include "tests/support/oracle.h"
#include "tests/support/process.h"
#include "tests/support/real_dbs.h"

namespace crossfade::testing {
namespace {

using std::chrono::seconds;

// By either kind of way back.
class RealRollbackTest : public ::testing::TestWithParam<std::tuple<const char*, const char*>> {};

// Written anew as it is: the stream has every field of every row.
void touch_every_row(const std::string& url) {
  auto target = connect_or_die(url);
  const auto tables = target.exec(
      "SELECT format('UPDATE %s SET %s', p.oid, (SELECT string_agg(format('%1$I = %1$I', attname), "
      "', ') FROM pg_attribute a WHERE a.attrelid = p.oid AND attnum > 0 AND NOT attisdropped AND "
      "attgenerated = '' AND attidentity <> 'a')) FROM (SELECT c.oid::regclass AS oid FROM "
      "pg_class "
      "c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'public' AND relkind = "
      "'r') p");
  ASSERT_TRUE(tables) << describe(tables.error());
  for (int i = 0; i < tables.value().rows(); ++i) {
    const auto done = target.exec(tables.value().text(i, 0));
    ASSERT_TRUE(done) << describe(done.error());
  }
}

TEST_P(RealRollbackTest, ComesBackValueForValue) {
  CROSSFADE_NEEDS_POSTGRES();
  CROSSFADE_NEEDS_REAL_DBS();
  const TempDir dir;
  const std::string db = copy_real_db(std::get<0>(GetParam()), dir);
  const std::string before = contents(db);
  const std::string url = TestCluster::create_database();
  const auto crossfade = [&](std::vector<std::string> arguments) {
    const Finished done = run_process(crossfade_command(std::move(arguments)), seconds(120));
    EXPECT_EQ(done.code, 0) << done.out << done.err;
    return done;
  };
  crossfade({"run", db, "--target", url, "--until", "verified"});
  crossfade({"cutover", db, "--way-back", std::get<1>(GetParam())});
  touch_every_row(url);
  crossfade({"verify", db});
  crossfade({"rollback", db});
  EXPECT_TRUE(contents(db) == before);
  EXPECT_EQ(compare_databases(db, url), "");
  crossfade({"finish", db});
  TestCluster::drop_database(url);
}

INSTANTIATE_TEST_SUITE_P(RealDatabases, RealRollbackTest,
                         ::testing::Combine(::testing::ValuesIn(kRealDbs),
                                            ::testing::Values("slot", "outbox")),
                         [](const auto& param_info) {
                           return fmt::format("{}_{}", std::get<0>(param_info.param),
                                              std::get<1>(param_info.param));
                         });

}  // namespace
}  // namespace crossfade::testing
