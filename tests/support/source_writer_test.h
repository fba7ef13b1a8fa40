// A source with a writer of the way back, and what comes of transactions.
#pragma once

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "apply/source_writer.h"
#include "tests/support/source_file.h"

namespace crossfade::testing {

using Changes = std::vector<TargetChange>;

class SourceWriterTest : public ::testing::Test {
 protected:
  void make(const std::string& sql) {
    file_.emplace(sql);
    reopen();
  }
  void reopen() {
    writer_.reset();
    auto opened = apply::SourceWriter::open(file_->path());
    ASSERT_TRUE(opened) << describe(opened.error());
    writer_.emplace(std::move(opened).value());
  }

  static Deadline no_hurry() { return Deadline::after(std::chrono::hours(1)); }

  // Each list is one transaction of PostgreSQL's; all are one of SQLite's. The error, or "".
  std::string run(const std::vector<Changes>& transactions) {
    Status done = writer_->begin(no_hurry());
    for (const Changes& changes : transactions) {
      for (const TargetChange& change : changes) {
        if (done) done = writer_->apply(change);
      }
      if (done) done = writer_->end_transaction();
    }
    ++state_.applied.value;
    if (done) done = writer_->commit(state_);
    if (done) return "";
    writer_->rollback();
    error_ = done.error();
    return describe(error_);
  }
  std::string run(const Changes& changes) { return run(std::vector<Changes>{changes}); }

  // "t 3 column: reason" per line.
  std::string aside() {
    auto read = writer_->set_aside(1000);
    EXPECT_TRUE(read) << describe(read.error());
    std::string out;
    for (const apply::SetAside& each : read.value()) {
      out += each.table;
      for (const Value& value : each.key) out += " " + to_literal(value);
      out += fmt::format(" {}: {}\n", each.column, each.reason);
    }
    EXPECT_EQ(writer_->set_aside_count().value(), static_cast<int64_t>(read.value().size()));
    return out;
  }
  std::string rows(const std::string& query = "SELECT * FROM t") { return file_->rows(query); }
  std::shared_ptr<const Table> table(const std::string& name = "t") { return file_->table(name); }
  bool settle(const Row& key, const std::optional<Row>& row) {
    const auto settled = writer_->settle(*table(), key, row);
    EXPECT_TRUE(settled) << describe(settled.error());
    return settled && settled.value();
  }

  std::optional<SourceFile> file_;
  std::optional<apply::SourceWriter> writer_;
  apply::ReverseState state_{
      .slot = "crossfade_1", .snapshot = {}, .live = true, .applied = {}, .probe = "p"};
  Error error_;
};

}  // namespace crossfade::testing
