// A SQLite file of a test's own, its tables as the catalog has them, and changes to them as they
// come from PostgreSQL.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "apply/source_writer.h"
#include "engine/core/target_change.h"
#include "engine/schema/catalog.h"
#include "engine/sqlite/connection.h"
#include "engine/sqlite/statement.h"
#include "tests/support/temp_dir.h"

namespace crossfade::testing {

class SourceFile {
 public:
  explicit SourceFile(const std::string& sql) {
    exec("PRAGMA journal_mode=WAL");
    exec(sql);
  }

  void exec(const std::string& sql) {
    const Status done = connection_.exec(sql);
    EXPECT_TRUE(done) << describe(done.error()) << "\n" << sql;
  }

  // Of the newest schema.
  [[nodiscard]] std::shared_ptr<const Table> table(const std::string& name) {
    auto catalog = schema::read_catalog(connection_);
    EXPECT_TRUE(catalog) << describe(catalog.error());
    for (Table& table : catalog.value().tables) {
      if (table.name == name) return std::make_shared<const Table>(std::move(table));
    }
    ADD_FAILURE() << "no table " << name;
    return nullptr;
  }

  // "1|'a'|NULL" per row and line, classes and bytes told apart.
  [[nodiscard]] std::string rows(const std::string& query) {
    auto row = sqlite::Statement::prepare(connection_, query);
    EXPECT_TRUE(row) << describe(row.error());
    std::string out;
    while (row && row.value().step().value()) {
      for (int i = 0; i < row.value().column_count(); ++i) {
        out += (i == 0 ? "" : "|") + to_literal(row.value().value(i));
      }
      out += '\n';
    }
    return out;
  }

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] sqlite::Connection& connection() { return connection_; }

 private:
  TempDir dir_;
  std::string path_ = dir_.file("app.db");
  sqlite::Connection connection_ =
      std::move(sqlite::Connection::open({path_, sqlite::Access::kCreate})).value();
};

using Fields = std::vector<std::optional<Value>>;

[[nodiscard]] inline Value text(std::string bytes) {
  return Value(Text{std::move(bytes)});
}
[[nodiscard]] inline Value number(int64_t value) {
  return Value(value);
}

[[nodiscard]] inline TargetChange inserted(const std::shared_ptr<const Table>& table,
                                           Fields after) {
  return {table, TargetOp::kInsert, {}, std::move(after), {}};
}
[[nodiscard]] inline TargetChange updated(const std::shared_ptr<const Table>& table, Row key,
                                          Fields after) {
  return {table, TargetOp::kUpdate, std::move(key), std::move(after), {}};
}
[[nodiscard]] inline TargetChange deleted(const std::shared_ptr<const Table>& table, Row key) {
  return {table, TargetOp::kDelete, std::move(key), {}, {}};
}
[[nodiscard]] inline TargetChange truncated(const std::shared_ptr<const Table>& table) {
  return {table, TargetOp::kTruncate, {}, {}, {}};
}
// `change` with a field that stands for no value.
[[nodiscard]] inline TargetChange misfitting(TargetChange change, size_t column,
                                             const std::string& field) {
  change.after[column].reset();
  change.misfit = TargetMisfit{column, field};
  return change;
}

}  // namespace crossfade::testing
