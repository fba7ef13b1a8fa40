// Promise: `undo --to` takes every captured table back to exactly what it was, whatever was written
// since under whatever schema, by triggers and recorded transactions in one log; and the engine
// that follows brings PostgreSQL there too.
//
// As in model_test.cc, each seed makes a schema, rows and statements of its own. The copy that
// SQLite's backup made of the file at a position says what it was. CROSSFADE_SEED=n runs one seed,
// CROSSFADE_SEEDS=n that many.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "capture/session_recorder.h"
#include "engine/observe/log.h"
#include "engine/run/undo.h"
#include "tests/support/cluster.h"
#include "tests/support/engine_run.h"
#include "tests/support/random_schema.h"
#include "tests/support/random_writes.h"
#include "tests/support/temp_dir.h"
#include "tests/support/twin.h"

namespace crossfade::testing {
namespace {

constexpr uint64_t kUndoSeeds = 16;
constexpr size_t kUndosPerSeed = 4;
constexpr size_t kScriptsPerUndo = 12;
constexpr int64_t kKeepAll = 1'000'000'000;

uint64_t from_environment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr || *text == '\0' ? otherwise : std::strtoull(text, nullptr, 10);
}

// The file as it is, rowids and all.
void copy_file(sqlite3* from, const std::string& to) {
  sqlite3* made = nullptr;
  ASSERT_EQ(sqlite3_open(to.c_str(), &made), SQLITE_OK);
  sqlite3_backup* backup = sqlite3_backup_init(made, "main", from, "main");
  ASSERT_NE(backup, nullptr) << sqlite3_errmsg(made);
  EXPECT_EQ(sqlite3_backup_step(backup, -1), SQLITE_DONE);
  EXPECT_EQ(sqlite3_backup_finish(backup), SQLITE_OK);
  sqlite3_close(made);
}

void append_value(sqlite3_stmt* row, int column, std::string* out) {
  const int type = sqlite3_column_type(row, column);
  *out += static_cast<char>('0' + type);
  if (type == SQLITE_INTEGER) {
    *out += std::to_string(sqlite3_column_int64(row, column));
  } else if (type == SQLITE_FLOAT) {
    *out += fmt::format("{:a}", sqlite3_column_double(row, column));
  } else if (type != SQLITE_NULL) {
    const auto* bytes = static_cast<const unsigned char*>(sqlite3_column_blob(row, column));
    for (int i = 0; i < sqlite3_column_bytes(row, column); ++i)
      *out += fmt::format("{:02x}", bytes[i]);
  }
  *out += ' ';
}

// Every row of the table with each value's class and bytes, sorted.
std::vector<std::string> rows_of(sqlite3* db, const RandomTable& table) {
  const bool by_rowid = table.key.empty() && !table.rowid.empty();
  const std::string sql =
      fmt::format("SELECT {}* FROM {}", by_rowid ? table.rowid + "," : "", sql_quote(table.name));
  std::vector<std::string> out;
  sqlite3_stmt* row = nullptr;
  EXPECT_EQ(sqlite3_prepare_v2(db, sql.c_str(), -1, &row, nullptr), SQLITE_OK)
      << sql << ": " << sqlite3_errmsg(db);
  while (sqlite3_step(row) == SQLITE_ROW) {
    out.emplace_back();
    for (int i = 0; i < sqlite3_column_count(row); ++i) append_value(row, i, &out.back());
  }
  sqlite3_finalize(row);
  std::sort(out.begin(), out.end());
  return out;
}

class UndoRun {
 public:
  explicit UndoRun(uint64_t seed)
      : random_(seed), writes_(random_, schema_), path_(dir_.file("app.db")), app_(path_) {}
  ~UndoRun() {
    engine_.reset();
    recorder_.reset();
    TestCluster::drop_database(url_);
  }
  UndoRun(const UndoRun&) = delete;
  UndoRun& operator=(const UndoRun&) = delete;

  // Empty, or what went wrong.
  std::string run() {
    if (auto amiss = make_source(); !amiss.empty()) return amiss;
    engine_ = std::make_unique<EngineRun>(path_, url_, kKeepAll);
    if (auto amiss = engine_->settle(kSettleMax); !amiss.empty()) return amiss;
    remember();
    for (size_t i = 0; i < kUndosPerSeed; ++i) {
      for (size_t j = 0; j < kScriptsPerUndo; ++j) step();
      if (auto amiss = undo(); !amiss.empty()) return amiss;
    }
    return check_end();
  }
  [[nodiscard]] std::string history() const { return fmt::format("{}", fmt::join(history_, "\n")); }
  [[nodiscard]] int64_t undone() const { return undone_; }
  [[nodiscard]] int64_t refused() const { return refused_; }

 private:
  struct Past {
    int64_t lsn;
    std::string copy;
  };

  std::string make_source() {
    app_.run("PRAGMA synchronous = OFF");
    app_.run("PRAGMA journal_mode = WAL");
    app_.run(random_.one_in(2) ? "PRAGMA foreign_keys = ON" : "PRAGMA foreign_keys = OFF");
    if (random_.one_in(3)) app_.run("PRAGMA recursive_triggers = ON");
    for (size_t i = 2 + random_.below(4); i > 0; --i) {
      add_random_table(random_, &schema_);
      const RandomTable& made = schema_.tables.back();
      if (!app_.run(create_sql(made, made.name)).ok()) schema_.tables.pop_back();
      if (schema_.tables.empty()) ++i;
    }
    for (const RandomTable& table : schema_.tables) {
      for (const std::string& sql : extras_sql(table)) app_.run(sql);
    }
    for (const std::string& sql : writes_.initial_rows()) app_.run(sql);
    const auto attached = capture::SessionRecorder::attach(app_.handle(), {}, &recorder_);
    return attached.message;
  }

