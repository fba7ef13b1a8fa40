// Tables by hand, for the tests of verify/: they need no catalog and no plan.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/core/schema.h"
#include "engine/sqlite/connection.h"
#include "verify/canonical.h"

namespace crossfade::verify::testing {

inline Column column(const std::string& name, TargetType type) {
  Column c;
  c.name = name;
  c.source_sql = sqlite::quote(name);
  c.target_name = name;
  c.type = type;
  return c;
}

// The stand-in key of a table without one.
inline Column rowid_column() {
  Column c = column("rowid", TargetType::kBigint);
  c.source_sql = "rowid";
  c.target_name = "_rowid";
  c.synthetic = true;
  return c;
}

inline std::shared_ptr<const Table> make_table(const std::string& name, std::vector<Column> columns,
                                               std::vector<size_t> key) {
  auto table = std::make_shared<Table>();
  table->name = name;
  table->target_name = name;
  table->columns = std::move(columns);
  table->key = std::move(key);
  return table;
}

inline sqlite::Connection memory_database() {
  auto opened = sqlite::Connection::open({":memory:", sqlite::Access::kCreate});
  EXPECT_TRUE(opened) << describe(opened.error());
  return std::move(opened).value();
}

}  // namespace crossfade::verify::testing
