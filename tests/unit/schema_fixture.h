// A database in memory and what the schema layer makes of it.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/core/error.h"
#include "engine/schema/catalog.h"
#include "engine/schema/plan.h"
#include "engine/schema/utf8.h"
#include "engine/sqlite/connection.h"

namespace crossfade::schema {

class SchemaTest : public ::testing::Test {
 protected:
  void exec(const std::string& sql) {
    const Status done = source_.exec(sql);
    ASSERT_TRUE(done) << describe(done.error()) << "\n" << sql;
  }

  Catalog catalog() {
    auto read = read_catalog(source_);
    EXPECT_TRUE(read) << describe(read.error());
    return read ? std::move(read).value() : Catalog{};
  }

  // The declared table, as the catalog alone sees it.
  Table declared(const std::string& name) {
    for (Table& table : catalog().tables) {
      if (table.name == name) return std::move(table);
    }
    ADD_FAILURE() << "no table " << name;
    return {};
  }

  Plan plan() {
    auto made = make_plan(source_, catalog(), {.target_schema = "s"});
    EXPECT_TRUE(made) << describe(made.error());
    return made ? std::move(made).value() : Plan{};
  }

  static TablePlan table(const Plan& plan, const std::string& name) {
    for (const TablePlan& each : plan.tables) {
      if (each.table.name == name) return each;
    }
    ADD_FAILURE() << "no table " << name;
    return {};
  }

  static Column column(const Table& table, const std::string& name) {
    for (const Column& each : table.columns) {
      if (each.name == name) return each;
    }
    ADD_FAILURE() << "no column " << name;
    return {};
  }

  static std::vector<Finding> findings(const Plan& plan, const std::string& code) {
    std::vector<Finding> out;
    for (const Finding& finding : plan.findings) {
      if (finding.code == code) out.push_back(finding);
    }
    return out;
  }

  // The one finding of this code; fails the test when there is none or more.
  static Finding finding(const Plan& plan, const std::string& code) {
    const std::vector<Finding> found = findings(plan, code);
    EXPECT_EQ(found.size(), 1U) << code;
    return found.empty() ? Finding{} : found.front();
  }

 private:
  static sqlite::Connection open() {
    auto connection =
        sqlite::Connection::open({.path = ":memory:", .access = sqlite::Access::kCreate});
    EXPECT_TRUE(connection);
    return std::move(connection).value();
  }

 protected:
  sqlite::Connection source_ = open();
};

}  // namespace crossfade::schema
