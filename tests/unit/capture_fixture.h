// A database in memory with capture on all of its tables, and a model that follows its log.
#pragma once

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "capture/change_log.h"
#include "capture/log_reader.h"
#include "engine/schema/catalog.h"
#include "engine/sqlite/connection.h"
#include "engine/sqlite/statement.h"

namespace crossfade::capture::testing {

using Rows = std::map<std::string, Row>;      // by the key's identity
using Content = std::map<std::string, Rows>;  // by table
inline constexpr size_t kWhole = size_t{1} << 30;

inline std::string identity(const Table& table, const Row& row) {
  std::string out;
  for (const size_t k : table.key) append_identity(row[k], &out);
  return out;
}

inline std::string literals(const Row& row) {
  std::string out;
  for (const Value& value : row) out += (out.empty() ? "" : ",") + to_literal(value, 30);
  return "(" + out + ")";
}

inline std::string literals(const Rows& rows) {
  std::string out;
  for (const auto& [key, row] : rows) out += literals(row) + " ";
  return out;
}

// Does to `content` what the changes say, one after the other.
inline void replay(const ChangeBatch& batch, Content* content) {
  for (const Change& change : batch.changes) {
    Rows& rows = (*content)[change.table->name];
    if (change.op != ChangeOp::kInsert) rows.erase(identity(*change.table, change.before));
    if (change.op == ChangeOp::kInsert || change.op == ChangeOp::kUpdate) {
      rows[identity(*change.table, change.after)] = change.after;
    }
  }
}

class CapturedDatabase {
 public:
  explicit CapturedDatabase(const std::string& schema, const std::string& path = ":memory:")
      : source_(open(path)) {
    must(schema);
  }

  static sqlite::Connection open(const std::string& path) {
    auto opened = sqlite::Connection::open({.path = path, .access = sqlite::Access::kCreate});
    EXPECT_TRUE(opened) << describe(opened.error());
    return std::move(opened).value();
  }

  void must(const std::string& sql) {
    const Status done = source_.exec(sql);
    ASSERT_TRUE(done) << describe(done.error()) << "\n" << sql.substr(0, 500);
  }

  schema::Catalog catalog() {
    auto read = schema::read_catalog(source_);
    EXPECT_TRUE(read) << describe(read.error());
    return std::move(read).value();
  }

  // Capture on every table, and the content there was before as the model's beginning.
  void capture(OldRows old_rows = OldRows::kWhole) {
    const auto identified = ensure_identity(source_);
    ASSERT_TRUE(identified) << describe(identified.error());
    const schema::Catalog read = catalog();
    tables_ = read.tables;
    auto installed = install(source_, tables_, {}, read.schema_version);
    ASSERT_TRUE(installed) << describe(installed.error());
    captured_ = installed.value().captured;
    shapes_.clear();
    for (size_t i = 0; i < tables_.size(); ++i) {
      shapes_[captured_[i].id] = {std::make_shared<const Table>(tables_[i]), captured_[i].base_lsn};
    }
    reader_ = std::make_unique<LogReader>(source_, shapes_, old_rows);
    model_ = content();
  }

  const Table& table(const std::string& name) {
    for (const Table& each : tables_) {
      if (each.name == name) return each;
    }
    ADD_FAILURE() << "no table " << name;
    return tables_.front();
  }

  // All parts up to the present watermark. Behind a settled part the snapshot ends for `between`:
  // what that writes is read as well.
  Result<std::vector<ChangeBatch>> read_log(size_t bytes_max = kWhole,
                                            const std::function<void()>& between = nullptr) {
    std::vector<ChangeBatch> parts;
    CROSSFADE_TRY(Watermark watermark, reader_->begin_snapshot());
    Lsn after = read_;
    do {
      auto part = reader_->read(after, bytes_max);
      if (!part) {
        reader_->end_snapshot();
        return fail(std::move(part).error());
      }
      after = part.value().through;
      parts.push_back(std::move(part).value());
      if (!between || !parts.back().settled || parts.back().closes_watermark) continue;
      reader_->end_snapshot();
      between();
      CROSSFADE_TRY(watermark, reader_->begin_snapshot());
    } while (!parts.back().closes_watermark);
    reader_->end_snapshot();
    EXPECT_EQ(after, watermark.newest);
    read_ = after;
    return parts;
  }

  std::vector<Change> changes(size_t bytes_max = kWhole) {
    auto parts = read_log(bytes_max);
    EXPECT_TRUE(parts) << describe(parts.error());
    std::vector<Change> out;
    if (!parts) return out;
    for (ChangeBatch& part : parts.value()) {
      for (Change& change : part.changes) out.push_back(std::move(change));
    }
    return out;
  }

  // Brings the model to the watermark and compares it with the tables.
  ::testing::AssertionResult follows(size_t bytes_max = kWhole,
                                     const std::function<void()>& between = nullptr) {
    auto parts = read_log(bytes_max, between);
    if (!parts) return ::testing::AssertionFailure() << describe(parts.error());
    for (const ChangeBatch& part : parts.value()) replay(part, &model_);
    return is_there(model_);
  }

  // Whether `model` is what the tables hold, class and bits.
  ::testing::AssertionResult is_there(const Content& model) {
    const Content now = content();
    for (const Table& table : tables_) {
      const auto in_model = model.find(table.name);
      const Rows have = in_model == model.end() ? Rows() : in_model->second;
      const Rows& want = now.at(table.name);
      if (have == want) continue;
      return ::testing::AssertionFailure() << table.name << ": the log gives " << literals(have)
                                           << "\nthe table has " << literals(want);
    }
    return ::testing::AssertionSuccess();
  }

  Content content() {
    Content out;
    for (const Table& table : tables_) {
      std::string columns;
      for (const Column& column : table.columns) {
        columns += (columns.empty() ? "" : ",") + column.source_sql;
      }
      auto rows = sqlite::Statement::prepare(
          source_, "SELECT " + columns + " FROM " + sqlite::quote(table.name));
      EXPECT_TRUE(rows) << describe(rows.error());
      out[table.name];
      while (rows && rows.value().step().value()) {
        const Row row = rows.value().row();
        out[table.name][identity(table, row)] = row;
      }
    }
    return out;
  }

  sqlite::Connection& source() { return source_; }
  std::vector<Table>& tables() { return tables_; }
  std::vector<Captured>& captured() { return captured_; }
  const Shapes& shapes() const { return shapes_; }
  const Content& model() const { return model_; }
  LogReader& reader() { return *reader_; }
  Lsn position() const { return read_; }
  void seek(Lsn lsn) { read_ = lsn; }

 private:
  sqlite::Connection source_;
  std::vector<Table> tables_;
  std::vector<Captured> captured_;
  Shapes shapes_;
  std::unique_ptr<LogReader> reader_;
  Lsn read_;
  Content model_;
};

}  // namespace crossfade::capture::testing