  void execute(const std::string& sql) {
    const Outcome outcome = app_.run(sql);
    history_.push_back(fmt::format("{};  -- {}", sql, outcome.code));
    if (history_.size() > 200) history_.pop_front();
  }

  void step() {
    RandomWrites::Script script = random_.one_in(40) ? writes_.big_transaction() : writes_.script();
    const bool recorded = script.size() == 1 && random_.one_in(2) && recorder_->begin().ok();
    for (const std::string& sql : script) execute(sql);
    if (recorded && !recorder_->commit().ok()) {
      EXPECT_TRUE(recorder_->rollback().ok());
    }
    if (app_.in_transaction()) app_.run("ROLLBACK");
    if (random_.one_in(3)) remember();
  }

  int64_t newest() {
    return std::stoll(app_.run("SELECT ifnull(max(lsn),0) FROM _crossfade_log").rows.at(0));
  }

  void remember() {
    past_.push_back({newest(), dir_.file(fmt::format("copy{}.db", copies_++))});
    copy_file(app_.handle(), past_.back().copy);
  }

  std::string undo() {
    const Past& past = past_[random_.below(past_.size())];
    run::EngineOptions options;
    options.database = path_;
    const auto tried = run::undo(options, {Lsn{past.lsn}, /*dry_run=*/true});
    if (!tried) return refused(describe(tried.error()));
    const auto done = run::undo(options, {Lsn{past.lsn}, false});
    if (!done) return refused(describe(done.error()));  // the engine goes on meanwhile
    if (to_json(tried.value()).at("tables") != to_json(done.value()).at("tables")) {
      return "the dry run told something else";
    }
    history_.push_back(fmt::format("undo to {}: {}", past.lsn, to_text(done.value())));
    undone_ += done.value().undone.changes;
    sqlite3* copy = nullptr;
    EXPECT_EQ(sqlite3_open(past.copy.c_str(), &copy), SQLITE_OK);
    std::string differs;
    for (const RandomTable& table : schema_.tables) {
      if (rows_of(app_.handle(), table) == rows_of(copy, table)) continue;
      differs += fmt::format("{} is not as it was at {}\nit has {}\nit had {}\n", table.name,
                             past.lsn, fmt::join(rows_of(app_.handle(), table), "\n  "),
                             fmt::join(rows_of(copy, table), "\n  "));
    }
    sqlite3_close(copy);
    remember();
    return differs;
  }

  // A NULL in a primary key has the engine take the rowid for the key, from then on; of the widest
  // tables the log has the key of a replaced row only.
  std::string refused(const std::string& why) {
    for (const char* expected :
         {"its primary key holds NULL", "made, changed or rebuilt there",
          "dropped or changed there", "are not what they were", "a table as wide as this"}) {
      if (why.find(expected) == std::string::npos) continue;
      ++refused_;
      history_.push_back(why);
      if (auto amiss = engine_->settle(kSettleMax); !amiss.empty()) return amiss;
      past_.clear();
      remember();
      return "";
    }
    return "dry run: " + why;
  }

  std::string check_end() {
    if (auto amiss = engine_->settle(kSettleMax); !amiss.empty()) return amiss;
    const auto verified = engine_->verify(kSettleMax);
    if (!verified) return "verify did not answer: " + engine_->settle(kSettleMax);
    if (auto amiss = engine_->settle(kSettleMax); !amiss.empty()) return amiss;
    if (auto error = engine_->stop(); !error.empty()) return error;
    return check_target(path_, url_, *verified);
  }

  Random random_;
  RandomSchema schema_;
  RandomWrites writes_;
  const TempDir dir_;
  const std::string path_;
  PlainSqlite app_;
  std::unique_ptr<capture::SessionRecorder> recorder_;
  const std::string url_ = TestCluster::create_database();
  std::unique_ptr<EngineRun> engine_;
  std::vector<Past> past_;
  size_t copies_ = 0;
  std::deque<std::string> history_;
  int64_t undone_ = 0;
  int64_t refused_ = 0;
};

TEST(UndoOverRandomSchemasTest, TablesAreAsTheyWereAndTheTargetFollows) {
  CROSSFADE_NEEDS_POSTGRES();
  log::init(log::Level::kError);
  const uint64_t only = from_environment("CROSSFADE_SEED", 0);
  const uint64_t first = only == 0 ? 1 : only;
  const uint64_t count = only == 0 ? from_environment("CROSSFADE_SEEDS", kUndoSeeds) : 1;
  int64_t undone = 0;
  int64_t refused = 0;
  int failures = 0;
  for (uint64_t seed = first; seed < first + count && failures < 3; ++seed) {
    UndoRun model(seed);
    const std::string amiss = model.run();
    undone += model.undone();
    refused += model.refused();
    if (amiss.empty()) continue;
    ++failures;
    ADD_FAILURE() << "CROSSFADE_SEED=" << seed << "\n" << amiss << "\n" << model.history();
  }
  EXPECT_GT(undone, 0);
  if (only == 0) {
    EXPECT_LT(refused, static_cast<int64_t>(count * kUndosPerSeed) / 2);
  }
}

}  // namespace
}  // namespace crossfade::testing
