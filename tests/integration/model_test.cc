// Promise: whatever an application does to its database, under whatever schema, its statements come
// out as without capture, and PostgreSQL ends up with the same rows.
//
// Each seed makes a schema, rows and statements of its own, and runs them against the source under
// a live engine and against a twin without capture. CROSSFADE_SEED=n runs one seed,
// CROSSFADE_SEEDS=n that many.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <string>

#include "engine/observe/log.h"
#include "tests/support/cluster.h"
#include "tests/support/engine_run.h"
#include "tests/support/random_schema.h"
#include "tests/support/random_writes.h"
#include "tests/support/temp_dir.h"
#include "tests/support/twin.h"
#include "tests/support/wait.h"

namespace crossfade::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr uint64_t kSeedsDefault = 100;
constexpr uint64_t kParts = 4;  // so that they can be shared out
constexpr size_t kScriptsWhileCopying = 40;
constexpr size_t kScriptsAfter = 60;

uint64_t number_from_environment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr || *text == '\0' ? otherwise : std::strtoull(text, nullptr, 10);
}

// One seed, from an empty file to the comparison.
class ModelRun {
 public:
  explicit ModelRun(uint64_t seed)
      : random_(seed), writes_(random_, schema_), path_(dir_.file("app.db")), twin_(path_) {}
  ~ModelRun() {
    engine_.reset();
    TestCluster::drop_database(url_);
  }
  ModelRun(const ModelRun&) = delete;
  ModelRun& operator=(const ModelRun&) = delete;

  // Empty, or what went wrong.
  std::string run() {
    make_source();
    changes_schema_ = random_.one_in(2);
    restarts_ = random_.one_in(3);
    start_engine();
    for (size_t i = 0; i < kScriptsWhileCopying; ++i) {
      // The writes spread over the copy, however fast it is.
      (void)wait_until([&] { return engine_->status().phase == "following"; }, milliseconds(1),
                       milliseconds(1));
      step();
      if (auto differ = difference(); !differ.empty()) return differ;
    }
    if (auto amiss = engine_->settle(kSettleMax); !amiss.empty()) return amiss;
    for (size_t i = 0; i < kScriptsAfter; ++i) {
      step();
      if (auto differ = difference(); !differ.empty()) return differ;
    }
    return check_end();
  }

  [[nodiscard]] std::string history() const { return twin_.history(); }
  [[nodiscard]] size_t statements() const { return statements_; }
  [[nodiscard]] size_t succeeded() const { return succeeded_; }

 private:
  [[nodiscard]] std::string difference() const {
    return first_mismatch_.empty() ? twin_.difference() : first_mismatch_;
  }

  void make_source() {
    twin_.source().run("PRAGMA synchronous = OFF");
    if (!random_.one_in(6)) twin_.source().run("PRAGMA journal_mode = WAL");
    twin_.run(random_.one_in(2) ? "PRAGMA foreign_keys = ON" : "PRAGMA foreign_keys = OFF");
    if (random_.one_in(3)) {
      twin_.run("PRAGMA recursive_triggers = ON");
      schema_.delete_triggers = true;
    }
    for (size_t i = 1 + random_.below(4); i > 0; --i) {
      add_random_table(random_, &schema_);
      const RandomTable& made = schema_.tables.back();
      if (!execute(create_sql(made, made.name))) schema_.tables.pop_back();
      if (schema_.tables.empty()) ++i;
    }
    for (const RandomTable& table : schema_.tables) {
      for (const std::string& sql : extras_sql(table)) execute(sql);
    }
    for (const std::string& sql : writes_.initial_rows()) execute(sql);
  }

  bool execute(const std::string& sql) {
    ++statements_;
    const bool done = twin_.run(sql).ok();
    succeeded_ += done ? 1 : 0;
    // One seed alone is looked at after every transaction, to name the one that went wrong. Not
    // inside: reading first, it could no longer write once somebody else had.
    if (every_transaction_ && first_mismatch_.empty() && !twin_.in_transaction()) {
      first_mismatch_ = twin_.compare();
      if (!first_mismatch_.empty()) first_mismatch_ = sql + "\n" + first_mismatch_;
    }
    return done;
  }

