// Promise: recorded transactions, statements beside them and other connections make one log, in one
// order, and PostgreSQL ends up with the same rows; the application's statements come out as
// without a recorder.
//
// As in model_test.cc, each seed makes a schema, rows and statements of its own. Of the
// transactions most are recorded, some are the triggers'; now and then another connection writes.
// CROSSFADE_SEED=n runs one seed, CROSSFADE_SEEDS=n that many.
#include "capture/session_recorder.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

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

using capture::RecorderCode;
using capture::RecorderStatus;
using std::chrono::milliseconds;

constexpr uint64_t kSeeds = 24;
constexpr size_t kScripts = 90;

uint64_t setting(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr || *text == '\0' ? otherwise : std::strtoull(text, nullptr, 10);
}

// Random tables are of every kind; most keep their triggers. These are a session's for certain.
void add_recordable_tables(RandomSchema* schema) {
  RandomTable plain;
  plain.name = "plain";
  plain.columns = {{"id", ColumnKind::kInteger, "INTEGER PRIMARY KEY"},
                   {"word", ColumnKind::kText, "TEXT UNIQUE"},
                   {"size", ColumnKind::kReal, "REAL"},
                   {"data", ColumnKind::kBlob, "BLOB"}};
  plain.key = {0};
  plain.rowid_alias = true;
  plain.rowid = "rowid";
  RandomTable pair;
  pair.name = "pair";
  pair.columns = {{"a", ColumnKind::kText, "TEXT"},
                  {"b", ColumnKind::kInteger, "INT"},
                  {"n", ColumnKind::kInteger, "INT UNIQUE"}};
  pair.constraints = {"PRIMARY KEY(a,b)"};
  pair.options = " WITHOUT ROWID";
  pair.key = {0, 1};
  schema->tables.push_back(std::move(plain));
  schema->tables.push_back(std::move(pair));
}

class RecordedRun {
 public:
  explicit RecordedRun(uint64_t seed)
      : random_(seed), writes_(random_, schema_), path_(dir_.file("app.db")), twin_(path_) {}
  ~RecordedRun() {
    engine_.reset();
    recorder_.reset();
    TestCluster::drop_database(url_);
  }
  RecordedRun(const RecordedRun&) = delete;
  RecordedRun& operator=(const RecordedRun&) = delete;

  // Empty, or what went wrong.
  std::string run() {
    if (auto amiss = make_source(); !amiss.empty()) return amiss;
    changes_schema_ = random_.one_in(2);
    engine_ = std::make_unique<EngineRun>(path_, url_);
    for (size_t i = 0; i < kScripts; ++i) {
      // About half of it while it copies.
      if (i == kScripts / 2) {
        if (auto amiss = engine_->settle(kSettleMax); !amiss.empty()) return amiss;
      }
      step();
      if (!twin_.difference().empty()) return twin_.difference();
      if (!amiss_.empty()) return amiss_;
    }
    return check_end();
  }
  [[nodiscard]] std::string history() const { return twin_.history(); }
  [[nodiscard]] uint64_t recorded() const { return recorded_; }
  [[nodiscard]] uint64_t outside() const { return outside_; }
  [[nodiscard]] uint64_t by_session() const { return by_session_; }

 private:
  std::string make_source() {
    twin_.source().run("PRAGMA synchronous = OFF");
    if (!random_.one_in(6)) twin_.source().run("PRAGMA journal_mode = WAL");
    twin_.run(random_.one_in(2) ? "PRAGMA foreign_keys = ON" : "PRAGMA foreign_keys = OFF");
    if (random_.one_in(3)) {
      twin_.run("PRAGMA recursive_triggers = ON");
      schema_.delete_triggers = true;
    }
    add_recordable_tables(&schema_);
    for (const RandomTable& table : schema_.tables) {
      if (!twin_.run(create_sql(table, table.name)).ok()) return "no table " + table.name;
    }
    for (size_t i = 1 + random_.below(3); i > 0; --i) {
      add_random_table(random_, &schema_);
      const RandomTable& made = schema_.tables.back();
      if (!twin_.run(create_sql(made, made.name)).ok()) schema_.tables.pop_back();
    }
    for (const RandomTable& table : schema_.tables) {
      for (const std::string& sql : extras_sql(table)) twin_.run(sql);
    }
    for (const std::string& sql : writes_.initial_rows()) twin_.run(sql);
    // There is no move yet: it comes while the recorder is attached.
    const auto attached = capture::SessionRecorder::attach(twin_.source().handle(), {}, &recorder_);
    if (!attached.ok()) return attached.message;
    twin_.source().run_instead(
        [this](const std::string& sql, int* code) { return record_instead(sql, code); });
    return "";
  }

