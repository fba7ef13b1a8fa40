// Promise: a real database that is written to on both sides has the same on both once it is quiet;
// every row that both changed is on record, decided by its rule; every acknowledged write of either
// side is present exactly once on both; and from there the cutover to PostgreSQL is done.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <sstream>

#include "tests/support/oracle.h"
#include "tests/support/real_db_test.h"
#include "tests/support/wait.h"
#include "tests/support/writers.h"

namespace crossfade::testing {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr int kShared = 6;  // rows that both sides write to on purpose

class RealDualTest : public RealDbTest {
 protected:
  void SetUp() override {
    RealDbTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    app("CREATE TABLE crossfade_shared(id INTEGER PRIMARY KEY, who TEXT NOT NULL, at INTEGER NOT "
        "NULL)");
    for (int i = 1; i <= kShared; ++i) {
      app(fmt::format("INSERT INTO crossfade_shared VALUES({},'nobody',0)", i));
    }
  }

  // Tables without a key stay behind: they have no place in dual writes.
  void write_rules() {
    ASSERT_EQ(run_until_verified().code, 0);
    std::ofstream rules(rules_);
    rules << "[defaults]\nconflict = \"source_wins\"\n"
             "[tables.crossfade_shared]\nconflict = \"newest_wins(at)\"\n";
    std::istringstream names(target_value(
        "SELECT string_agg(relname, E'\\n') FROM pg_class c JOIN pg_attribute ON attrelid=c.oid "
        "WHERE relkind='r' AND relnamespace='public'::regnamespace AND "
        "attname='_crossfade_rowid'"));
    for (std::string name; std::getline(names, name);) {
      rules << fmt::format("[tables.\"{}\"]\nexclude = true\n", name);
      left_out_.ignored_tables.insert(name);
    }
  }
  void run_dual() {
    engine_ = std::make_unique<Process>(
        crossfade_command({"run", db_, "--target", url_, "--mode", "dual", "--rules", rules_}));
    ASSERT_TRUE(await_phase("dual")) << engine_->err();
  }
  // Both sides write to the same rows, and neither has the other's: the odd ones are newer on
  // SQLite.
  void collide() {
    ASSERT_EQ(stop_engine(), 0) << engine_->err();
    for (int i = 1; i <= kShared; ++i) {
      app(fmt::format("UPDATE crossfade_shared SET who='s', at={} WHERE id={}", 10 + i % 2, i));
      target_exec(fmt::format("UPDATE public.crossfade_shared SET who='t', at={} WHERE id={}",
                              11 - i % 2, i));
    }
    run_dual();
  }
  void expect_quiet_and_equal() {
    std::string difference;
    const bool equal = wait_until(
        [&] {
          difference = compare_databases(db_, url_, left_out_);
          return difference.empty();
        },
        seconds(60), milliseconds(100));
    ASSERT_TRUE(equal) << difference << crossfade({"conflicts", "list", db_}).out;
    const Finished verify = crossfade({"verify", db_, "--json"});
    EXPECT_EQ(verify.code, 0) << verify.out << verify.err;
  }
  // All are decided, each by the rule of its table; those made on purpose are all there.
  size_t expect_conflicts_on_record() {
    const Finished listed =
        crossfade({"conflicts", "list", db_, "--all", "--limit", "0", "--json"});
    EXPECT_EQ(listed.code, 0) << listed.err;
    const json document = json::parse(listed.out, nullptr, /*allow_exceptions=*/false);
    if (!document.is_object()) {
      ADD_FAILURE() << listed.out;
      return 0;
    }
    EXPECT_EQ(document.at("waiting"), 0);
    EXPECT_EQ(document.at("resolved"), document.at("conflicts").size());
    std::set<std::string> shared;
    for (const json& one : document.at("conflicts")) {
      EXPECT_EQ(one.at("state"), "resolved") << one.dump();
      if (one.at("table") == "crossfade_shared") shared.insert(one.at("key").get<std::string>());
    }
    EXPECT_EQ(shared.size(), static_cast<size_t>(kShared));
    EXPECT_EQ(AppDb(db_).value("SELECT group_concat(who,'') FROM crossfade_shared"), "ststst");
    return document.at("conflicts").size();
  }

  const std::string rules_ = dir_.file("rules.toml");
  OracleOptions left_out_;
};

TEST_P(RealDualTest, WrittenToOnBothSidesItBecomesTheSame) {
  write_rules();
  if (HasFailure()) return;
  run_dual();
  if (HasFailure()) return;
  PsqlWritersOptions there;
  there.url = url_;
  there.db = db_;
  there.writers = 2;
  there.seconds = 1;
  there.calm = true;
  WritersOptions here;
  here.db = db_;
  here.writers = 2;
  here.seconds = 1;
  here.calm = true;
  Writers on_sqlite(here);
  Writers on_postgres(there);
  EXPECT_EQ(on_sqlite.finish(/*now=*/false, seconds(60)), "");
  EXPECT_EQ(on_postgres.finish(/*now=*/false, seconds(60)), "");
  collide();
  if (HasFailure()) return;
  expect_quiet_and_equal();
  const size_t conflicts = expect_conflicts_on_record();
  for (const Writers* each : {&on_sqlite, &on_postgres}) {
    EXPECT_EQ(each->check_sqlite(db_), "");
    EXPECT_EQ(each->check_postgres(url_), "");
  }
  const Finished cutover = crossfade({"cutover", db_, "--json"}, seconds(120));
  ASSERT_EQ(cutover.code, 0) << cutover.out << cutover.err << engine_->err();
  const json report = json::parse(cutover.out);
  EXPECT_EQ(report.at("primary"), "postgres");
  EXPECT_EQ(compare_databases(db_, url_, left_out_), "");
  RecordProperty("acknowledged_by_sqlite", static_cast<int>(on_sqlite.acknowledged()));
  RecordProperty("acknowledged_by_postgres", static_cast<int>(on_postgres.acknowledged()));
  RecordProperty("conflicts", static_cast<int>(conflicts));
  RecordProperty("write_pause_ms", std::to_string(report.value("write_pause_ms", -1.0)));
}

// Composite keys and dates; full-text search and its triggers; WITHOUT ROWID.
INSTANTIATE_TEST_SUITE_P(RealDatabases, RealDualTest,
                         ::testing::ValuesIn(few_real_dbs({"northwind", "memory_history",
                                                           "suite_without_rowid5"})),
                         [](const auto& param_info) { return param_info.param; });

}  // namespace
}  // namespace crossfade::testing