  // False: a statement failed. No transaction is left open.
  bool execute_all(const RandomWrites::Script& script) {
    bool all = true;
    for (const std::string& sql : script) all = execute(sql) && all;
    if (twin_.in_transaction()) twin_.run("ROLLBACK");
    return all;
  }

  void step() {
    if (changes_schema_ && random_.one_in(30)) {
      change_schema();
    } else if (restarts_ && random_.one_in(30)) {
      stop_error_ += engine_->stop();
      start_engine();
    } else if (random_.one_in(60)) {
      execute_all(writes_.big_transaction());
    } else {
      execute_all(writes_.script());
    }
  }

  void change_schema() {
    RandomWrites::Change change = writes_.change();
    if (execute_all(change.statements)) {
      schema_ = std::move(change.after);
      return;
    }
    schema_.made = change.after.made;
    // What is left of a change that broke off half way.
    std::erase_if(schema_.tables, [&](const RandomTable& table) {
      return !twin_.run("SELECT 1 FROM " + sql_quote(table.name) + " LIMIT 1").ok();
    });
    while (schema_.tables.empty()) {
      add_random_table(random_, &schema_);
      if (!execute(create_sql(schema_.tables.back(), schema_.tables.back().name))) {
        schema_.tables.pop_back();
      }
    }
  }

  void start_engine() {
    engine_.reset();  // it holds the lock on the source until it is gone
    engine_ = std::make_unique<EngineRun>(path_, url_);
  }

  std::string check_end() {
    if (!stop_error_.empty()) return stop_error_;
    if (auto amiss = engine_->settle(kSettleMax); !amiss.empty()) return amiss;
    const auto verified = engine_->verify(kSettleMax);
    if (!verified) return "verify did not answer: " + engine_->settle(milliseconds(0));
    if (auto amiss = engine_->settle(kSettleMax); !amiss.empty()) return amiss;
    if (auto error = engine_->stop(); !error.empty()) return error;
    if (auto differ = twin_.compare(); !differ.empty()) {
      return "the source is not its twin: " + differ;
    }
    return check_target(path_, url_, *verified);
  }

  Random random_;
  RandomSchema schema_;
  RandomWrites writes_;
  const TempDir dir_;
  const std::string path_;
  Twin twin_;
  const std::string url_ = TestCluster::create_database();
  std::unique_ptr<EngineRun> engine_;
  std::string stop_error_;
  bool changes_schema_ = false;
  bool restarts_ = false;
  const bool every_transaction_ = number_from_environment("CROSSFADE_SEED", 0) != 0;
  std::string first_mismatch_;
  size_t statements_ = 0;
  size_t succeeded_ = 0;
};

class ModelTest : public ::testing::TestWithParam<uint64_t> {};

TEST_P(ModelTest, RandomWritesUnderRandomSchemasArriveAndComeOutAsWithoutCapture) {
  CROSSFADE_NEEDS_POSTGRES();
  log::init(log::Level::kError);
  const uint64_t only = number_from_environment("CROSSFADE_SEED", 0);
  const uint64_t first = only == 0 ? 1 : only;
  const uint64_t count = only == 0 ? number_from_environment("CROSSFADE_SEEDS", kSeedsDefault) : 1;
  size_t statements = 0;
  size_t succeeded = 0;
  int failures = 0;
  for (uint64_t seed = first + GetParam(); seed < first + count && failures < 5; seed += kParts) {
    ModelRun model(seed);
    const std::string amiss = model.run();
    if (!amiss.empty()) {
      ADD_FAILURE() << "CROSSFADE_SEED=" << seed << ": " << amiss << "\n" << model.history();
      ++failures;
    }
    statements += model.statements();
    succeeded += model.succeeded();
  }
  // Constraints may fail many; if they failed most, little would be tested.
  EXPECT_GE(succeeded * 2, statements);
  RecordProperty("statements", static_cast<int>(statements));
  RecordProperty("succeeded", static_cast<int>(succeeded));
}

INSTANTIATE_TEST_SUITE_P(Part, ModelTest, ::testing::Range(uint64_t{0}, kParts));

}  // namespace
}  // namespace crossfade::testing