  // The ends of a transaction as the recorder's, and of savepoints and rows nothing.
  bool record_instead(const std::string& sql, int* code) {
    RecorderStatus status;
    if (recording_next_ && (sql == "BEGIN" || sql == "BEGIN IMMEDIATE")) {
      status = recorder_->begin();
      if (!status.ok()) amiss_ += "begin: " + status.message;
    } else if (recorder_->recording() && sql == "COMMIT") {
      const sqlite3_int64 rowid = sqlite3_last_insert_rowid(twin_.source().handle());
      status = recorder_->commit();
      if (!status.ok() && status.sqlite_code != SQLITE_CONSTRAINT_FOREIGNKEY) {
        amiss_ += "commit: " + status.message;
      }
      if (sqlite3_last_insert_rowid(twin_.source().handle()) != rowid) amiss_ += "the rowid moved";
    } else if (recorder_->recording() && sql == "ROLLBACK") {
      status = recorder_->rollback();
    } else {
      return false;
    }
    *code = status.code == RecorderCode::kOk ? SQLITE_OK : status.sqlite_code;
    return true;
  }

  // False: a statement failed. No transaction is left open.
  bool execute_all(const RandomWrites::Script& script) {
    bool all = true;
    for (const std::string& sql : script) {
      // changes() is of the log after commit(); this says so, and levels it on both.
      if (sql == "COMMIT") twin_.exempt(sql);
      all = twin_.run(sql).ok() && all;
    }
    if (twin_.in_transaction()) twin_.run("ROLLBACK");
    return all;
  }

  // Some of it in recorded transactions, together with rows.
  void change_schema() {
    RandomWrites::Change change = writes_.change();
    const bool vacuum = change.statements.front() == "VACUUM";
    if (change.statements.front() != "BEGIN" && !vacuum && random_.one_in(2)) {
      change.statements.insert(change.statements.begin(), "BEGIN");
      change.statements.emplace_back("COMMIT");
    }
    if (execute_all(change.statements)) {
      schema_ = std::move(change.after);
      return;
    }
    schema_.made = change.after.made;
    std::erase_if(schema_.tables, [&](const RandomTable& table) {
      return !twin_.run("SELECT 1 FROM " + sql_quote(table.name) + " LIMIT 1").ok();
    });
    if (schema_.tables.empty()) amiss_ += "no table is left";
  }

  void step() {
    recording_next_ = !random_.one_in(5);
    if (changes_schema_ && random_.one_in(30)) return change_schema();
    const bool big = random_.one_in(60);
    RandomWrites::Script script = big ? writes_.big_transaction() : writes_.script();
    // A statement by itself is the triggers', unless it is put in a transaction.
    if (script.size() == 1 && random_.one_in(2)) {
      script.insert(script.begin(), "BEGIN");
      script.emplace_back("COMMIT");
    }
    execute_all(script);
    if (random_.one_in(4)) {
      // A stranger, whose writes change nothing that the twin would have to know.
      PlainSqlite other(path_);
      const RandomTable& table = random_.pick(schema_.tables);
      const std::string name = sql_quote(table.name);
      other.run("PRAGMA synchronous = OFF");
      const std::string sql = fmt::format("UPDATE {0} SET {1} = {1}", name,
                                          sql_quote(table.columns[writable(table)].name));
      other.run(sql);
    }
  }

  static size_t writable(const RandomTable& table) {
    for (size_t i = 0; i < table.columns.size(); ++i) {
      if (!table.columns[i].generated) return i;
    }
    return 0;
  }

