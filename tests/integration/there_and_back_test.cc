// Promise: a real database goes to PostgreSQL, is written to there, comes back, is written to here,
// and goes there again, under load all the time: both sides are equal each time, and every
// acknowledged write is present exactly once.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>

#include "tests/support/contents.h"
#include "tests/support/oracle.h"
#include "tests/support/real_db_test.h"
#include "tests/support/wait.h"
#include "tests/support/writers.h"

namespace crossfade::testing {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::seconds;

// Of writes to each side (CROSSFADE_SECONDS changes it).
int seconds_of_writes() {
  const char* text = std::getenv("CROSSFADE_SECONDS");
  return text == nullptr ? 2 : std::atoi(text);
}

int seed() {
  const char* text = std::getenv("CROSSFADE_SEED");
  return text == nullptr ? 1 : std::atoi(text);
}

class ThereAndBackTest : public RealDbTest {
 protected:
  // `cutover` or `rollback`; one that stepped back, as under load it may, is tried again. Its
  // report.
  json change_sides(const std::string& verb) {
    Finished done;
    for (int tries = 0; tries < kTriesMax; ++tries) {
      done = crossfade({verb, db_, "--max-pause", "20000", "--json"}, seconds(120));
      if (done.code != kSteppedBack) break;
      ++stepped_back_[verb];
      why_ += done.out + done.err;
    }
    EXPECT_EQ(done.code, 0) << verb << ": " << done.out << done.err;
    json report = json::parse(done.out, nullptr, /*allow_exceptions=*/false);
    if (report.is_object()) pauses_ += fmt::format("{} {:.0f} ", verb, pause_of(report));
    return report;
  }
  static double pause_of(const json& report) { return report.value("write_pause_ms", -1.0); }

  // Compares both sides over and over while they are written to.
  void verify_for(seconds time) {
    const Deadline until = Deadline::after(time);
    do {
      const Finished done = crossfade({"verify", db_, "--json"}, seconds(120));
      ASSERT_EQ(done.code, 0) << done.out << done.err;
      ++verified_;
    } while (!until.expired());
  }
  // Until all writers were told that the tables moved, and both sides are equal.
  void expect_stopped_and_equal(Writers& writers) {
    EXPECT_EQ(writers.finish(/*now=*/false, seconds(90)), "");
    EXPECT_EQ(writers.moved(), kWriters);
    expect_becomes_equal(seconds(60));
  }
  void expect_all_once(const Writers& writers) const {
    EXPECT_EQ(writers.check_sqlite(db_), "");
    EXPECT_EQ(writers.check_postgres(url_), "");
  }
  // As the server counts them, of all that ever was tried.
  [[nodiscard]] int64_t rows_changed() const {
    return std::stoll(
        target_value("SELECT sum(n_tup_ins + n_tup_upd + n_tup_del)::bigint FROM "
                     "pg_stat_user_tables WHERE schemaname = 'public'"));
  }
  // What the writers to PostgreSQL did: acknowledged statements by kind, and other counts.
  static std::map<std::string, int64_t> sums(const Writers& writers) {
    std::map<std::string, int64_t> out;
    for (const std::string& text : writers.said()) {
      const json said = json::parse(text, nullptr, /*allow_exceptions=*/false);
      if (!said.is_object()) continue;
      for (const auto& [name, value] : said.items()) {
        if (value.is_number()) out[name] += value.get<int64_t>();
      }
      const json kinds = said.value("kinds", json::object());
      for (const auto& [name, value] : kinds.items()) {
        out["kind " + name] += value.get<int64_t>();
      }
    }
    return out;
  }

  static constexpr size_t kWriters = 3;
  static constexpr int kTriesMax = 5;
  static constexpr int kSteppedBack = 8;
  std::map<std::string, int> stepped_back_;
  std::string pauses_;
  std::string why_;
  int verified_ = 0;
};

TEST_P(ThereAndBackTest, UnderLoadEverythingIsThereOnce) {
  const seconds time(seconds_of_writes());
  const std::string before = contents(db_);
  follow();
  change_sides("cutover");
  change_sides("rollback");
  EXPECT_TRUE(contents(db_) == before) << "nothing was written, and values differ";
  ASSERT_TRUE(await_phase("following")) << engine_->err();
  expect_becomes_equal();
  change_sides("cutover");
  ASSERT_TRUE(await_phase("reversed")) << engine_->err();

  const int64_t rows_before = rows_changed();
  const auto began = Deadline::Clock::now();
  PsqlWritersOptions there;
  there.url = url_;
  there.db = db_;
  there.seed = seed();
  there.seconds = static_cast<double>(time.count()) + 300;  // until they are told that it moved
  Writers on_postgres(there);
  verify_for(time);
  change_sides("rollback");
  ASSERT_TRUE(await_phase("following")) << engine_->err();
  const auto took = std::chrono::duration_cast<milliseconds>(Deadline::Clock::now() - began);
  expect_stopped_and_equal(on_postgres);
  expect_all_once(on_postgres);
  const int64_t rows = rows_changed() - rows_before;
  if (HasFailure()) return;

  WritersOptions here;
  here.db = db_;
  here.seed = seed();
  here.seconds = there.seconds;
  Writers on_sqlite(here);
  verify_for(time);
  change_sides("cutover");
  expect_stopped_and_equal(on_sqlite);
  expect_all_once(on_sqlite);
  expect_all_once(on_postgres);

  auto did = sums(on_postgres);
  EXPECT_EQ(did["refused"], static_cast<int64_t>(kWriters)) << "each once, and repeated on SQLite";
  std::string kinds;
  for (const auto& [name, count] : did) kinds += fmt::format("{} {}, ", name, count);
  RecordProperty("acknowledged_by_postgres", static_cast<int>(on_postgres.acknowledged()));
  RecordProperty("acknowledged_by_sqlite", static_cast<int>(on_sqlite.acknowledged()));
  RecordProperty("postgres_written_to_ms", static_cast<int>(took.count()));
  RecordProperty("rows_changed_on_postgres", static_cast<int>(rows));
  RecordProperty("did", kinds);
  RecordProperty("verified_under_load", verified_);
  RecordProperty("write_pauses_ms", pauses_);
  RecordProperty("why_stepped_back", why_);
  RecordProperty("stepped_back", stepped_back_["cutover"] + stepped_back_["rollback"]);
}

// Names of all kinds and tables without a key; full-text search and its triggers; WITHOUT ROWID.
INSTANTIATE_TEST_SUITE_P(RealDatabases, ThereAndBackTest,
                         ::testing::ValuesIn(few_real_dbs({"datasette_fixtures", "memory_history",
                                                           "suite_without_rowid5"})),
                         [](const auto& param_info) { return param_info.param; });

}  // namespace
}  // namespace crossfade::testing
