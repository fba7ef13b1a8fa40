// A file under capture, an application's connection to it with a recorder, and the log's reader.
#pragma once

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "capture/session_recorder.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/capture_fixture.h"

namespace crossfade::capture::testing {

// An application's connection, raw.
class AppConnection {
 public:
  explicit AppConnection(const std::string& path) {
    EXPECT_EQ(sqlite3_open(path.c_str(), &db_), SQLITE_OK);
    sqlite3_extended_result_codes(db_, 1);
  }
  ~AppConnection() { EXPECT_EQ(sqlite3_close(db_), SQLITE_OK); }
  AppConnection(const AppConnection&) = delete;
  AppConnection& operator=(const AppConnection&) = delete;

  int run(const std::string& sql) {
    const int rc = sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr);
    message_ = sqlite3_errmsg(db_);
    return rc;
  }
  void must(const std::string& sql) { ASSERT_EQ(run(sql), SQLITE_OK) << message_ << "\n" << sql; }
  [[nodiscard]] const std::string& message() const { return message_; }

  int64_t integer(const std::string& sql) {
    sqlite3_stmt* statement = nullptr;
    EXPECT_EQ(sqlite3_prepare_v2(db_, sql.c_str(), -1, &statement, nullptr), SQLITE_OK)
        << sqlite3_errmsg(db_);
    EXPECT_EQ(sqlite3_step(statement), SQLITE_ROW) << sql;
    const int64_t value = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return value;
  }
  [[nodiscard]] sqlite3* handle() const { return db_; }

 private:
  sqlite3* db_ = nullptr;
  std::string message_;
};

// Capture is installed on `schema` before the recorder comes.
class Recorded {
 public:
  explicit Recorded(const std::string& schema) : path_(dir_.file("app.db")), log_(schema, path_) {
    log_.capture();
    app_ = std::make_unique<AppConnection>(path_);
    attach();
  }

  void attach() {
    const auto attached = SessionRecorder::attach(app_->handle(), {}, &recorder_);
    EXPECT_TRUE(attached.ok()) << attached.message;
  }
  void detach() { recorder_.reset(); }

  // One recorded transaction.
  void record(const std::string& sql) {
    const auto begun = recorder_->begin();
    ASSERT_TRUE(begun.ok()) << begun.message;
    app_->must(sql);
    const auto committed = recorder_->commit();
    ASSERT_TRUE(committed.ok()) << committed.message;
  }

  [[nodiscard]] const SessionTable& table(const std::string& name) const {
    for (const SessionTable& each : recorder_->tables()) {
      if (each.name == name) return each;
    }
    ADD_FAILURE() << "no table " << name;
    return recorder_->tables().front();
  }

  // "insert (1,'a')", "update (1,'a') -> (1,'b')", in the log's order.
  std::vector<std::string> changes() {
    std::vector<std::string> out;
    for (const Change& change : log_.changes()) {
      switch (change.op) {
        case ChangeOp::kInsert:
          out.push_back("insert " + literals(change.after));
          break;
        case ChangeOp::kUpdate:
          out.push_back("update " + literals(change.before) + " -> " + literals(change.after));
          break;
        case ChangeOp::kDelete:
          out.push_back("delete " + literals(change.before));
          break;
        case ChangeOp::kVanish:
          out.push_back("vanish " + literals(change.before));
          break;
      }
    }
    return out;
  }
  int64_t log_rows() { return app_->integer("SELECT count(*) FROM _crossfade_log"); }
  ::testing::AssertionResult follows() { return log_.follows(); }

  AppConnection& app() { return *app_; }
  SessionRecorder& recorder() { return *recorder_; }
  CapturedDatabase& log() { return log_; }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  crossfade::testing::TempDir dir_;
  std::string path_;
  CapturedDatabase log_;
  std::unique_ptr<AppConnection> app_;
  std::unique_ptr<SessionRecorder> recorder_;  // goes before the connection
};

}  // namespace crossfade::capture::testing
