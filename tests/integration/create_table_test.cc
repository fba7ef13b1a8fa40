// Promise: a table is made on the target, whatever PostgreSQL thinks of its generated columns.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>

#include "engine/core/error.h"
#include "engine/run/create_table.h"
#include "engine/schema/table_ddl.h"
#include "tests/support/cluster.h"
#include "tests/support/connect.h"

namespace crossfade::testing {
namespace {

using ::testing::HasSubstr;

Column planned(const char* name, ColumnType type, std::optional<std::string> generated = {}) {
  Column column;
  column.name = name;
  column.target_name = name;
  column.type = std::move(type);
  column.target_generated = std::move(generated);
  return column;
}

// No translation is known that PostgreSQL refuses; should there be one, the table is made.
TEST(CreateTableTest, WhatTheTargetRefusesToComputeIsPlain) {
  CROSSFADE_NEEDS_POSTGRES();
  const std::string url = TestCluster::create_database();
  auto connection = connect_or_die(url);
  Table table;
  table.name = "t";
  table.target_name = "t";
  table.columns = {planned("a", TargetType::kBigint),
                   planned("good", TargetType::kBigint, "\"a\" + 1"),
                   planned("bad", TargetType::kText, "now()::text"),
                   planned("worse", TargetType::kBigint, "nothing(\"a\")")};
  table.create_table_ddl =
      "CREATE TABLE public.t (a bigint, good bigint GENERATED ALWAYS AS (a + 1) STORED, bad text "
      "GENERATED ALWAYS AS (now()::text) STORED, worse bigint GENERATED ALWAYS AS (nothing(a)) "
      "STORED)";
  ASSERT_TRUE(connection.exec("BEGIN"));
  const auto made = run::create_table(connection, "public", &table);
  ASSERT_TRUE(made) << describe(made.error());
  ASSERT_TRUE(connection.exec("COMMIT"));
  ASSERT_EQ(made.value().size(), 2U);
  EXPECT_EQ(made.value()[0].column, "bad");
  EXPECT_THAT(made.value()[0].message, HasSubstr("not immutable"));
  EXPECT_EQ(made.value()[1].column, "worse");
  const auto computed = connection.exec(
      "SELECT string_agg(attname, ' ') FROM pg_attribute WHERE attrelid = 'public.t'::regclass AND "
      "attgenerated = 's'");
  ASSERT_TRUE(computed);
  EXPECT_EQ(computed.value().text(0, 0), "good");
  EXPECT_TRUE(table.columns[1].target_generated);
  EXPECT_FALSE(table.columns[2].target_generated);
  EXPECT_TRUE(connection.exec("INSERT INTO public.t(a, bad, worse) VALUES(1, 'x', 2)"));
  EXPECT_EQ(table.create_table_ddl, schema::create_table_ddl(table, "public"));
  TestCluster::drop_database(url);
}

}  // namespace
}  // namespace crossfade::testing