  std::string check_end() {
    recorded_ = recorder_->counters().changes;
    outside_ = recorder_->counters().outside_rows;
    for (const capture::SessionTable& table : recorder_->tables()) {
      by_session_ += table.by == capture::CapturedBy::kSession ? 1 : 0;
    }
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
  std::unique_ptr<capture::SessionRecorder> recorder_;
  const std::string url_ = TestCluster::create_database();
  std::unique_ptr<EngineRun> engine_;
  bool changes_schema_ = false;
  bool recording_next_ = false;
  std::string amiss_;
  uint64_t recorded_ = 0;
  uint64_t outside_ = 0;
  uint64_t by_session_ = 0;
};

constexpr const char* kAlterations[] = {
    "UPDATE a SET v='z'; ALTER TABLE a ADD COLUMN w TEXT DEFAULT 'd'",
    "INSERT INTO a(id,v) VALUES(3,'after')",
    "ALTER TABLE a RENAME TO b; DELETE FROM b WHERE id=1; ALTER TABLE b RENAME TO a",
    "INSERT INTO k VALUES('r','s'); UPDATE k SET k=NULL WHERE k='p'",
    "UPDATE k SET v='t'; DELETE FROM a WHERE id=2",
};

// What a session could not be read for is copied anew, and what it passes over is told.
TEST(SessionModelTest, AlteredTablesAndNullKeysAreCopiedAnew) {
  CROSSFADE_NEEDS_POSTGRES();
  log::init(log::Level::kError);
  const TempDir dir;
  const std::string path = dir.file("app.db");
  const std::string url = TestCluster::create_database();
  {
    PlainSqlite app(path);
    app.run(
        "PRAGMA journal_mode=WAL; CREATE TABLE a(id INTEGER PRIMARY KEY, v TEXT);"
        "CREATE TABLE k(k TEXT PRIMARY KEY, v TEXT);"
        "INSERT INTO a VALUES(1,'x'),(2,'y'); INSERT INTO k VALUES('p','q')");
    EngineRun engine(path, url);
    ASSERT_EQ(engine.settle(kSettleMax), "");
    std::unique_ptr<capture::SessionRecorder> recorder;
    ASSERT_TRUE(capture::SessionRecorder::attach(app.handle(), {}, &recorder).ok());
    for (const char* sql : kAlterations) {
      ASSERT_TRUE(recorder->begin().ok());
      ASSERT_TRUE(app.run(sql).ok()) << sql;
      const auto committed = recorder->commit();
      ASSERT_TRUE(committed.ok()) << committed.message;
      // The engine has seen what happened to the schema.
      const auto both_captured = [&] {
        return app.run("SELECT count(DISTINCT tbl_name) FROM sqlite_schema WHERE type='trigger'")
                   .rows.front() == "2|";
      };
      ASSERT_TRUE(wait_until(both_captured, kSettleMax)) << sql;
      ASSERT_EQ(engine.settle(kSettleMax), "") << sql;
    }
    EXPECT_EQ(recorder->counters().tables_given_up, 2U);
    const auto verified = engine.verify(kSettleMax);
    ASSERT_TRUE(verified.has_value());
    EXPECT_EQ(engine.stop(), "");
    EXPECT_EQ(check_target(path, url, *verified), "");
  }
  TestCluster::drop_database(url);
}

TEST(SessionModelTest, RecordedAndUnrecordedWritesArriveInOneOrder) {
  CROSSFADE_NEEDS_POSTGRES();
  log::init(log::Level::kError);
  const uint64_t only = setting("CROSSFADE_SEED", 0);
  const uint64_t first = only == 0 ? 1 : only;
  const uint64_t count = only == 0 ? setting("CROSSFADE_SEEDS", kSeeds) : 1;
  uint64_t recorded = 0;
  uint64_t outside = 0;
  uint64_t by_session = 0;
  int failures = 0;
  for (uint64_t seed = first; seed < first + count && failures < 5; ++seed) {
    RecordedRun model(seed);
    const std::string amiss = model.run();
    if (!amiss.empty()) {
      ADD_FAILURE() << "CROSSFADE_SEED=" << seed << ": " << amiss << "\n" << model.history();
      ++failures;
    }
    recorded += model.recorded();
    outside += model.outside();
    by_session += model.by_session();
  }
  // Both captures were at work.
  EXPECT_GT(recorded, count);
  EXPECT_GT(outside, count);
  EXPECT_GT(by_session, count);
  RecordProperty("recorded", std::to_string(recorded));
  RecordProperty("outside", std::to_string(outside));
  RecordProperty("by_session", std::to_string(by_session));
}

}  // namespace
}  // namespace crossfade::testing
